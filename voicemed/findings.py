"""What an extractor yields: findings, each with a status and the words that say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from voicemed.assertion import Assertion
from voicemed.lexicon import Concept
from voicemed.transcript import Span, Turn


class FindingKind(StrEnum):
    """What a finding is about."""

    SYMPTOM = "symptom"
    MEDICATION = "medication"
    ALLERGY = "allergy"
    MEASUREMENT = "measurement"


@dataclass(frozen=True, slots=True)
class Finding:
    """A symptom (or a drug, an allergy, a measurement), its status and the words that say so."""

    concept: Concept
    assertion: Assertion
    evidence: tuple[Span, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)
    "onset, duration, severity, location, side, character, frequency, aggravating, relieving, ..."
    confidence: float = 1.0
    "0 to 1."
    kind: FindingKind = FindingKind.SYMPTOM


class Extractor(Protocol):
    """Understands a consultation turn by turn; one for each encounter."""

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn and return all findings so far, in order of first mention."""
        ...
