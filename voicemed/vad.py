"""Speech detection: the probability of speech in each window of sound."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from voicemed.audio import SAMPLE_RATE, Samples
from voicemed.errors import EngineError


class Vad(Protocol):
    """A speech detector at 16 kHz. Weights are loaded once; each stream has its own state."""

    window: int
    "Samples in a window."

    def stream(self) -> Callable[[Samples], float]:
        """A function from the next window to its speech probability, 0 to 1."""
        ...

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """The probability of each window of a whole recording; the last is padded with zeros."""
        ...


class SileroVad:
    """Silero VAD v6 (Silero Team, MIT): an LSTM over windows of 32 ms, 0.2 ms each on one core.

    It hears a little noise with the sound: over digital silence between the words, as telephone
    exchanges and headsets make it, Silero takes whole sentences for nothing. (On one caller of
    four minutes, the noise and a threshold of 0.35 give 237 words in place of 123.)

    Raises EngineError where onnxruntime or the weights are missing.
    """

    window = 512
    _CONTEXT = 64
    "Samples of the window before that the network sees again, as in Silero's own streaming."
    _DITHER = 10 ** (-55 / 20)
    "RMS of the noise: -55 dBFS, below the speech of any usable recording."
    _BATCH = 2048
    "Windows in one call of the network over a recording: about a minute."

    def __init__(self) -> None:
        onnxruntime: Any = _require("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # too small to be split
        self._session = onnxruntime.InferenceSession(
            str(_silero_weights()), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def stream(self) -> Callable[[Samples], float]:
        """A function from the next 512 samples to their speech probability."""
        state = _initial_state()
        context = np.zeros(self._CONTEXT, np.float32)
        noise = np.random.default_rng(0)

        def probability(window: Samples) -> float:
            nonlocal state, context
            dithered = self._dithered(window, noise)
            probabilities, state = self._run(np.concatenate([context, dithered])[np.newaxis], state)
            context = dithered[-self._CONTEXT :]
            return float(probabilities[0])

        return probability

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """The probability of each window of a whole recording; the last is padded with zeros."""
        count = -(-samples.size // self.window)
        padded = np.pad(samples, (0, count * self.window - samples.size))
        samples = self._dithered(padded, np.random.default_rng(0))
        batches = []
        state = _initial_state()
        for first in range(0, count, self._BATCH):
            batch = min(self._BATCH, count - first)
            begin, end = first * self.window - self._CONTEXT, (first + batch) * self.window
            stretch = np.zeros(end - begin, np.float32)
            known = samples[max(begin, 0) : end]
            stretch[max(-begin, 0) :][: known.size] = known
            windows = np.lib.stride_tricks.sliding_window_view(
                stretch, self._CONTEXT + self.window
            )[:: self.window]
            probabilities, state = self._run(np.ascontiguousarray(windows), state)
            batches.append(probabilities)
        return np.concatenate(batches) if batches else np.zeros(0, np.float32)

    def _dithered(self, samples: Samples, noise: np.random.Generator) -> Samples:
        dither = noise.standard_normal(samples.size, dtype=np.float32)
        return samples + np.float32(self._DITHER) * dither

    def _run(
        self, windows: NDArray[np.float32], state: _State
    ) -> tuple[NDArray[np.float32], _State]:
        """Windows with their context, in order [n, 576] -> probabilities [n], the next state."""
        probabilities, h, c = self._session.run(
            None, {"input": windows, "h": state[0], "c": state[1]}
        )
        return probabilities, (h, c)


class WebRtcVad:
    """WebRTC's Gaussian mixtures over windows of 30 ms: 30 times cheaper, fooled by noise.

    It only says yes or no; the probability is the share of yes in the last three windows, so that
    a click does not begin an utterance. `aggressiveness` is WebRTC's own, 0 (takes much for
    speech) to 3. Raises EngineError where webrtcvad is missing.
    """

    window = 480
    _SMOOTHED = 3
    "Windows."

    def __init__(self, aggressiveness: int = 2) -> None:
        self._webrtcvad: Any = _require("webrtcvad", package="webrtcvad-wheels")
        self._aggressiveness = aggressiveness

    def stream(self) -> Callable[[Samples], float]:
        """A function from the next 480 samples to their speech probability."""
        detector = self._webrtcvad.Vad(self._aggressiveness)
        decisions = deque([False] * self._SMOOTHED, maxlen=self._SMOOTHED)

        def probability(window: Samples) -> float:
            pcm = (np.clip(window, -1.0, 1.0) * 32767).astype("<i2").tobytes()
            decisions.append(detector.is_speech(pcm, SAMPLE_RATE))
            return sum(decisions) / self._SMOOTHED

        return probability

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """The probability of each window of a whole recording; the last is padded with zeros."""
        padded = np.pad(samples, (0, -samples.size % self.window))
        probability = self.stream()
        return np.array([probability(w) for w in padded.reshape(-1, self.window)], np.float32)


_VADS: dict[str, Callable[[], Vad]] = {"silero": SileroVad, "webrtc": WebRtcVad}


def create_vad(name: Literal["silero", "webrtc"]) -> Vad:
    """Load the speech detector of that name; raises EngineError where it is not installed."""
    return _VADS[name]()


_State = tuple[NDArray[np.float32], NDArray[np.float32]]
"The hidden and cell state of Silero's LSTM."


def _initial_state() -> _State:
    return np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32)


def _silero_weights() -> Path:
    """faster-whisper's copy of the weights, found without importing it, which takes a second."""
    package = find_spec("faster_whisper")
    if package is None or package.origin is None:
        raise EngineError(
            "faster-whisper, with Silero's weights, is missing: pip install faster-whisper"
        )
    path = Path(package.origin).parent / "assets" / "silero_vad_v6.onnx"
    if not path.is_file():
        raise EngineError(f"{path}: is missing: pip install --upgrade faster-whisper")
    return path


def _require(module: str, package: str = "") -> Any:
    """Import a speech detector's library, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EngineError(f"{module} is missing: pip install {package or module}") from error
