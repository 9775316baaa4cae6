"""Playback: AudioChunks to the loudspeaker, to a WAV file, or nowhere."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from voicemed.audio import AudioChunk, Resampler, Samples, WavWriter
from voicemed.errors import DeviceError, OutputError


class Sink(Protocol):
    """Where replies go. One thread plays; any thread may stop it."""

    name: str
    "For the screen."
    audible: bool
    "The microphone can hear it."

    def play(self, chunks: Iterator[AudioChunk], started: Callable[[], None] | None = None) -> None:
        """Play a reply; returns when it has been heard to its end or was stopped.

        Begins with the first chunk, without waiting for the second. `started` is called once, as
        the first sample leaves; it must return at once, as it may run in the audio thread.
        """
        ...

    def stop(self) -> None:
        """Silence the reply that plays, within 50 ms; the rest of it is dropped."""
        ...

    def close(self) -> None:
        """Stop and give the device or file back; a second call does nothing."""
        ...


def create_sink(output: str, device: str = "") -> Sink:
    """The sink for `--output`: speaker, none, or the path of a .wav file.

    `device` is the loudspeaker's number or a part of its name; empty: the system's default. Raises
    DeviceError for a loudspeaker that is not there, OutputError for a file that cannot be written.
    """
    if output == "speaker":
        return Speaker(device)
    if output == "none":
        return NoSound()
    if Path(output).suffix.lower() == ".wav":
        return WavFile(Path(output))
    raise OutputError(f"{output}: no output for speech: use speaker, none or a file named *.wav")


class Speaker:
    """The loudspeaker, through PortAudio."""

    audible = True

    _BLOCK = 0.01
    "Seconds for each call of the audio thread: a stop is heard within the next one."
    _LOST = 1.0
    "Seconds without a call of the audio thread after which the device is taken for lost."

    def __init__(self, device: str = "") -> None:
        """Find the loudspeaker; it is opened when the first reply comes.

        `device` is a number or a part of a name of `voicemed devices`; empty: the system's default.
        Raises DeviceError if there is none.
        """
        try:
            import sounddevice
        except (ImportError, OSError) as error:  # OSError: no PortAudio library
            raise DeviceError(
                f"no sound output ({error}): install PortAudio (`apt install libportaudio2`), or "
                "use --output none"
            ) from error
        self._sounddevice = sounddevice
        self._device = int(device) if device.isdecimal() else device or None
        try:
            found = sounddevice.query_devices(self._device, kind="output")
        except (ValueError, sounddevice.PortAudioError) as error:
            raise DeviceError(
                f"audio.output_device {device or 'default'}: no such loudspeaker: choose one of "
                "`voicemed devices`, or use --output none"
            ) from error
        self.name = str(found["name"])
        self._native_rate = int(found["default_samplerate"])
        self._channels = min(2, int(found["max_output_channels"]))  # some devices refuse mono
        self._stream: Any = None
        self._rate = 0
        self._playing = _Playing(None)

    def play(self, chunks: Iterator[AudioChunk], started: Callable[[], None] | None = None) -> None:
        """Play a reply to its end or until stopped; DeviceError if the loudspeaker is lost."""
        playing = self._playing = _Playing(started)
        resampler: Resampler | None = None
        try:
            for chunk in chunks:
                if playing.stopping:
                    break
                if resampler is None:
                    self._start(chunk.sample_rate)
                    resampler = Resampler(chunk.sample_rate, self._rate)
                playing.add(resampler.resample(chunk.samples))
        finally:  # what came before a failing voice is played, and the device stops either way
            if resampler is not None:
                playing.add(resampler.resample(np.zeros(0, np.float32), last=True))
                playing.complete = True
                self._finish(playing)

    def stop(self) -> None:
        """Fade the reply out within the next 10 ms block and drop the rest of it."""
        self._playing.stopping = True

    def close(self) -> None:
        """Silence and close the loudspeaker."""
        self.stop()
        if self._stream is not None:
            stream, self._stream = self._stream, None
            stream.close(ignore_errors=True)

    def _start(self, rate: int) -> None:
        """Start the audio thread, at the voice's rate where the device takes it."""
        sounddevice = self._sounddevice
        try:
            if self._stream is None:
                self._stream, self._rate = self._open(rate)
            self._stream.start()
        except sounddevice.PortAudioError as error:
            self.close()
            raise self._lost(str(error)) from error

    def _open(self, rate: int) -> tuple[Any, int]:
        sounddevice = self._sounddevice
        try:
            sounddevice.check_output_settings(
                self._device, self._channels, "float32", samplerate=rate
            )
        except sounddevice.PortAudioError:
            rate = self._native_rate
        stream = sounddevice.OutputStream(
            samplerate=rate,
            blocksize=round(self._BLOCK * rate),
            device=self._device,
            channels=self._channels,
            dtype="float32",
            latency="low",
            callback=self._fill,
            finished_callback=lambda: self._playing.done.set(),
        )
        return stream, rate

    def _fill(self, out: Any, frames: int, _time: object, _status: object) -> None:
        """The audio thread's callback: copies, and fades when stopped."""
        playing = self._playing
        playing.calls += 1
        block = playing.take(frames)
        stopping = playing.stopping  # read once: it may be set meanwhile, and needs its fade
        if stopping:
            block *= np.linspace(1.0, 0.0, frames, dtype=np.float32)  # cut off, it would click
            playing.waiting.clear()
        out[:] = block[:, np.newaxis]
        if stopping or (playing.complete and not playing.waiting):
            raise self._sounddevice.CallbackStop

    def _finish(self, playing: _Playing) -> None:
        """Wait until the device has played all; one that has gone calls no more."""
        calls = -1
        while not playing.done.wait(self._LOST) and self._stream is not None:
            if playing.calls == calls:
                self.close()
                raise self._lost("it takes no more sound")
            calls = playing.calls
        if self._stream is not None:
            self._stream.stop(ignore_errors=True)  # done, but only a stopped one starts again

    def _lost(self, reason: str) -> DeviceError:
        return DeviceError(
            f"loudspeaker {self.name}: lost or busy ({reason}): connect it again, or set "
            "audio.output_device to another of `voicemed devices`"
        )


class LateSpeaker:
    """The loudspeaker, looked for when the first reply comes: it may not be there, nor be needed.

    Until then nothing is audible, and a microphone that was lost can be found again.
    """

    name = "loudspeaker"

    def __init__(self, device: str = "") -> None:
        """`device` is that of Speaker."""
        self.audible = False
        self._device = device
        self._speaker: Speaker | None = None

    def play(self, chunks: Iterator[AudioChunk], started: Callable[[], None] | None = None) -> None:
        """Play a reply; DeviceError if there is no loudspeaker, or it is lost."""
        if self._speaker is None:
            self._speaker = Speaker(self._device)
            self.audible = True
        self._speaker.play(chunks, started)

    def stop(self) -> None:
        """Silence the reply that plays."""
        if self._speaker is not None:
            self._speaker.stop()

    def close(self) -> None:
        """Silence and close the loudspeaker."""
        if self._speaker is not None:
            self._speaker.close()


class _Playing:
    """One reply on its way to the loudspeaker, shared by the playing and the audio thread.

    Each field has one writer and is read whole, so nothing is locked.
    """

    def __init__(self, started: Callable[[], None] | None) -> None:
        self.waiting: deque[Samples] = deque()
        self.complete = False
        "No more samples will be added."
        self.stopping = False
        self.done = threading.Event()
        "The device has played the last sample."
        self.calls = 0
        "Of the audio thread's callback."
        self._started = started

    def add(self, samples: Samples) -> None:
        if len(samples):
            self.waiting.append(samples)

    def take(self, frames: int) -> Samples:
        """The next samples, filled up with silence."""
        block = np.zeros(frames, np.float32)
        if self.waiting and self._started is not None:
            self._started()
            self._started = None
        filled = 0
        while filled < frames and self.waiting:
            samples = self.waiting.popleft()
            taken = samples[: frames - filled]
            block[filled : filled + len(taken)] = taken
            filled += len(taken)
            if len(taken) < len(samples):
                self.waiting.appendleft(samples[len(taken) :])
        return block


class WavFile:
    """A WAV with all replies of a session, half a second of silence between them.

    16-bit PCM, mono, at the rate of the first reply; readable at any moment, even after a kill.
    Without a reply there is no file: an older one of that name is removed.
    """

    audible = False

    _GAP = 0.5
    "Seconds of silence between replies."

    def __init__(self, path: Path) -> None:
        """Make sure that the file can be written; OutputError if it cannot."""
        self.name = str(path)
        self._path = path
        self._writer: WavWriter | None = None
        self._rate = 0
        self._stopping = False
        try:
            path.open("wb").close()
            path.unlink()
        except OSError as error:
            raise OutputError(
                f"{path}: cannot be written ({error.strerror}): choose another --output"
            ) from error

    def play(self, chunks: Iterator[AudioChunk], started: Callable[[], None] | None = None) -> None:
        """Append a reply; OutputError if the file cannot be written any more."""
        self._stopping = False
        resampler: Resampler | None = None
        for chunk in chunks:
            if self._stopping:
                return
            if resampler is None:
                writer = self._begin(chunk.sample_rate)
                resampler = Resampler(chunk.sample_rate, self._rate)
                if started is not None:
                    started()
            writer.write(resampler.resample(chunk.samples))
        if resampler is not None:
            writer.write(resampler.resample(np.zeros(0, np.float32), last=True))

    def stop(self) -> None:
        """Leave out the rest of the reply that is being written."""
        self._stopping = True

    def close(self) -> None:
        """Close the file."""
        self.stop()
        if self._writer is not None:
            self._writer.close()

    def _begin(self, rate: int) -> WavWriter:
        """The writer, with the silence before this reply written if it is not the first."""
        if self._writer is None:
            self._writer, self._rate = WavWriter(self._path, rate), rate
        else:
            self._writer.write(np.zeros(round(self._GAP * self._rate), np.float32))
        return self._writer


class NoSound:
    """Replies are only shown. Nothing beyond the first clause is synthesized."""

    name = "none"
    audible = False

    def play(self, chunks: Iterator[AudioChunk], started: Callable[[], None] | None = None) -> None:
        """Wait for the first chunk, so that latency can be measured without a device."""
        if next(chunks, None) is not None and started is not None:
            started()

    def stop(self) -> None:
        """Nothing plays."""

    def close(self) -> None:
        """Nothing is open."""
