"""Decoding in every format that the bundled FFmpeg can write, damage, memory, WAV."""

from __future__ import annotations

import os
import struct
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest

from voicemed.audio import (
    SAMPLE_RATE,
    Resampler,
    Samples,
    WavWriter,
    level_dbfs,
    probe,
    read,
    read_blocks,
)
from voicemed.errors import AudioFileError, OutputError

DURATION = 3.0
LEVEL = 0.25
"Peak of the test tones."


def tone(frequency: float, rate: int, duration: float = DURATION) -> Samples:
    phase = 2 * np.pi * frequency * np.arange(round(duration * rate)) / rate
    return (LEVEL * np.sin(phase)).astype(np.float32)


_BIT_RATES = {"libopencore_amrnb": 12_200}


def encode(path: Path, codec: str, channels: list[Samples], rate: int) -> Path:
    """Write a recording by FFmpeg; one array for each channel."""
    layout = "mono" if len(channels) == 1 else "stereo"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = _BIT_RATES.get(codec, 128_000)
        frame = av.AudioFrame.from_ndarray(np.stack(channels), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate)
        for converted in resampler.resample(frame) + resampler.resample(None):
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    return path


def tone_amplitude(samples: Samples, frequency: float, rate: int = SAMPLE_RATE) -> float:
    """The amplitude of one frequency in the middle of the samples."""
    middle = samples[samples.size // 4 : -(samples.size // 4)]
    phase = 2j * np.pi * frequency * np.arange(middle.size) / rate
    return float(2 * abs(np.mean(middle * np.exp(-phase))))


FORMATS = [
    ("wav", "pcm_u8", 8000),
    ("wav", "pcm_s16le", 44_100),
    ("wav", "pcm_s24le", 48_000),
    ("wav", "pcm_s32le", 16_000),
    ("wav", "pcm_f32le", 22_050),
    ("wav", "pcm_f64le", 96_000),
    ("wav", "pcm_mulaw", 8000),
    ("wav", "pcm_alaw", 8000),
    ("wav", "adpcm_ms", 22_050),
    ("aiff", "pcm_s16be", 44_100),
    ("flac", "flac", 44_100),
    ("mp3", "libmp3lame", 44_100),
    ("mp3", "libmp3lame", 8000),
    ("m4a", "aac", 44_100),
    ("m4a", "alac", 44_100),
    ("aac", "aac", 16_000),
    ("ogg", "libopus", 48_000),
    ("opus", "libopus", 16_000),
    ("webm", "libopus", 48_000),
    ("wma", "wmav2", 44_100),
    ("mp4", "aac", 48_000),
    ("mkv", "ac3", 48_000),
    ("3gp", "aac", 16_000),
]


@pytest.mark.parametrize(("suffix", "codec", "rate"), FORMATS)
def test_stereo_recordings_are_decoded(tmp_path: Path, suffix: str, codec: str, rate: int) -> None:
    path = encode(tmp_path / f"call.{suffix}", codec, [tone(440, rate), tone(1000, rate)], rate)

    told: list[str] = []
    left, right = read(path, channel=0, on_damage=told.append), read(path, channel=1)
    mixed = read(path)

    info = probe(path)
    assert told == []
    assert info.channels == 2
    assert info.sample_rate in {rate, 48_000}  # Opus decodes at 48 kHz
    assert info.duration == pytest.approx(DURATION, abs=0.15)
    assert left.dtype == np.float32
    assert left.size == pytest.approx(DURATION * SAMPLE_RATE, abs=0.15 * SAMPLE_RATE)
    assert tone_amplitude(left, 440) == pytest.approx(LEVEL, rel=0.1)
    assert tone_amplitude(right, 1000) == pytest.approx(LEVEL, rel=0.1)
    assert tone_amplitude(left, 1000) < 0.1 * LEVEL
    assert tone_amplitude(right, 440) < 0.1 * LEVEL
    assert tone_amplitude(mixed, 440) == pytest.approx(LEVEL / 2, rel=0.1)
    assert tone_amplitude(mixed, 1000) == pytest.approx(LEVEL / 2, rel=0.1)


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [("wav", "pcm_mulaw", 8000), ("amr", "libopencore_amrnb", 8000), ("wav", "g722", 16_000)],
)
def test_mono_recordings_are_decoded(tmp_path: Path, suffix: str, codec: str, rate: int) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg cannot write {codec}")
    path = encode(tmp_path / f"call.{suffix}", codec, [tone(440, rate)], rate)
    samples = read(path)
    assert samples.size == pytest.approx(DURATION * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)
    assert tone_amplitude(samples, 440) == pytest.approx(LEVEL, rel=0.3)
    np.testing.assert_array_equal(samples, read(path, channel=0))


def test_amr_without_an_encoder(tmp_path: Path) -> None:
    path = tmp_path / "call.amr"
    silence = bytes([0x3C]) + bytes(31)  # AMR-NB at 12.2 kbit/s: 20 ms
    path.write_bytes(b"#!AMR\n" + silence * 100)
    assert read(path).size == pytest.approx(2 * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_audio_of_a_longer_video_is_found(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"visit.{suffix}"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width = video.height = 32
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        for _ in range(15):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            container.mux(video.encode(picture))
        frame = av.AudioFrame.from_ndarray(
            tone(440, 16_000, 1.0)[np.newaxis], format="fltp", layout="mono"
        )
        frame.sample_rate = 16_000
        container.mux(audio.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    told: list[str] = []
    assert tone_amplitude(read(path, on_damage=told.append), 440) == pytest.approx(LEVEL, rel=0.1)
    assert told == []


def wav_header(tag: int, rate: int, width: int, size: int) -> bytes:
    """Of a mono WAV in that format, for `size` bytes of samples of `width` bytes."""
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, tag, 1,
                       rate, width * rate, width, 8 * width, b"data", size)  # fmt: skip


def write_wav(path: Path, samples: Samples, rate: int = SAMPLE_RATE, tag: int = 3) -> None:
    """A WAV of 32-bit floats, or with another format tag."""
    data = samples.astype("<f4").tobytes()
    path.write_bytes(wav_header(tag, rate, 4, len(data)) + data)


def test_values_that_are_no_sound_are_mended(tmp_path: Path) -> None:
    samples = tone(440, SAMPLE_RATE)
    samples[1000:1010] = [np.nan, np.inf, -np.inf, 1e30, -1e30, 7, -7, np.nan, 0, 0]
    write_wav(tmp_path / "odd.wav", samples)
    mended = read(tmp_path / "odd.wav")
    assert np.isfinite(mended).all()
    np.testing.assert_array_equal(mended[1000:1010], [0, 1, -1, 1, -1, 1, -1, 0, 0, 0])
    np.testing.assert_array_equal(mended[:1000], samples[:1000])


def test_resampling_stays_within_full_scale(tmp_path: Path) -> None:
    square = np.sign(tone(50, 44_100))
    write_wav(tmp_path / "square.wav", square, 44_100)
    assert np.abs(read(tmp_path / "square.wav")).max() <= 1.0


@pytest.mark.parametrize("block", [0.032, 0.1, 1.0, 2.5])
def test_blocks_follow_each_other_by_sample_counts(tmp_path: Path, block: float) -> None:
    path = encode(tmp_path / "a.flac", "flac", [tone(440, 44_100)], 44_100)
    chunks = list(read_blocks(path, block=block))
    position = 0
    for chunk in chunks:
        assert chunk.sample_rate == SAMPLE_RATE
        assert chunk.start == position / SAMPLE_RATE
        position += chunk.samples.size
    assert {chunk.samples.size for chunk in chunks[:-1]} <= {round(block * SAMPLE_RATE)}
    assert 0 < chunks[-1].samples.size <= round(block * SAMPLE_RATE)
    np.testing.assert_array_equal(np.concatenate([c.samples for c in chunks]), read(path))


def test_sample_rate_may_change_on_the_way(tmp_path: Path) -> None:
    slow = encode(tmp_path / "slow.mp3", "libmp3lame", [tone(440, 22_050)], 22_050)
    fast = encode(tmp_path / "fast.mp3", "libmp3lame", [tone(1000, 44_100)], 44_100)
    both = tmp_path / "both.mp3"
    both.write_bytes(slow.read_bytes() + fast.read_bytes())
    samples = read(both)
    half = samples.size // 2
    assert samples.size == pytest.approx(2 * DURATION * SAMPLE_RATE, abs=0.3 * SAMPLE_RATE)
    assert tone_amplitude(samples[:half], 440) == pytest.approx(LEVEL, rel=0.1)
    assert tone_amplitude(samples[half:], 1000) == pytest.approx(LEVEL, rel=0.1)


def test_a_long_recording_is_never_whole_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    seconds = 1800
    with path.open("wb") as file:  # sparse: 14 MB of µ-law that take no space
        file.write(wav_header(7, 8000, 1, 8000 * seconds))
        file.truncate(44 + 8000 * seconds)
    tracemalloc.start()
    try:
        decoded = 0
        for chunk in read_blocks(path, sample_rate=8000, block=10.0):
            decoded += chunk.samples.size
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert decoded == 8000 * seconds
    assert peak < 5_000_000  # whole, it would be 58 MB


def test_wrong_files_are_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("Not a recording.\n" * 1000)
    (tmp_path / "noise.mp3").write_bytes(np.random.default_rng(0).bytes(20_000))
    WavWriter(tmp_path / "nothing.wav").close()
    write_wav(tmp_path / "unknown.wav", tone(440, SAMPLE_RATE), tag=0x9999)
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "playlist.wav").write_text("#EXTM3U\n#EXTINF:10,\nhttp://localhost:9/a.mp3\n")
    picture = tmp_path / "picture.mp4"
    with av.open(str(picture), "w") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width = video.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(video.encode(frame))
        container.mux(video.encode(None))

    problems = {
        tmp_path / "missing.wav": "no such file",
        tmp_path: "is a folder",
        tmp_path / "empty.wav": "is empty",
        tmp_path / "text.wav": "not a recording",
        tmp_path / "noise.mp3": "",
        tmp_path / "nothing.wav": "holds no sound",
        tmp_path / "unknown.wav": "its audio format is unknown",
        tmp_path / "pipe.wav": "is a device or pipe",
        tmp_path / "playlist.wav": "",
        picture: "no audio track",
    }
    for path, problem in problems.items():
        with pytest.raises(AudioFileError) as raised:
            read(path)
        assert str(raised.value).startswith(f"{path}: ")
        assert problem in str(raised.value)
        assert "\n" not in str(raised.value)


def test_names_with_colons_are_files(tmp_path: Path) -> None:
    path = tmp_path / "http: 12:30 call %d.wav"
    write_wav(path, tone(440, SAMPLE_RATE))
    assert read(path).size == DURATION * SAMPLE_RATE


def test_tags_and_names_in_old_encodings_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"Mus\xe9e.wav")
    write_wav(path, tone(440, SAMPLE_RATE))
    title = b"INFOINAM" + struct.pack("<I", 6) + b"Mus\xe9e\0"
    with path.open("ab") as file:
        file.write(b"LIST" + struct.pack("<I", len(title)) + title)
    assert read(path).size == DURATION * SAMPLE_RATE


def test_unknown_channel(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.wav", "pcm_s16le", [tone(440, 8000)], 8000)
    with pytest.raises(AudioFileError, match="has no channel 1"):
        read(path, channel=1)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame"), ("ogg", "libopus")],
)
def test_what_is_cut_short_is_read_and_told(tmp_path: Path, suffix: str, codec: str) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 48_000 * 20).astype(np.float32)
    path = encode(tmp_path / f"a.{suffix}", codec, [sound], 48_000)
    told: list[str] = []
    assert read(path, on_damage=told.append).size == pytest.approx(20 * SAMPLE_RATE, abs=200)
    assert told == []

    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    half = read(path, on_damage=told.append)
    assert half.size == pytest.approx(10 * SAMPLE_RATE, abs=1.5 * SAMPLE_RATE)
    if suffix != "ogg":  # has no length in its header
        assert len(told) == 1
        assert told[0].startswith(f"{path}: is damaged or cut short: ")


@pytest.mark.parametrize(("suffix", "codec"), [("mp3", "libmp3lame"), ("m4a", "aac")])
def test_what_is_damaged_in_the_middle_is_read_and_told(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 44_100 * 20).astype(np.float32)
    path = encode(tmp_path / f"a.{suffix}", codec, [sound], 44_100)
    content = bytearray(path.read_bytes())
    third = len(content) // 3
    content[third : third + third // 2] = np.random.default_rng(1).bytes(third // 2)
    path.write_bytes(content)
    told: list[str] = []
    samples = read(path, on_damage=told.append)
    assert samples.size > 15 * SAMPLE_RATE
    assert len(told) == 1
    assert told[0].startswith(f"{path}: is damaged")


def test_damage_goes_to_the_log_by_default(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = encode(tmp_path / "a.wav", "pcm_s16le", [tone(440, 16_000)], 16_000)
    path.write_bytes(path.read_bytes()[:48_000])
    read(path)
    assert "cut short" in caplog.text


def test_resampler_streams_as_one_piece() -> None:
    sound = tone(440, 44_100)
    stream = Resampler(44_100, SAMPLE_RATE)
    pieces = [stream.resample(piece) for piece in np.array_split(sound, 70)]
    pieces.append(stream.resample(np.zeros(0, np.float32), last=True))
    streamed = np.concatenate(pieces)
    assert streamed.size == DURATION * SAMPLE_RATE
    np.testing.assert_allclose(streamed[1000:-1000], tone(440, SAMPLE_RATE)[1000:-1000], atol=1e-4)


def test_resampler_takes_any_layout_in_memory() -> None:
    stereo = np.stack([tone(440, 32_000), tone(1000, 32_000)], axis=1)
    halved = Resampler(32_000, SAMPLE_RATE).resample(stereo[:, 0], last=True)
    assert tone_amplitude(halved, 440) == pytest.approx(LEVEL, rel=0.01)


def test_level() -> None:
    assert level_dbfs(np.ones(100, np.float32)) == 0
    assert level_dbfs(tone(440, SAMPLE_RATE) / LEVEL) == pytest.approx(-3.01, abs=0.01)
    assert level_dbfs(np.full(100, 0.01, np.float32)) == pytest.approx(-40)
    assert level_dbfs(np.zeros(100, np.float32)) == -100
    assert level_dbfs(np.full(100, 1e-9, np.float32)) == -100
    assert level_dbfs(np.zeros(0, np.float32)) == -100


def test_wav_is_whole_after_every_write(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    writer = WavWriter(path, 22_050)
    sound = tone(440, 22_050)
    for count, piece in enumerate(np.array_split(sound, 5), start=1):
        writer.write(piece)
        copy = tmp_path / f"copy{count}.wav"
        copy.write_bytes(path.read_bytes())  # what a kill would leave
        written = read(copy, sample_rate=22_050)
        assert written.size == pytest.approx(sound.size * count / 5, abs=5)
        np.testing.assert_allclose(written, sound[: written.size], atol=1 / 32767)
    writer.close()
    writer.close()
    assert probe(path).codec == "pcm_s16le"


def test_wav_writer_clips(tmp_path: Path) -> None:
    with WavWriter(tmp_path / "loud.wav") as writer:
        writer.write(np.array([2.0, -2.0, np.nan, 0.5], np.float32))
    np.testing.assert_allclose(read(tmp_path / "loud.wav"), [1, -1, 0, 0.5], atol=1e-4)


def test_wav_writer_without_a_place_to_write(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be created"):
        WavWriter(tmp_path / "no" / "such" / "folder.wav")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_full_disk_is_one_line() -> None:
    full_disk = Path("/dev/full")
    with pytest.raises(OutputError, match="/dev/full: cannot be written: No space left"):
        WavWriter(full_disk)
