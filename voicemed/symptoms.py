"""Turns -> Findings: the text classifier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from voicemed.assertion import Assertion
from voicemed.lexicon import Concept
from voicemed.transcript import Span, Turn


@dataclass(frozen=True, slots=True)
class Finding:
    """A symptom with its status and the words that say so."""

    concept: Concept
    assertion: Assertion
    evidence: tuple[Span, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)
    "onset, duration, severity, location, side, character, frequency, aggravating, relieving, ..."
    confidence: float = 1.0
    "0 to 1."


class Extractor(Protocol):
    """Understands a consultation turn by turn; one for each encounter."""

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn and return all findings so far, in order of first mention."""
        ...


def extract(turns: Iterable[Turn]) -> tuple[Finding, ...]:
    """Findings of a whole consultation: by construction what the live loop would have shown."""
    raise NotImplementedError
