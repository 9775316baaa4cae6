"""Speech detection: the probability of speech in each window of sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicemed.audio import Samples


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
