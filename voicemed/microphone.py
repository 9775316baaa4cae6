"""Where sound comes from: a microphone by PortAudio, or a recording in its place.

PortAudio's callback only copies into a bounded queue. Everything else, from resampling to waiting
for a lost microphone, happens in the thread that iterates over `events`.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from voicemed.audio import (
    SAMPLE_RATE,
    AudioChunk,
    Framer,
    Resampler,
    Samples,
    Seconds,
    probe,
    read_blocks,
)
from voicemed.errors import DeviceError

BLOCK = 512
"Samples in a chunk at 16 kHz: 32 ms, a window of Silero VAD."


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """The microphone delivers no more sound; it is waited for."""

    at: Seconds
    reason: str


@dataclass(frozen=True, slots=True)
class DeviceRestored:
    """Sound comes again. Time went on by captured samples: what was said meanwhile has no place."""

    at: Seconds
    name: str
    "Of the microphone, which is another one if the system's default changed."


@dataclass(frozen=True, slots=True)
class NothingHeard:
    """The input has been digital silence for 3 s: muted, or the wrong device."""

    at: Seconds


@dataclass(frozen=True, slots=True)
class HearingAgain:
    """The input is no longer digital silence."""

    at: Seconds


_NOTHING: Samples = np.zeros(0, np.float32)

SourceEvent = AudioChunk | DeviceLost | DeviceRestored | NothingHeard | HearingAgain


class Source(Protocol):
    """A stream of sound at 16 kHz. Its chunks follow each other without gap or overlap."""

    name: str
    "For the screen."
    paced: bool
    "It drops sound that is not taken in time, instead of waiting."
    overflows: int
    "Blocks that were lost because the machine was too slow."

    def events(self) -> Iterator[SourceEvent]:
        """Sound, and what happens to the device, until the end or `close`. To be called once."""
        ...

    def close(self) -> None:
        """End it, from any thread: `events` ends after delivering what was captured."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A sound device, as PortAudio lists it."""

    index: int
    name: str
    host: str
    "The system's interface to it, such as ALSA or Core Audio."
    inputs: int
    "Channels."
    outputs: int
    "Channels."
    default_input: bool
    default_output: bool
    sample_rate: float
    "Hz; its default."


def devices() -> list[DeviceInfo]:
    """All microphones and loudspeakers; raises DeviceError where PortAudio is missing."""
    sounddevice = _import_sounddevice()
    hosts = sounddevice.query_hostapis()
    default_input, default_output = sounddevice.default.device
    return [
        DeviceInfo(
            index=device["index"],
            name=device["name"],
            host=hosts[device["hostapi"]]["name"],
            inputs=device["max_input_channels"],
            outputs=device["max_output_channels"],
            default_input=device["index"] == default_input,
            default_output=device["index"] == default_output,
            sample_rate=device["default_samplerate"],
        )
        for device in sounddevice.query_devices()
    ]


class Microphone:
    """A microphone, opened at 16 kHz where it takes that, else resampled from its own rate.

    When it is lost, `events` says so within a second and tries every half second to get it back.
    Sound that is not taken for half a minute is dropped: silence of the same length takes its
    place, so that times stay true, and `overflows` counts it.
    """

    paced = True

    _LATENCY: Seconds = 0.1
    "Of PortAudio's buffer: what the callback may be late by, when other threads are busy."
    _CAPACITY: Seconds = 30.0
    "Of the queue."
    _POLL: Seconds = 0.1
    _LOST_AFTER: Seconds = 0.7
    "Without sound."
    _STARTS_WITHIN: Seconds = 3.0
    "Bluetooth headsets and idle sound servers take their time before the first block."
    _RETRY: Seconds = 0.5
    _STALL: Seconds = 3.0
    "A stream without sound gets this long to go on by itself."
    _NOTHING_HEARD_AFTER: Seconds = 3.0

    def __init__(
        self, device: str = "", *, may_restart_portaudio: Callable[[], bool] = lambda: True
    ) -> None:
        """Find the microphone; it is opened when `events` begins.

        `device` is a number or a part of a name of `devices`; empty: the system's default.
        A microphone that was plugged in again is only seen when PortAudio starts anew, and that
        breaks all other streams: `may_restart_portaudio` is asked before, to close them, or to say
        no for the moment. Raises DeviceError for a device that is not there or cannot be used.
        """
        self._sounddevice = _import_sounddevice()
        self._wanted = device
        self._may_restart_portaudio = may_restart_portaudio
        self._format = _choose_format(self._sounddevice, _choose(device))
        self.name = self._format.name
        self.overflows = 0
        self._queue: queue.Queue[_Block | None] = queue.Queue(
            round(self._CAPACITY * SAMPLE_RATE / BLOCK)
        )
        self._skipped = 0  # frames dropped since the last block in the queue; the callback's own
        self._closing = threading.Event()
        self._resampler = Resampler(self._format.sample_rate, SAMPLE_RATE)
        self._framer = Framer(BLOCK)
        self._all_zero: Seconds = 0.0

    def events(self) -> Iterator[SourceEvent]:
        """Chunks of 512 samples (the last one shorter), and what happens to the device.

        Raises DeviceError where the device cannot be opened at first.
        """
        stream: Any = self._open()
        try:
            while True:
                reason = yield from self._capture(stream)
                if self._closing.is_set():
                    break
                yield DeviceLost(self._framer.now, reason)
                if not self._revives(stream):
                    stream.close(ignore_errors=True)
                    stream = self._reopen()
                if stream is None:
                    break
                yield DeviceRestored(self._framer.now, self.name)
        finally:
            if stream is not None:
                stream.close(ignore_errors=True)
        while not self._queue.empty():
            yield from self._deliver(self._queue.get())
        yield from self._flush()
        yield from self._framer.rest()

    def close(self) -> None:
        """End the capture, from any thread; `events` ends after delivering what was captured."""
        self._closing.set()
        with suppress(queue.Full):
            self._queue.put_nowait(None)  # wakes it

    def _capture(self, stream: Any) -> Generator[SourceEvent, None, str]:
        """Deliver until closed or lost; returns why it was lost."""
        patience, waited = self._STARTS_WITHIN, 0.0
        while not self._closing.is_set():
            try:
                block = self._queue.get(timeout=self._POLL)
            except queue.Empty:
                waited += self._POLL
                if stream.active and waited < patience:
                    continue
                yield from self._flush()
                return "no sound arrives" if stream.active else "disconnected or stopped"
            patience, waited = self._LOST_AFTER, 0.0
            yield from self._deliver(block)
        return ""

    def _revives(self, stream: Any) -> bool:
        """Whether sound arrives again by itself: the machine slept, or a sound server stalled.

        It is not closed at once, for closing would wait for the stalled server.
        """
        for _ in range(round(self._STALL / self._RETRY)):
            if not stream.active or self._closing.wait(self._RETRY):
                return False
            if not self._queue.empty():
                return True
        return False

    def _deliver(self, block: _Block | None) -> Iterator[SourceEvent]:
        if block is None:
            return
        rate = self._format.sample_rate
        for begin in range(0, block.skipped, rate):
            silence = np.zeros(min(rate, block.skipped - begin), np.float32)
            yield from self._framer.frames(self._resampler.resample(silence))
        yield from self._framer.frames(self._resampler.resample(block.samples.mean(axis=1)))

        before = self._all_zero
        self._all_zero = 0.0 if block.samples.any() else before + len(block.samples) / rate
        if before < self._NOTHING_HEARD_AFTER <= self._all_zero:
            yield NothingHeard(self._framer.now)
        elif self._all_zero < self._NOTHING_HEARD_AFTER <= before:
            yield HearingAgain(self._framer.now)

    def _flush(self) -> Iterator[AudioChunk]:
        """What the resampler still holds; it begins anew."""
        yield from self._framer.frames(self._resampler.resample(_NOTHING, last=True))
        self._resampler = Resampler(self._format.sample_rate, SAMPLE_RATE)

    def _on_block(
        self, samples: NDArray[np.float32], frames: int, _time: object, status: Any
    ) -> None:
        """PortAudio's callback: [frames, channels]."""
        if status.input_overflow:
            self.overflows += 1
        try:
            self._queue.put_nowait(_Block(samples.copy(), self._skipped))
            self._skipped = 0
        except queue.Full:
            self.overflows += 1
            self._skipped += frames

    def _open(self) -> Any:
        """A running stream; raises DeviceError."""
        chosen = self._format
        stream: Any = None
        try:
            with _without_chatter():
                stream = self._sounddevice.InputStream(
                    samplerate=chosen.sample_rate,
                    blocksize=round(BLOCK * chosen.sample_rate / SAMPLE_RATE),
                    device=chosen.index,
                    channels=chosen.channels,
                    dtype="float32",
                    latency=self._LATENCY,
                    callback=self._on_block,
                )
                stream.start()
        except self._sounddevice.PortAudioError as error:
            if stream is not None:
                stream.close(ignore_errors=True)
            raise DeviceError(
                f"microphone {chosen.name}: cannot be opened ({_one_line(error)}): does another "
                "program use it?"
            ) from error
        self._resampler = Resampler(chosen.sample_rate, SAMPLE_RATE)
        return stream

    def _reopen(self) -> Any:
        """A running stream once the device is back; None when closed."""
        while not self._closing.wait(self._RETRY):
            with suppress(DeviceError):
                return self._open()
            if self._may_restart_portaudio():
                with suppress(DeviceError, self._sounddevice.PortAudioError):
                    self._restart_portaudio()
                    return self._open()
        return None

    def _restart_portaudio(self) -> None:
        """Let PortAudio list the devices anew, and find the microphone among them."""
        with _without_chatter():
            with suppress(self._sounddevice.PortAudioError):  # a failed start left it terminated
                self._sounddevice._terminate()
            self._sounddevice._initialize()
        # By its name: the numbers change when devices come and go.
        device = _choose(self.name if self._wanted else "")
        self._format = _choose_format(self._sounddevice, device)
        self.name = self._format.name


class FileSource:
    """A recording in place of the microphone: at the pace of real time, or as fast as taken."""

    paced = False
    overflows = 0

    _READ_AHEAD: Seconds = 32 * BLOCK / SAMPLE_RATE

    def __init__(
        self,
        path: Path,
        *,
        pace: Literal["realtime", "fast"] = "realtime",
        clock: Callable[[], Seconds] = time.monotonic,
        sleep: Callable[[Seconds], object] | None = None,
    ) -> None:
        """Check the recording; raises AudioFileError. `sleep` has to return early on `close`."""
        probe(path)
        self.name = path.name
        self._path = path
        self._pace = pace
        self._clock = clock
        self._closing = threading.Event()
        self._sleep = sleep or self._closing.wait

    def events(self) -> Iterator[SourceEvent]:
        """Chunks of 512 samples, the last one shorter; each when its last sample has been heard."""
        began = self._clock()
        framer = Framer(BLOCK)
        for piece in read_blocks(self._path, block=self._READ_AHEAD):
            for chunk in [*framer.frames(piece.samples), *framer.rest()]:
                if self._pace == "realtime":
                    heard = began + chunk.start + chunk.samples.size / SAMPLE_RATE
                    self._sleep(max(0.0, heard - self._clock()))
                if self._closing.is_set():
                    return
                yield chunk

    def close(self) -> None:
        """End at once, from any thread."""
        self._closing.set()


@dataclass(frozen=True, slots=True)
class _Block:
    """What one callback of PortAudio brought."""

    samples: NDArray[np.float32]
    "[frames, channels]"
    skipped: int
    "Frames that were dropped before it."


@dataclass(frozen=True, slots=True)
class _Format:
    """How a device is opened."""

    index: int
    name: str
    sample_rate: int
    "Hz."
    channels: int


def _choose(wanted: str) -> DeviceInfo:
    """The microphone of that number, or with that in its name; empty: the system's default."""
    inputs = [device for device in devices() if device.inputs > 0]
    if not inputs:
        raise DeviceError(
            "no microphone found: connect one and see `voicemed devices`, or give a recording by "
            "--input FILE"
        )
    if not wanted:
        return next((device for device in inputs if device.default_input), inputs[0])
    if wanted.isdecimal():
        found = [device for device in inputs if device.index == int(wanted)]
    else:
        found = [device for device in inputs if wanted.casefold() in device.name.casefold()]
        found = [d for d in found if d.name.casefold() == wanted.casefold()] or found
    if len(found) > 1:  # Windows lists each device once for each of its interfaces
        host = next((device.host for device in inputs if device.default_input), "")
        found = [device for device in found if device.host == host] or found
    if len(found) == 1:
        return found[0]
    choices = "; ".join(f"{device.index} {device.name}" for device in found or inputs)
    problem = "fits several microphones" if found else "no such microphone"
    raise DeviceError(f"audio.input_device {wanted}: {problem}: choose one of {choices}")


def _choose_format(sounddevice: Any, device: DeviceInfo) -> _Format:
    """The first way in which the device can be opened: raises DeviceError if there is none."""
    own_rate = round(device.sample_rate)
    reason = ""
    for rate, channels in [(SAMPLE_RATE, 1), (own_rate, 1), (own_rate, device.inputs)]:
        try:
            with _without_chatter():
                sounddevice.check_input_settings(
                    device=device.index, channels=channels, dtype="float32", samplerate=rate
                )
        except sounddevice.PortAudioError as error:
            reason = _one_line(error)
            continue
        return _Format(device.index, device.name, rate, channels)
    raise DeviceError(
        f"microphone {device.name}: cannot be opened ({reason}): does another program use it?"
    )


def _import_sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise DeviceError("sounddevice is missing: pip install sounddevice") from error
    except OSError as error:
        raise DeviceError(
            "the PortAudio library is missing: apt install libportaudio2 (Debian, Ubuntu), "
            "dnf install portaudio (Fedora), brew install portaudio (macOS)"
        ) from error
    return sounddevice


def _one_line(error: Exception) -> str:
    """PortAudio's message without the numbers and texts that follow it."""
    return str(error.args[0] if error.args else error).splitlines()[0]


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Keep ALSA and PortAudio from writing their own messages over the screen."""
    try:
        stderr = os.dup(2)
    except OSError:  # closed
        yield
        return
    try:
        with Path(os.devnull).open("wb") as devnull:
            os.dup2(devnull.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
