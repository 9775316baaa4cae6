"""Sound: the one representation that all stages share, decoding, resampling, WAV.

Any recording that FFmpeg knows is decoded by PyAV, mixed to one channel and resampled by soxr, in
blocks: a recording of hours is never whole in memory.
"""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voicemed.errors import AudioFileError, OutputError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

Samples = NDArray[np.float32]
"Mono, in [-1, 1]."
Seconds = float
"Since the first captured sample, from sample counts."

SAMPLE_RATE = 16_000
"Hz; what speech detection and Whisper take."
SILENCE_DBFS = -100.0
"The level of digital silence: the floor of `level_dbfs`."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A stretch of sound with its place in time."""

    samples: Samples
    sample_rate: int
    "Hz."
    start: Seconds


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a recording's headers say."""

    duration: Seconds | None
    "An estimate for formats without an index (mp3, amr, raw aac); None where nothing is known."
    channels: int
    sample_rate: int
    "Hz."
    codec: str
    "FFmpeg's name, such as pcm_mulaw or mp3."


def probe(path: Path) -> AudioInfo:
    """Read a recording's headers; raises AudioFileError where there is nothing to decode."""
    with _opened(path) as (container, stream):
        return _info(container, stream)


def read(
    path: Path,
    *,
    sample_rate: int = SAMPLE_RATE,
    channel: int | None = None,
    on_damage: Callable[[str], None] | None = None,
) -> Samples:
    """Decode a whole recording; arguments and errors as for `read_blocks`."""
    blocks = read_blocks(
        path, sample_rate=sample_rate, channel=channel, block=30.0, on_damage=on_damage
    )
    return np.concatenate([chunk.samples for chunk in blocks])


def read_blocks(
    path: Path,
    *,
    sample_rate: int = SAMPLE_RATE,
    channel: int | None = None,
    block: Seconds = 1.0,
    on_damage: Callable[[str], None] | None = None,
) -> Iterator[AudioChunk]:
    """Decode a recording in chunks of `block` seconds (the last one shorter) at `sample_rate` Hz.

    `channel` counts from 0; None takes the mean of all channels. A file that is damaged or cut
    short yields all that can be decoded; then one line about what is missing goes to `on_damage`,
    by default to the log. Raises AudioFileError for a file from which nothing can be decoded, and
    for a channel that it does not have.
    """
    framer = Framer(max(1, round(block * sample_rate)), sample_rate)
    with _opened(path) as (container, stream):
        info = _info(container, stream)
        if channel is not None and not 0 <= channel < info.channels:
            raise AudioFileError(
                f"{path}: has no channel {channel}: its channels are 0 to {info.channels - 1}"
            )
        damage = _Damage(container, stream)
        for samples in _resampled(_decoded(container, stream, channel, damage), sample_rate):
            yield from framer.frames(samples)
        yield from framer.rest()
    if framer.now == 0:
        raise AudioFileError(f"{path}: {damage.nothing_decoded()}")
    missing = damage.missing(info, framer.now)
    if missing:
        (on_damage or _log.warning)(f"{path}: {missing}")


def level_dbfs(samples: Samples) -> float:
    """The RMS level in dB relative to full scale; -100 for digital silence and for no samples."""
    power = float(np.dot(samples, samples)) / samples.size if samples.size else 0.0
    return max(SILENCE_DBFS, 10 * math.log10(power)) if power > 0 else SILENCE_DBFS


class Resampler:
    """Changes the sample rate of a stream of mono sound (soxr, high quality)."""

    def __init__(self, in_rate: int, out_rate: int) -> None:
        import soxr

        self._stream = (
            soxr.ResampleStream(in_rate, out_rate, num_channels=1, dtype="float32", quality="HQ")
            if in_rate != out_rate
            else None
        )

    def resample(self, samples: Samples, *, last: bool = False) -> Samples:
        """The next samples at the new rate; some come a few milliseconds later, by filter delay.

        `last` hands out what is still in the filter and ends the stream.
        """
        if self._stream is None:
            return samples
        resampled: Samples = self._stream.resample_chunk(np.ascontiguousarray(samples), last=last)
        np.clip(resampled, -1.0, 1.0, out=resampled)  # the filter overshoots at full scale
        return resampled


class Framer:
    """Cuts a stream of sound into chunks of the same length, and keeps the time."""

    def __init__(self, size: int, sample_rate: int = SAMPLE_RATE) -> None:
        self._size = size
        self._sample_rate = sample_rate
        self._waiting: list[Samples] = []
        self._waiting_samples = 0
        self._position = 0

    @property
    def now(self) -> Seconds:
        """Where the next chunk will start."""
        return self._position / self._sample_rate

    def frames(self, samples: Samples) -> list[AudioChunk]:
        """The chunks that are complete with these samples."""
        self._waiting.append(samples)
        self._waiting_samples += samples.size
        if self._waiting_samples < self._size:
            return []
        whole = np.concatenate(self._waiting)
        complete = whole.size - whole.size % self._size
        self._waiting = [whole[complete:]]
        self._waiting_samples = whole.size - complete
        return [self._chunk(frame) for frame in whole[:complete].reshape(-1, self._size)]

    def rest(self) -> list[AudioChunk]:
        """What is left, as one shorter chunk, if anything."""
        if self._waiting_samples == 0:
            return []
        rest = np.concatenate(self._waiting)
        self._waiting, self._waiting_samples = [], 0
        return [self._chunk(rest)]

    def _chunk(self, samples: Samples) -> AudioChunk:
        chunk = AudioChunk(samples, self._sample_rate, self.now)
        self._position += samples.size
        return chunk


class WavWriter:
    """Writes 16-bit mono PCM. The header is made good after every write: a kill loses nothing.

    Raises OutputError where the file cannot be created or written.
    """

    _HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
    _LARGEST = 2**32 - 1 - 36
    "Bytes of samples that a WAV's 32-bit sizes can count."

    def __init__(self, path: Path, sample_rate: int = SAMPLE_RATE) -> None:
        self._path = path
        self._sample_rate = sample_rate
        self._bytes = 0
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise OutputError(f"{path}: cannot be created: {error.strerror}") from error
        self.write(np.zeros(0, np.float32))

    def write(self, samples: Samples) -> None:
        """Append samples; values outside of [-1, 1] are clipped."""
        pcm = np.rint(np.clip(np.nan_to_num(samples), -1.0, 1.0) * 32767).astype("<i2").tobytes()
        if self._bytes + len(pcm) > self._LARGEST:
            raise OutputError(f"{self._path}: a WAV holds at most 4 GiB: begin another file")
        try:
            self._file.write(pcm)
            self._bytes += len(pcm)
            self._write_header()
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        try:
            self._file.close()
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> WavWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _write_header(self) -> None:
        self._file.seek(0)
        self._file.write(
            self._HEADER.pack(
                b"RIFF", 36 + self._bytes, b"WAVE",
                b"fmt ", 16, 1, 1, self._sample_rate, 2 * self._sample_rate, 2, 16,
                b"data", self._bytes,
            )
        )  # fmt: skip
        self._file.seek(0, 2)
        self._file.flush()

    def _failed(self, error: OSError) -> OutputError:
        with suppress(OSError):  # it cannot write what is left either
            self._file.close()
        return OutputError(f"{self._path}: cannot be written: {error.strerror or error}")


class _Damage:
    """What went wrong while a recording was decoded."""

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self.packets = 0
        self.stopped = False
        # Not where it is guessed from the bit rate, nor where it may be that of the pictures.
        self._duration_is_known = container.format.name not in {"aac", "amr"} and (
            stream.duration is not None or len(container.streams) == 1
        )

    def nothing_decoded(self) -> str:
        if self.packets or self.stopped:
            return "nothing of it can be decoded: it is damaged or protected against copying"
        return "holds no sound: its audio track is empty"

    def missing(self, info: AudioInfo, decoded: Seconds) -> str:
        """One line about what could not be decoded; empty where all is well."""
        short = (
            self._duration_is_known
            and info.duration is not None
            and decoded < info.duration - max(0.5, 0.01 * info.duration)
        )
        if short or self.stopped:
            of = f" of {info.duration:.0f} s" if info.duration else ""
            return f"is damaged or cut short: only {decoded:.0f} s{of} can be decoded"
        if self.packets:
            return f"is damaged or cut short: {self.packets} of its packets cannot be decoded"
        return ""


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    """A recording's container and its main audio track."""
    import av

    _check_is_file(path)
    try:
        container = av.open(
            f"file:{path}",  # without the scheme, a colon in the name would begin one
            # Only local files: a playlist that calls itself .wav must not make FFmpeg fetch URLs.
            options={"protocol_whitelist": "file"},
            metadata_errors="replace",  # tags in old encodings
        )
    except PermissionError as error:
        raise AudioFileError(f"{path}: cannot be read: no permission") from error
    except (av.FFmpegError, OSError) as error:
        raise AudioFileError(
            f"{path}: not a recording that can be read: damaged, or another kind of file"
        ) from error
    with container:
        stream: Any = container.streams.best("audio")
        if stream is None:
            raise AudioFileError(f"{path}: holds no audio track")
        if stream.codec_context is None:
            raise AudioFileError(
                f"{path}: its audio format is unknown, or protected against copying"
            )
        yield container, stream


def _check_is_file(path: Path) -> None:
    """Raise AudioFileError for what cannot be a recording."""
    try:
        status = path.stat()
    except OSError as error:
        raise AudioFileError(f"{path}: no such file, or no permission to read it") from error
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "a device or pipe"
        raise AudioFileError(f"{path}: is {kind}, not a recording")
    if status.st_size == 0:
        raise AudioFileError(f"{path}: is empty")


def _info(container: InputContainer, stream: AudioStream) -> AudioInfo:
    if stream.duration is not None and stream.time_base is not None:
        duration: Seconds | None = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        duration = container.duration / 1_000_000  # AV_TIME_BASE
    else:
        duration = None
    return AudioInfo(
        duration=duration,
        channels=stream.codec_context.channels,
        sample_rate=stream.codec_context.sample_rate,
        codec=stream.codec_context.name,
    )


def _decoded(
    container: InputContainer, stream: AudioStream, channel: int | None, damage: _Damage
) -> Iterator[tuple[Samples, int]]:
    """Stretches of at least a tenth of a second of one channel, each with its sample rate in Hz."""
    frames: list[AudioFrame] = []
    frame_samples = 0
    for frame in _frames(container, stream, damage):
        alike = frames and (frame.sample_rate, frame.format.name, frame.layout.nb_channels) == (
            frames[0].sample_rate,
            frames[0].format.name,
            frames[0].layout.nb_channels,
        )
        if frames and (not alike or frame_samples > frames[0].sample_rate / 10):
            yield _one_channel(frames, channel), frames[0].sample_rate
            frames.clear()
            frame_samples = 0
        frames.append(frame)
        frame_samples += frame.samples
    if frames:
        yield _one_channel(frames, channel), frames[0].sample_rate


def _frames(
    container: InputContainer, stream: AudioStream, damage: _Damage
) -> Iterator[AudioFrame]:
    """All frames that can be decoded; what cannot is noted in `damage`."""
    from av import FFmpegError

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except FFmpegError:
            damage.stopped = True
            return
        damage.packets += packet.is_corrupt  # says the container: cut short; the rest decodes
        try:
            yield from packet.decode()
        except FFmpegError:
            damage.packets += 1


_FULL_SCALE = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}
_ZERO = {"u8": 128.0}


def _one_channel(frames: list[AudioFrame], channel: int | None) -> Samples:
    """Like frames as float samples: one channel of them, or the mean of all (None)."""
    layout, form = frames[0].layout.nb_channels, frames[0].format
    data = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
    channels = data if form.is_planar else data.reshape(-1, layout).T
    if channel is not None:  # a track may lose a channel in its middle
        channels = channels[min(channel, layout - 1)][np.newaxis]
    name = form.name.removesuffix("p")
    samples: NDArray[np.float32]
    if name in {"flt", "dbl"}:  # may hold anything
        samples = np.nan_to_num(np.clip(channels, -1.0, 1.0)).astype(np.float32)
    else:
        samples = (channels.astype(np.float32) - _ZERO.get(name, 0.0)) / _FULL_SCALE[name]
    mono: Samples = samples[0] if len(samples) == 1 else samples.mean(axis=0)
    return mono


def _resampled(stretches: Iterator[tuple[Samples, int]], sample_rate: int) -> Iterator[Samples]:
    """All of it at one rate; some tracks change theirs on the way."""
    resampler: Resampler | None = None
    in_rate = 0
    nothing = np.zeros(0, np.float32)
    for samples, rate in stretches:
        if resampler is None or rate != in_rate:
            if resampler is not None:
                yield resampler.resample(nothing, last=True)
            resampler, in_rate = Resampler(rate, sample_rate), rate
        yield resampler.resample(samples)
    if resampler is not None:
        yield resampler.resample(nothing, last=True)
