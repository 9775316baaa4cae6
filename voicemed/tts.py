"""Speech synthesis: the protocol, Piper, Coqui."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from voicemed.audio import AudioChunk


class Synthesizer(Protocol):
    """A voice. Weights are loaded once."""

    name: str
    "For the screen: engine and voice."
    sample_rate: int
    "Hz."

    def synthesize(self, text: str) -> Iterator[AudioChunk]:
        """The spoken text, a chunk for each clause, so that the first sound comes early."""
        ...
