"""Speech detectors: on real speech and noise, and streams against whole recordings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import voicemed.vad
from voicemed.audio import Samples, read
from voicemed.errors import EngineError
from voicemed.vad import SileroVad, Vad, WebRtcVad, create_vad

AUDIO = Path(__file__).parent.parent.parent / "shared" / "data" / "audio"

needs_recordings = pytest.mark.skipif(
    not AUDIO.is_dir(), reason="the development recordings are not here"
)


@pytest.fixture(scope="module")
def silero() -> SileroVad:
    return SileroVad()


@pytest.fixture(scope="module", params=["silero", "webrtc"])
def vad(request: pytest.FixtureRequest) -> Vad:
    name: Literal["silero", "webrtc"] = request.param
    return create_vad(name)


def voice(seconds: float) -> Samples:
    """A crude voice: glottal pulses at 120 Hz through the resonances of an "a", in syllables."""
    rng = np.random.default_rng(0)
    size = round(seconds * 16_000)
    pulses = np.zeros(size)
    pulses[:: 16_000 // 120] = 1.0
    ring = np.arange(400) / 16_000
    formants = np.array([700, 1200, 2600])[:, np.newaxis]
    resonances = (np.exp(-ring * 60 * np.pi) * np.sin(2 * np.pi * formants * ring)).sum(axis=0)
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * np.arange(size) / 16_000)
    voiced = np.convolve(pulses, resonances)[:size] * syllables
    noise = rng.normal(0, 1e-4, size)
    return np.asarray(0.2 * voiced / np.abs(voiced).max() + noise, np.float32)


def streamed(vad: Vad, samples: Samples) -> list[float]:
    probability = vad.stream()
    padded = np.pad(samples, (0, -samples.size % vad.window))
    return [probability(window) for window in padded.reshape(-1, vad.window)]


@pytest.mark.parametrize("size", [0, 1, 512, 5000, 16_000 * 3 + 7])
def test_a_recording_gives_what_its_stream_gives(vad: Vad, size: int) -> None:
    sound = voice(4)[:size]
    probabilities = vad.probabilities(sound)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (-(-size // vad.window),)
    np.testing.assert_allclose(probabilities, streamed(vad, sound), atol=1e-4)


def test_silero_batches_join_without_a_seam(
    silero: SileroVad, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = voice(4)
    whole = silero.probabilities(sound)
    monkeypatch.setattr(SileroVad, "_BATCH", 7)
    np.testing.assert_allclose(silero.probabilities(sound), whole, atol=1e-4)


def test_streams_have_their_own_state(vad: Vad) -> None:
    sound = voice(2).reshape(-1)[: 40 * vad.window].reshape(-1, vad.window)
    first, second = vad.stream(), vad.stream()
    for window in sound:
        first(window)
    assert [second(window) for window in sound] == streamed(vad, sound.reshape(-1))


def test_window_is_not_kept(silero: SileroVad) -> None:
    """The caller may use its buffer again."""
    sound = voice(1)[: 20 * 512].reshape(-1, 512)
    stream = silero.stream()
    buffer = np.empty(512, np.float32)
    heard = []
    for window in sound:
        buffer[:] = window
        heard.append(stream(buffer))
        buffer[:] = 1.0
    assert heard == streamed(silero, sound.reshape(-1))


def test_silence_is_no_speech(vad: Vad) -> None:
    assert vad.probabilities(np.zeros(48_000, np.float32)).max() < 0.1


def test_webrtc_rises_over_three_windows() -> None:
    """A single decision for speech stays below the usual threshold."""
    probabilities = WebRtcVad().probabilities(np.concatenate([np.zeros(16_000), voice(1)]))
    rises = np.diff(probabilities)
    assert probabilities.max() == 1.0
    assert np.abs(rises).max() == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", ["silero", "webrtc"])
@pytest.mark.parametrize("recording", ["jfk.flac", "librispeech-1995-1837-0001.wav"])
@pytest.mark.shared_data
@needs_recordings
def test_speech_is_found(name: Literal["silero", "webrtc"], recording: str) -> None:
    probabilities = create_vad(name).probabilities(read(AUDIO / "english" / recording))
    assert (probabilities > 0.5).mean() > 0.55


@pytest.mark.shared_data
@needs_recordings
@pytest.mark.parametrize("recording", ["cafe_short.wav", "exercise_bike.wav", "sb_noise2.wav"])
def test_silero_takes_noise_for_noise(silero: SileroVad, recording: str) -> None:
    probabilities = silero.probabilities(read(AUDIO / "noise" / recording))
    assert (probabilities > 0.5).mean() < 0.02


def test_missing_libraries_say_how_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineError, match="pip install webrtcvad-wheels"):
        create_vad("webrtc")
    with pytest.raises(EngineError, match="pip install onnxruntime"):
        create_vad("silero")


def test_missing_weights_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voicemed.vad, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match="pip install faster-whisper"):
        create_vad("silero")


def test_neither_faster_whisper_nor_torch_is_imported() -> None:
    script = (
        "import sys; from voicemed.vad import create_vad; create_vad('silero');"
        "print([m for m in ('faster_whisper', 'ctranslate2', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
