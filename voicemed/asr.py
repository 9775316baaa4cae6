"""Speech recognition: the protocol, the guard against invented text, partial hypotheses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from voicemed.endpointing import Utterance
from voicemed.transcript import Segment


class Recognizer(Protocol):
    """Turns utterances into words. Weights are loaded once; calls are independent of each other."""

    name: str
    "For the screen: engine and model."
    device: str
    "cpu or cuda."

    def transcribe(
        self, utterances: Sequence[Utterance], *, language: str | None, prompt: str = ""
    ) -> list[list[Segment]]:
        """One list of segments for each utterance; rejected ones carry the reason."""
        ...
