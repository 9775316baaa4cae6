"""Sound: the one representation that all stages share, decoding, resampling, WAV."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"Mono, in [-1, 1]."
Seconds = float
"Since the first captured sample, from sample counts."

SAMPLE_RATE = 16_000
"Hz; what speech detection and Whisper take."


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A stretch of sound with its place in time."""

    samples: Samples
    sample_rate: int
    "Hz."
    start: Seconds
