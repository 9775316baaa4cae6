"""The microphone over a fake PortAudio, and recordings in its place."""

from __future__ import annotations

import sys
import threading
import types
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from voicemed.audio import SAMPLE_RATE, AudioChunk, Samples
from voicemed.errors import AudioFileError, DeviceError
from voicemed.microphone import (
    DeviceLost,
    DeviceRestored,
    FileSource,
    HearingAgain,
    Microphone,
    NothingHeard,
    SourceEvent,
    devices,
)


class FakePortAudioError(Exception):
    pass


class FakeStream:
    """An open input; tests feed it as the audio thread would."""

    def __init__(self, *, callback: Callable[..., None], **options: Any) -> None:
        self.callback = callback
        self.options = options
        self.active = False
        self.closed = False

    def start(self) -> None:
        self.active = True

    def close(self, ignore_errors: bool = True) -> None:
        self.active = False
        self.closed = True

    def feed(self, samples: NDArray[np.float32], overflow: bool = False) -> None:
        """Call back block by block; the buffer is used again, as PortAudio does."""
        size = self.options["blocksize"]
        buffer = np.empty((size, self.options["channels"]), np.float32)
        for begin in range(0, len(samples) - size + 1, size):
            buffer[:] = samples[begin : begin + size, np.newaxis]
            status = types.SimpleNamespace(input_overflow=overflow)
            self.callback(buffer, size, None, status)
        buffer[:] = np.nan


class FakeSounddevice(types.ModuleType):
    """As much of sounddevice as microphone.py uses."""

    PortAudioError = FakePortAudioError

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.names = ["HDA Intel", "USB Headset", "Loudspeaker"]
        self.inputs = {"HDA Intel": 2, "USB Headset": 1, "Loudspeaker": 0}
        self.rates = {16_000, 48_000}
        self.fewest_channels = 1
        self.streams: list[FakeStream] = []
        self.on_start: Callable[[FakeStream], None] = lambda stream: None
        self.listed = list(self.names)
        "What PortAudio saw when it was initialised."
        self.stale = False
        "Devices came or went since."
        self.initialisations = 0

    @property
    def default(self) -> Any:
        return types.SimpleNamespace(device=[0 if self.listed else -1, 2])

    def query_hostapis(self) -> list[dict[str, Any]]:
        return [{"name": "ALSA"}]

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {
                "index": index,
                "name": name,
                "hostapi": 0,
                "max_input_channels": self.inputs[name],
                "max_output_channels": 2,
                "default_samplerate": 48_000.0,
            }
            for index, name in enumerate(self.listed)
        ]

    def check_input_settings(
        self, *, device: int, channels: int, dtype: str, samplerate: int
    ) -> None:
        if samplerate not in self.rates or channels < self.fewest_channels:
            raise FakePortAudioError("Invalid sample rate", -9997)

    def InputStream(self, **options: Any) -> FakeStream:  # noqa: N802
        known = dict(enumerate(self.listed))
        if self.stale or known.get(options["device"]) not in self.names:
            raise FakePortAudioError("Device unavailable", -9985)
        stream = FakeStream(**options)
        self.streams.append(stream)
        start = stream.start

        def start_and_tell() -> None:
            start()
            self.on_start(stream)

        stream.start = start_and_tell  # type: ignore[method-assign]
        return stream

    def _terminate(self) -> None:
        self.listed = []

    def _initialize(self) -> None:
        self.listed = list(self.names)
        self.stale = False
        self.initialisations += 1


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakeSounddevice:
    fake = FakeSounddevice()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr(Microphone, "_POLL", 0.001)  # the waits are counted in polls
    monkeypatch.setattr(Microphone, "_LOST_AFTER", 0.007)
    monkeypatch.setattr(Microphone, "_STARTS_WITHIN", 0.03)
    monkeypatch.setattr(Microphone, "_RETRY", 0.005)
    monkeypatch.setattr(Microphone, "_STALL", 0.01)
    return fake


def noise(seconds: float, rate: int = SAMPLE_RATE) -> Samples:
    rng = np.random.default_rng(0)
    return rng.uniform(0.01, 0.5, round(seconds * rate)).astype(np.float32)


def sound(events: list[SourceEvent]) -> Samples:
    """The samples of all chunks, which have to follow each other."""
    chunks = [event for event in events if isinstance(event, AudioChunk)]
    position = 0
    for chunk in chunks:
        assert chunk.sample_rate == SAMPLE_RATE
        assert chunk.start == position / SAMPLE_RATE
        position += chunk.samples.size
    assert all(chunk.samples.size == 512 for chunk in chunks[:-1])
    return np.concatenate([chunk.samples for chunk in chunks])


def happenings(events: list[SourceEvent]) -> list[SourceEvent]:
    return [event for event in events if not isinstance(event, AudioChunk)]


def test_all_that_was_captured_before_close_is_delivered(portaudio: FakeSounddevice) -> None:
    microphone = Microphone()
    spoken = noise(2.048)

    def speak(stream: FakeStream) -> None:
        stream.feed(spoken)
        microphone.close()

    portaudio.on_start = speak
    events = list(microphone.events())
    np.testing.assert_array_equal(sound(events), spoken)
    assert happenings(events) == []
    assert portaudio.streams[0].closed
    assert microphone.overflows == 0
    assert microphone.paced


def test_leaving_early_closes_the_device(portaudio: FakeSounddevice) -> None:
    microphone = Microphone()
    portaudio.on_start = lambda stream: stream.feed(noise(1))
    events = microphone.events()
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert portaudio.streams[0].closed


@pytest.mark.parametrize("fewest_channels", [1, 2])
def test_other_rates_are_resampled_and_channels_mixed(
    portaudio: FakeSounddevice, fewest_channels: int
) -> None:
    portaudio.rates = {48_000}
    portaudio.fewest_channels = fewest_channels
    microphone = Microphone()
    tone = 0.25 * np.sin(2 * np.pi * 440 * np.arange(96_000) / 48_000).astype(np.float32)

    def speak(stream: FakeStream) -> None:
        stream.feed(tone)
        microphone.close()

    portaudio.on_start = speak
    heard = sound(list(microphone.events()))
    assert portaudio.streams[0].options["channels"] == fewest_channels
    assert portaudio.streams[0].options["blocksize"] == 1536
    whole_blocks = 96_000 // 1536 * 1536
    assert heard.size == whole_blocks / 3
    expected = 0.25 * np.sin(2 * np.pi * 440 * np.arange(heard.size) / SAMPLE_RATE)
    np.testing.assert_allclose(heard[500:-500], expected[500:-500], atol=1e-3)


def test_overflow_is_counted_and_times_stay_true(
    portaudio: FakeSounddevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Microphone, "_CAPACITY", 1.0)
    microphone = Microphone()
    spoken = noise(3.0)

    def speak(stream: FakeStream) -> None:
        stream.feed(spoken)  # nobody takes it: 31 blocks fit

    portaudio.on_start = speak
    events = microphone.events()
    heard = [next(events) for _ in range(31)]
    stream = portaudio.streams[0]
    stream.feed(spoken[:512])
    microphone.close()
    heard += list(events)

    blocks = len(spoken) // 512
    assert microphone.overflows == blocks - 31
    whole = sound(heard)
    assert whole.size == (blocks + 1) * 512
    np.testing.assert_array_equal(whole[: 31 * 512], spoken[: 31 * 512])
    assert not whole[31 * 512 : -512].any()
    np.testing.assert_array_equal(whole[-512:], spoken[:512])
    assert happenings(heard) == []  # the silence is ours, not the microphone's


def test_portaudio_own_overflow_is_counted(portaudio: FakeSounddevice) -> None:
    microphone = Microphone()

    def speak(stream: FakeStream) -> None:
        stream.feed(noise(0.064), overflow=True)
        microphone.close()

    portaudio.on_start = speak
    list(microphone.events())
    assert microphone.overflows == 2


@pytest.mark.parametrize("stops", [True, False])
def test_lost_microphone_is_waited_for(portaudio: FakeSounddevice, stops: bool) -> None:
    """By an inactive stream, and by silence of a stream that still seems active."""
    microphone = Microphone("usb")
    first, second = noise(0.5), noise(1.0)

    def speak(stream: FakeStream) -> None:
        if len(portaudio.streams) == 1:
            stream.feed(first)
            stream.active = not stops
            portaudio.names, portaudio.stale = ["Loudspeaker"], True  # unplugged
        else:
            stream.feed(second)
            microphone.close()

    portaudio.on_start = speak
    events: list[SourceEvent] = []
    for event in microphone.events():
        events.append(event)
        if isinstance(event, DeviceLost):
            portaudio.names = ["Another", "HDA Intel", "USB Headset"]  # back, with a new number
            portaudio.inputs["Another"] = 1
    lost, restored = happenings(events)
    assert isinstance(lost, DeviceLost)
    assert lost.at == len(first) // 512 * 512 / SAMPLE_RATE
    assert ("stopped" if stops else "no sound") in lost.reason
    assert restored == DeviceRestored(lost.at, "USB Headset")
    assert portaudio.streams[0].closed
    assert portaudio.streams[1].options["device"] == 2
    whole = [first[: len(first) // 512 * 512], second[: len(second) // 512 * 512]]
    np.testing.assert_array_equal(sound(events), np.concatenate(whole))


def test_a_stalled_microphone_goes_on_by_itself(
    portaudio: FakeSounddevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Microphone, "_STALL", 60.0)
    microphone = Microphone()
    spoken = noise(1.024)
    portaudio.on_start = lambda stream: stream.feed(spoken)
    events: list[SourceEvent] = []
    for event in microphone.events():
        events.append(event)
        if isinstance(event, DeviceLost):
            portaudio.streams[0].feed(spoken)
        if isinstance(event, DeviceRestored):
            microphone.close()
    assert [type(event) for event in happenings(events)] == [DeviceLost, DeviceRestored]
    np.testing.assert_array_equal(sound(events), np.concatenate([spoken, spoken]))
    assert len(portaudio.streams) == 1


def test_portaudio_is_not_restarted_while_it_is_not_allowed(portaudio: FakeSounddevice) -> None:
    asked = []

    def may_restart() -> bool:
        asked.append(portaudio.initialisations)
        return len(asked) > 2

    microphone = Microphone("usb", may_restart_portaudio=may_restart)

    def speak(stream: FakeStream) -> None:
        stream.feed(noise(0.1))
        if len(portaudio.streams) == 1:
            stream.active = False
            portaudio.stale = True
        else:
            microphone.close()

    portaudio.on_start = speak

    events = list(microphone.events())
    assert [type(event) for event in happenings(events)] == [DeviceLost, DeviceRestored]
    assert asked == [0, 0, 0]
    assert portaudio.initialisations == 1


def test_close_ends_the_wait_for_a_lost_microphone(portaudio: FakeSounddevice) -> None:
    microphone = Microphone()

    def unplug(stream: FakeStream) -> None:
        stream.feed(noise(0.1))
        stream.active = False
        portaudio.names, portaudio.stale = [], True

    portaudio.on_start = unplug
    seen: list[SourceEvent] = []
    for event in microphone.events():
        seen.append(event)
        if isinstance(event, DeviceLost):
            threading.Timer(0.02, microphone.close).start()
    assert isinstance(seen[-1], DeviceLost)


def test_digital_silence_is_reported_after_three_seconds(portaudio: FakeSounddevice) -> None:
    microphone = Microphone()

    def speak(stream: FakeStream) -> None:
        for part in (noise(1.024), np.zeros(64_000, np.float32), noise(1.024)):
            stream.feed(part)
        stream.feed(np.zeros(32_000, np.float32))
        microphone.close()

    portaudio.on_start = speak
    nothing, again = happenings(list(microphone.events()))
    assert isinstance(nothing, NothingHeard)
    assert nothing.at == pytest.approx(1.024 + 3, abs=0.033)
    assert isinstance(again, HearingAgain)
    assert again.at == pytest.approx(1.024 + 4, abs=0.033)


def test_devices_are_listed(portaudio: FakeSounddevice) -> None:
    first, headset, speaker = devices()
    assert (first.index, first.name, first.host) == (0, "HDA Intel", "ALSA")
    assert first.default_input
    assert not first.default_output
    assert headset.inputs == 1
    assert speaker.default_output
    assert speaker.sample_rate == 48_000


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("", "HDA Intel"), ("1", "USB Headset"), ("headset", "USB Headset"), ("hda", "HDA Intel")],
)
def test_microphone_is_chosen_by_number_or_name(
    portaudio: FakeSounddevice, wanted: str, name: str
) -> None:
    assert Microphone(wanted).name == name


def test_a_whole_name_wins_over_a_part_of_one(portaudio: FakeSounddevice) -> None:
    portaudio.listed = portaudio.names = ["sysdefault", "default"]
    portaudio.inputs = dict.fromkeys(portaudio.names, 2)
    assert Microphone("default").name == "default"


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ("2", "audio.input_device 2: no such microphone: choose one of 0 HDA Intel; 1 USB Headset"),
        ("7", "no such microphone"),
        ("webcam", "audio.input_device webcam: no such microphone"),
        ("h", "fits several microphones: choose one of 0 HDA Intel; 1 USB Headset"),
    ],
)
def test_wrong_device_names_the_choices(
    portaudio: FakeSounddevice, wanted: str, problem: str
) -> None:
    with pytest.raises(DeviceError) as raised:
        Microphone(wanted)
    assert problem in str(raised.value)


def test_no_microphone_at_all(portaudio: FakeSounddevice) -> None:
    portaudio.listed = ["Loudspeaker"]
    with pytest.raises(DeviceError, match="no microphone found"):
        Microphone()


def test_microphone_that_takes_no_format(portaudio: FakeSounddevice) -> None:
    portaudio.rates = set()
    with pytest.raises(DeviceError, match=r"HDA Intel: cannot be opened \(Invalid sample rate\)"):
        Microphone()


def test_microphone_that_is_busy(portaudio: FakeSounddevice) -> None:
    microphone = Microphone()
    portaudio.stale = True
    with pytest.raises(DeviceError, match=r"HDA Intel: cannot be opened \(Device unavailable\)"):
        next(iter(microphone.events()))


def test_microphone_that_opens_but_does_not_start(portaudio: FakeSounddevice) -> None:
    def refuse(stream: FakeStream) -> None:
        raise FakePortAudioError("Unanticipated host error", -9999)

    portaudio.on_start = refuse
    with pytest.raises(DeviceError, match=r"HDA Intel: cannot be opened \(Unanticipated"):
        next(iter(Microphone().events()))
    assert portaudio.streams[0].closed


def test_missing_portaudio_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLibrary:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoLibrary(), *sys.meta_path])
    with pytest.raises(DeviceError, match="apt install libportaudio2"):
        devices()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "visit.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, SAMPLE_RATE, 0, "NONE", ""))
        mono = (noise(2.0) * 32767).astype("<i2")
        file.writeframes(np.repeat(mono, 2).tobytes())
    return path


def test_recording_in_place_of_the_microphone(recording: Path) -> None:
    source = FileSource(recording, pace="fast")
    assert source.name == "visit.wav"
    assert not source.paced
    np.testing.assert_allclose(sound(list(source.events())), noise(2.0), atol=1e-4)


def test_real_time_pace_does_not_drift(recording: Path) -> None:
    """Each chunk comes when its last sample has been heard, however long the taker is busy."""
    now = 100.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    source = FileSource(recording, pace="realtime", clock=lambda: now, sleep=sleep)
    busy = np.random.default_rng(0)
    for event in source.events():
        assert isinstance(event, AudioChunk)
        end = 100.0 + event.start + event.samples.size / SAMPLE_RATE
        assert end - 1e-6 <= now <= end + 0.05
        now += busy.uniform(0, 0.05)
    assert now == pytest.approx(102.0, abs=0.1)


def test_closing_a_recording_interrupts_the_wait(recording: Path) -> None:
    stopped = threading.Event()
    source = FileSource(recording, pace="realtime", clock=lambda: 0.0)  # waits ever longer
    events = source.events()

    def take() -> None:
        for _ in events:
            pass
        stopped.set()

    thread = threading.Thread(target=take)
    thread.start()
    source.close()
    thread.join(5)
    assert stopped.is_set()


def test_missing_recording(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="no such file"):
        FileSource(tmp_path / "missing.wav")
