"""Playback: the loudspeaker through a fake PortAudio, WAV files, and nothing."""

from __future__ import annotations

import sys
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voicemed.audio import AudioChunk, Samples
from voicemed.errors import DeviceError, EngineError, OutputError
from voicemed.playback import LateSpeaker, NoSound, Speaker, WavFile, create_sink

RATE = 16_000


class FakePortAudio:
    """Stands in for the module sounddevice: a stereo device that records what it is given."""

    class PortAudioError(Exception):
        pass

    class CallbackStop(Exception):  # noqa: N818
        pass

    def __init__(self) -> None:
        self.heard: list[Samples] = []
        self.rates: list[int] = []
        self.refused_rates: set[int] = set()
        self.dies_after: int | None = None
        "Blocks after which the callback is not called any more."

    def query_devices(self, device: int | str | None, kind: str) -> dict[str, Any]:
        if device == "absent":
            raise ValueError("No output device matching 'absent'")
        return {"name": "fake", "default_samplerate": 48_000.0, "max_output_channels": 2}

    def check_output_settings(
        self, device: object, channels: int, dtype: str, samplerate: int
    ) -> None:
        if samplerate in self.refused_rates:
            raise self.PortAudioError("Invalid sample rate")

    def OutputStream(self, **settings: Any) -> FakeStream:  # noqa: N802
        self.rates.append(settings["samplerate"])
        return FakeStream(self, settings)

    @property
    def left(self) -> Samples:
        return np.concatenate(self.heard)[:, 0]


class FakeStream:
    """Calls back from a thread of its own, as PortAudio does, but faster than real time."""

    def __init__(self, device: FakePortAudio, settings: dict[str, Any]) -> None:
        self.device = device
        self.fill: Callable[..., None] = settings["callback"]
        self.finished: Callable[[], None] = settings["finished_callback"]
        self.shape = (settings["blocksize"], settings["channels"])
        self.stopped = True
        self.closing = threading.Event()

    def start(self) -> None:
        assert self.stopped, "PortAudio refuses to start a stream that was not stopped"
        self.stopped = False
        threading.Thread(target=self.run).start()

    def run(self) -> None:
        blocks = 0
        while not self.closing.wait(0.0005) and blocks != self.device.dies_after:
            out = np.full(self.shape, np.nan, np.float32)
            try:
                self.fill(out, len(out), None, None)
            except self.device.CallbackStop:
                self.device.heard.append(out)
                self.finished()
                break
            self.device.heard.append(out)
            blocks += 1

    def stop(self, ignore_errors: bool = True) -> None:
        self.stopped = True

    def close(self, ignore_errors: bool = True) -> None:
        self.closing.set()


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    fake = FakePortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def tone(seconds: float, level: float = 0.5, rate: int = RATE) -> AudioChunk:
    return AudioChunk(np.full(round(seconds * rate), level, np.float32), rate, 0.0)


def test_speaker_plays_every_sample_in_order_on_both_sides(portaudio: FakePortAudio) -> None:
    ramp = np.linspace(-0.9, 0.9, 4320, dtype=np.float32)
    chunks = [AudioChunk(part, RATE, 0.0) for part in np.split(ramp, [1, 1000, 3000])]
    starts: list[int] = []
    Speaker().play(iter(chunks), lambda: starts.append(len(portaudio.heard)))
    left = portaudio.left
    played = left[np.flatnonzero(left)]  # no sample of the ramp is 0; gaps and the end are
    np.testing.assert_array_equal(played, ramp)
    np.testing.assert_array_equal(left, np.concatenate(portaudio.heard)[:, 1])
    assert starts == [next(i for i, block in enumerate(portaudio.heard) if block.any())]
    assert portaudio.rates == [RATE]


def test_speaker_starts_before_the_second_chunk_is_made(portaudio: FakePortAudio) -> None:
    begun = threading.Event()

    def chunks() -> Iterator[AudioChunk]:
        yield tone(0.05)
        assert begun.wait(5), "the first chunk should be heard while the second is made"
        yield tone(0.05)

    Speaker().play(chunks(), begun.set)
    assert np.count_nonzero(portaudio.left) == round(0.1 * RATE)


def test_stop_fades_out_within_one_block_and_drops_the_rest(portaudio: FakePortAudio) -> None:
    speaker = Speaker()
    begun = threading.Event()

    def chunks() -> Iterator[AudioChunk]:
        yield tone(20)
        assert begun.wait(5)
        speaker.stop()
        yield tone(20)
        pytest.fail("asked for more after the stop")

    speaker.play(chunks(), begun.set)
    left = np.trim_zeros(portaudio.left, "f")  # the device runs a block or two ahead
    assert len(left) < 20 * RATE
    assert left[-1] == 0.0
    fade = left[-RATE // 100 :]
    assert fade[0] == 0.5
    assert np.all(np.diff(fade) < 0)
    assert np.all(left[: -RATE // 100] == 0.5)


def test_speaker_plays_again_after_a_stop(portaudio: FakePortAudio) -> None:
    speaker = Speaker()
    speaker.play(iter([tone(1)]), speaker.stop)
    portaudio.heard.clear()
    speaker.play(iter([tone(0.1)]))
    assert np.count_nonzero(portaudio.left) == round(0.1 * RATE)
    assert len(portaudio.rates) == 1, "opened once, started twice"


def test_speaker_resamples_where_the_device_refuses_the_rate(portaudio: FakePortAudio) -> None:
    portaudio.refused_rates = {RATE}
    Speaker().play(iter([tone(0.5), tone(0.5)]))
    assert portaudio.rates == [48_000]
    assert np.count_nonzero(portaudio.left) == pytest.approx(48_000, abs=480)
    assert np.median(portaudio.left) == pytest.approx(0.5, abs=0.01)


def test_a_lost_loudspeaker_is_reported_and_found_again(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Speaker, "_LOST", 0.05)
    speaker = Speaker()
    portaudio.dies_after = 3
    with pytest.raises(DeviceError, match=r"^loudspeaker fake: lost"):
        speaker.play(iter([tone(1)]))
    portaudio.dies_after = None
    portaudio.heard.clear()
    speaker.play(iter([tone(0.1)]))
    assert np.count_nonzero(portaudio.left) == round(0.1 * RATE)


def test_a_voice_that_fails_leaves_the_loudspeaker_silent(portaudio: FakePortAudio) -> None:
    def chunks() -> Iterator[AudioChunk]:
        yield tone(0.1)
        raise EngineError("the voice failed")

    speaker = Speaker()
    with pytest.raises(EngineError, match="the voice failed"):
        speaker.play(chunks())
    assert np.count_nonzero(portaudio.left) == round(0.1 * RATE)
    speaker.play(iter([tone(0.1)]))
    assert np.count_nonzero(portaudio.left) == 2 * round(0.1 * RATE)


def test_nothing_to_say_opens_no_device(portaudio: FakePortAudio) -> None:
    Speaker().play(iter([]))
    assert portaudio.rates == []


def test_closing_ends_the_reply(portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Speaker, "_LOST", 0.05)
    speaker = Speaker()
    speaker.play(iter([tone(60)]), lambda: threading.Thread(target=speaker.close).start())
    assert len(portaudio.left) < 60 * RATE
    speaker.close()


def test_missing_loudspeaker_and_missing_portaudio_are_one_line(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeviceError, match=r"^audio.output_device absent: .*voicemed devices"):
        create_sink("speaker", "absent")
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match="PortAudio"):
        Speaker()


def read_wav(path: Path) -> tuple[int, Samples]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return file.getframerate(), pcm.astype(np.float32) / np.float32(32767)


def test_wav_file_holds_the_replies_with_silence_between(tmp_path: Path) -> None:
    sink = WavFile(tmp_path / "replies.wav")
    starts: list[str] = []
    sink.play(iter([tone(0.1), tone(0.2)]), lambda: starts.append("first"))
    sink.play(iter([tone(0.1, level=-0.25)]), lambda: starts.append("second"))
    rate, samples = read_wav(tmp_path / "replies.wav")  # not closed: valid all the time
    expected = np.repeat([0.5, 0.0, -0.25], [4800, 8000, 1600])
    assert rate == RATE
    np.testing.assert_allclose(samples, expected, atol=1e-4)
    assert starts == ["first", "second"]
    sink.close()
    sink.close()


def test_wav_file_keeps_its_first_rate(tmp_path: Path) -> None:
    sink = WavFile(tmp_path / "replies.wav")
    sink.play(iter([tone(0.1)]))
    sink.play(iter([tone(1.0, rate=22_050)]))
    rate, samples = read_wav(tmp_path / "replies.wav")
    assert rate == RATE
    assert len(samples) == pytest.approx(1.6 * RATE, abs=2)


def test_stopped_reply_is_cut_in_the_file_and_the_next_is_whole(tmp_path: Path) -> None:
    sink = WavFile(tmp_path / "replies.wav")

    def chunks() -> Iterator[AudioChunk]:
        yield tone(0.1)
        sink.stop()
        yield tone(0.1)

    sink.play(chunks())
    sink.play(iter([tone(0.1)]))
    assert len(read_wav(tmp_path / "replies.wav")[1]) == round((0.1 + 0.5 + 0.1) * RATE)


def test_without_a_reply_there_is_no_file_not_even_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "replies.wav"
    path.write_bytes(b"old")
    WavFile(path).close()
    assert not path.exists()


@pytest.mark.parametrize("name", ["missing/replies.wav", "folder.wav"])
def test_unwritable_files_are_refused_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(OutputError, match=r"\.wav: cannot be written \("):
        WavFile(tmp_path / name)


def test_no_sound_asks_for_one_clause_only() -> None:
    chunks = iter([tone(0.1), tone(0.1)])
    starts: list[bool] = []
    NoSound().play(chunks, lambda: starts.append(True))
    assert starts == [True]
    assert next(chunks, None) is not None
    NoSound().play(iter([]), lambda: starts.append(False))
    assert starts == [True]


def test_create_sink_by_name(tmp_path: Path, portaudio: FakePortAudio) -> None:
    assert isinstance(create_sink("speaker"), Speaker)
    assert isinstance(create_sink("none"), NoSound)
    assert isinstance(create_sink(str(tmp_path / "a.WAV")), WavFile)
    assert [sink.audible for sink in (create_sink("speaker"), create_sink("none"))] == [True, False]
    with pytest.raises(OutputError, match="mp3"):
        create_sink("replies.mp3")


def test_a_late_speaker_is_looked_for_when_it_is_needed(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = LateSpeaker()
    audible = [late.audible]
    late.stop()
    late.play(iter([tone(0.5)]))
    assert [*audible, late.audible] == [False, True]
    assert portaudio.heard
    late.stop()
    late.close()
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    without = LateSpeaker()
    with pytest.raises(DeviceError, match="no sound output"):
        without.play(iter([tone(0.5)]))
    without.close()
    assert not without.audible
