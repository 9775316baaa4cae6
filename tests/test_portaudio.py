"""The microphone through real PortAudio, with a private PulseAudio in place of the hardware."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from virtual_microphone import VirtualMicrophone, virtual_microphone

from voicemed.audio import SAMPLE_RATE, AudioChunk, Samples, WavWriter
from voicemed.microphone import (
    DeviceLost,
    DeviceRestored,
    HearingAgain,
    Microphone,
    NothingHeard,
    SourceEvent,
    devices,
)

pytestmark = pytest.mark.portaudio


@pytest.fixture(scope="module")
def room() -> Iterator[VirtualMicrophone]:
    with virtual_microphone() as microphone:
        yield microphone


@pytest.fixture
def chirp(tmp_path: Path) -> tuple[Path, Samples]:
    """Two seconds that rise from 200 to 3000 Hz: found again by its correlation."""
    t = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    samples = (0.5 * np.sin(2 * np.pi * (200 * t + 700 * t * t))).astype(np.float32)
    path = tmp_path / "chirp.wav"
    with WavWriter(path) as writer:
        writer.write(samples)
    return path, samples


def until(
    events: Iterator[SourceEvent], enough: Callable[[SourceEvent], bool], seconds: float = 20
) -> list[SourceEvent]:
    """Events up to the one that is enough; fails if it does not come in that time."""
    give_up = time.monotonic() + seconds
    seen = []
    for event in takewhile(lambda _: time.monotonic() < give_up, events):
        seen.append(event)
        if enough(event):
            return seen
    raise AssertionError("it did not come")


def likeness(heard: Samples, played: Samples) -> float:
    """The best correlation of what was played with a stretch of what was heard, up to 1."""
    size = heard.size + played.size
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(played, size))
    place = int(np.argmax(np.fft.irfft(spectrum, size)[: heard.size - played.size]))
    stretch = heard[place : place + played.size]
    return float(stretch @ played / np.sqrt((stretch @ stretch) * (played @ played)))


def test_the_virtual_microphone_is_listed(room: VirtualMicrophone) -> None:
    assert [device.name for device in devices() if device.default_input] == ["default"]


def test_what_is_played_is_heard(room: VirtualMicrophone, chirp: tuple[Path, Samples]) -> None:
    path, played = chirp
    microphone = Microphone()
    events = microphone.events()
    until(events, lambda event: isinstance(event, AudioChunk))
    playing = room.play(path)
    seen = until(events, lambda event: playing.poll() is not None)
    microphone.close()
    seen += list(events)
    chunks = [event.samples for event in seen if isinstance(event, AudioChunk)]
    assert playing.returncode == 0
    assert likeness(np.concatenate(chunks), played) > 0.95
    assert microphone.overflows == 0


def test_a_silent_microphone_is_noticed(
    room: VirtualMicrophone, chirp: tuple[Path, Samples]
) -> None:
    microphone = Microphone("default")
    events = microphone.events()
    until(events, lambda event: isinstance(event, NothingHeard))
    playing = room.play(chirp[0])
    until(events, lambda event: isinstance(event, HearingAgain))
    microphone.close()
    list(events)
    assert playing.wait(10) == 0


def test_a_lost_microphone_is_reported_and_comes_back(room: VirtualMicrophone) -> None:
    microphone = Microphone()
    events = microphone.events()
    until(events, lambda event: isinstance(event, AudioChunk) and event.start > 0.5)
    room.kill()
    killed = time.monotonic()
    until(events, lambda event: isinstance(event, DeviceLost))
    assert time.monotonic() - killed < 1.0  # what is promised
    room.start()
    until(events, lambda event: isinstance(event, DeviceRestored))
    until(events, lambda event: isinstance(event, AudioChunk))
    microphone.close()
    assert all(isinstance(event, AudioChunk) for event in events)


def test_a_stalled_sound_server_is_reported(room: VirtualMicrophone) -> None:
    microphone = Microphone()
    events = microphone.events()
    until(events, lambda event: isinstance(event, AudioChunk) and event.start > 0.5)
    room.stall()
    stalled = time.monotonic()
    try:
        lost = until(events, lambda event: isinstance(event, DeviceLost))
        assert time.monotonic() - stalled < 1.0
        assert isinstance(lost[-1], DeviceLost)
        assert lost[-1].reason == "no sound arrives"
    finally:
        room.go_on()
    until(events, lambda event: isinstance(event, DeviceRestored))
    until(events, lambda event: isinstance(event, AudioChunk))
    microphone.close()
    assert all(isinstance(event, AudioChunk) for event in events)
