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
from voicemed.attributes import Description
from voicemed.findings import MAX_EVIDENCE, Finding, StatusChange
from voicemed.lexicon import Concept
from voicemed.transcript import Span


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
        "skin redness": ("red eye",),
    }
)
"""Concepts that in one word ('cramp') mean a known, more specific one, by the endings of those."""

DRY = "sputum production"
"What 'it's dry' denies while the talk is of a cough."


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing said of one symptom."""

    assertion: Assertion
    strength: Strength
    spans: tuple[Span, ...]
    confidence: float
    resolved: bool = False
    "A denial of now only ('no longer'), which leaves the current episode standing."
    signs: frozenset[str] = frozenset()
    "What the classifier should know of it: who said it, how, with which cues."
    text: str = ""
    "The words it rests on, the question's first."


@dataclass(slots=True)
class History:
    """Everything said of a symptom of one person."""

    concept: Concept
    experiencer: Experiencer
    evidence: list[Evidence] = field(default_factory=list)
    unanswered: list[Evidence] = field(default_factory=list)
    "Questions to which no reply was understood; their status says nothing."
    description: Description = field(default_factory=lambda: Description(None))
    "What was said about it, as the English reader of attributes tells it."
    attributes: dict[str, str] = field(default_factory=dict)
    "The same in other languages."

    @property
    def recapped_only(self) -> bool:
        """Only the doctor has named it, so that the patient may take it back."""
        return all(one.strength is Strength.WEAK for one in self.evidence)

    @property
    def status(self) -> Status | None:
        """The final, clearest one for the time of the visit; None if only past or hypothetical."""
        decisive = self.decisive
        return decisive.assertion.status if decisive else None

    def findings(self) -> list[Finding]:
        """The current status, and beside it a past one; a hypothetical only if there is neither."""
        decisive = self.decisive
        kinds = [decisive.assertion.status] if decisive else []
        if any(one.assertion.status is Status.PAST for one in self.evidence):
            kinds.append(Status.PAST)
        return [self._finding(status) for status in kinds or [Status.HYPOTHETICAL]]

    @property
    def decisive(self) -> Evidence | None:
        """The evidence that settles the status for the time of the visit."""
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
        first = StatusChange(status, supporting[0].spans[-1].turn)
        return Finding(
            self.concept,
            Assertion(status, self.experiencer),
            spans[:MAX_EVIDENCE],
            self._described() if status is Status.PRESENT else {},
            round(max(one.confidence for one in supporting), 3),
            history=(first,) if status is Status.PAST else self._changes(),
        )

    def _described(self) -> dict[str, str]:
        return self.attributes | self.description.values()

    def _changes(self) -> tuple[StatusChange, ...]:
        """Each status that it has had so far, with the turn that brought it; not a past one."""
        changes: list[StatusChange] = []
        decisive: Evidence | None = None
        for one in self.evidence:
            status = one.assertion.status
            if status is Status.PAST or (status is Status.HYPOTHETICAL and decisive):
                continue
            if status is not Status.HYPOTHETICAL:
                if decisive and not _overrules(one, decisive):
                    continue
                decisive = one
            if not changes or changes[-1].status is not status:
                changes.append(StatusChange(status, one.spans[-1].turn))
        return tuple(changes)


def _overrules(new: Evidence, old: Evidence) -> bool:
    """Whether later evidence replaces the status that holds so far."""
    if old.assertion.status is Status.UNCERTAIN:
        return True
    if new.assertion.status is Status.UNCERTAIN:
        return old.strength is Strength.WEAK
    if old.resolved and new.assertion.status is Status.PRESENT:
        return True
    if old.assertion.status is Status.PRESENT and new.assertion.status is Status.ABSENT:
        plain = new.strength is Strength.STATED or old.strength is Strength.WEAK
        return plain and not new.resolved
    return new.strength >= old.strength


def speaker_role(speaker: str) -> str | None:
    """doctor or patient; None where the label does not tell."""
    known = {"doctor": "doctor", "clinician": "doctor", "patient": "patient", "parent": "patient"}
    return known.get(speaker.lower())
