"""What was said of each symptom of a person, and the status that follows from it.

All evidence is kept, oldest first; nothing is forgotten when a status changes. The symptom
extractors of all languages share this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

from voicemed.assertion import Assertion, Experiencer, Status
from voicemed.findings import Finding
from voicemed.lexicon import Concept
from voicemed.transcript import Span

_MAX_EVIDENCE = 8


class Strength(IntEnum):
    """How plainly something was said; the weaker does not overrule the plainer."""

    WEAK = 1
    "A doctor's recap, a hum, an answer that only implies a yes."
    ANSWERED = 2
    "Yes or no to the doctor's question."
    STATED = 3
    "The patient names it."


CONFIDENCE = MappingProxyType({Strength.WEAK: 0.6, Strength.ANSWERED: 0.8, Strength.STATED: 0.9})
"""Rough, not calibrated: guesses at how often evidence of each kind is right."""


_PAINS = (" pain", "ache", "sore throat", "painful urination", "painful swallowing")
GENERIC: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "pain": _PAINS,
        "muscle cramp": _PAINS,
        "burning sensation": _PAINS,
        "skin pain": _PAINS,
        "swelling": (" swelling", "neck lump", "swollen tonsils"),
        "lump": (" lump",),
    }
)
"""Concepts that in one word ('cramp') mean a known, more specific one, by the endings of those."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing said of one symptom."""

    assertion: Assertion
    strength: Strength
    spans: tuple[Span, ...]
    confidence: float
    resolved: bool = False
    "A denial of now only ('no longer'), which leaves the current episode standing."


@dataclass(slots=True)
class History:
    """Everything said of a symptom of one person."""

    concept: Concept
    experiencer: Experiencer
    evidence: list[Evidence] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> Status | None:
        """The final, clearest one for the time of the visit; None if only past or hypothetical."""
        decisive = self._decisive()
        return decisive.assertion.status if decisive else None

    def findings(self) -> list[Finding]:
        """The current status, and beside it a past one; a hypothetical only if there is neither."""
        decisive = self._decisive()
        kinds = [decisive.assertion.status] if decisive else []
        if any(one.assertion.status is Status.PAST for one in self.evidence):
            kinds.append(Status.PAST)
        return [self._finding(status) for status in kinds or [Status.HYPOTHETICAL]]

    def _decisive(self) -> Evidence | None:
        current: Evidence | None = None
        for one in self.evidence:
            if one.assertion.status in (Status.PAST, Status.HYPOTHETICAL):
                continue
            if current is None or _overrules(one, current):
                current = one
        return current

    def _finding(self, status: Status) -> Finding:
        supporting = [one for one in self.evidence if one.assertion.status is status]
        spans = tuple(dict.fromkeys(span for one in supporting for span in one.spans))
        return Finding(
            self.concept,
            Assertion(status, self.experiencer),
            spans[:_MAX_EVIDENCE],
            dict(self.attributes) if status is Status.PRESENT else {},
            round(max(one.confidence for one in supporting), 3),
        )


def _overrules(new: Evidence, old: Evidence) -> bool:
    """Whether later evidence replaces the status that holds so far."""
    if old.assertion.status is Status.UNCERTAIN:
        return True
    if new.assertion.status is Status.UNCERTAIN:
        return old.strength is Strength.WEAK
    if old.assertion.status is Status.PRESENT and new.assertion.status is Status.ABSENT:
        plain = new.strength is Strength.STATED or old.strength is Strength.WEAK
        return plain and not new.resolved
    return new.strength >= old.strength


def speaker_role(speaker: str) -> str | None:
    """doctor or patient; None where the label does not tell."""
    known = {"doctor": "doctor", "clinician": "doctor", "patient": "patient", "parent": "patient"}
    return known.get(speaker.lower())
