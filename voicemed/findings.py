"""What an extractor yields: findings, each with a status and the words that say so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from voicemed.assertion import Assertion, Status
from voicemed.lexicon import Concept
from voicemed.transcript import Span, Turn

MAX_EVIDENCE = 8
"""Places in the turns that a finding names at most."""
DOUBTFUL = 0.6
"""Confidence below which a finding is marked as one to check."""


_POINT_IN_TIME = re.compile(r"\bago\b|\bback$|^(?:when|at|in|on|after|during|ever|just)\b")
"""What does not stand after 'since'."""
_FOR_MACHINES = ("_score", "_iso", "_date")
"""Ends of the names of attributes that only repeat another in a form to calculate with."""


class FindingKind(StrEnum):
    """What a finding is about."""

    SYMPTOM = "symptom"
    MEDICATION = "medication"
    ALLERGY = "allergy"
    MEASUREMENT = "measurement"


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A status that a finding took on."""

    status: Status
    turn: int
    "Id of the turn that gave it this status."


@dataclass(frozen=True, slots=True)
class Finding:
    """A symptom (or a drug, an allergy, a measurement), its status and the words that say so."""

    concept: Concept
    assertion: Assertion
    evidence: tuple[Span, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Of a symptom onset, duration, severity, location, side, character, frequency, ...; of a
    medication dose, frequency, ...; of an allergy reaction; of a measurement value and unit."""
    confidence: float = 1.0
    "0 to 1."
    kind: FindingKind = FindingKind.SYMPTOM
    history: tuple[StatusChange, ...] = ()
    "Each status it has had, in order, the present one last; empty where that is not kept."

    @property
    def doubtful(self) -> bool:
        """Whether somebody should check it before relying on it."""
        return self.confidence < DOUBTFUL

    @property
    def since(self) -> str:
        """ "since yesterday", "started three days ago" or "for two weeks"; empty if not said."""
        onset = self.attributes.get("onset", "").strip(" .,;")
        duration = self.attributes.get("duration", "").strip(" .,;")
        if onset.startswith("since"):
            return onset
        if onset:
            return f"started {onset}" if _POINT_IN_TIME.search(onset) else f"since {onset}"
        if duration.startswith(("last", "past")):
            return f"for the {duration}"
        if duration:
            return duration if duration.startswith("for ") else f"for {duration}"
        return ""

    @property
    def details(self) -> str:
        """What was said of it, in one line: 'since yesterday, severe', '500 mg, twice a day'."""
        said = {
            name: value.strip()
            for name, value in self.attributes.items()
            if value.strip() and not name.endswith(_FOR_MACHINES)
        }
        amount = "dose" if "dose" in said else "value"
        if amount in said and "unit" in said:
            said[amount] = f"{said[amount]} {said.pop('unit')}"
        if self.kind is FindingKind.SYMPTOM:
            said.pop("onset" if "onset" in said else "duration", "")
            said = {"since": self.since, **said} if self.since else said
        elif "since" in said:
            said["since"] = f"since {said['since'].removeprefix('since ')}"
        if "frequency" in said:
            said["frequency"] = _in_words(said["frequency"])
        return ", ".join(said.values())


def _in_words(frequency: str) -> str:
    """'twice a day' for '2/d', 'every 2 weeks' for '1/2wk'; what is no such form stays."""
    match = re.fullmatch(r"(\d+(?:-\d+)?)/(\d*)(d|wk|mo)", frequency)
    if match is None:
        return frequency
    times, every = match[1], match[2]
    unit = {"d": "day", "wk": "week", "mo": "month"}[match[3]]
    often = {"1": "once", "2": "twice"}.get(times, f"{times} times")
    if not every:
        return f"{often} a {unit}"
    return f"{'' if times == '1' else f'{often} '}every {every} {unit}s"


class Extractor(Protocol):
    """Understands a consultation turn by turn; one for each encounter."""

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn and return all findings so far, in order of first mention."""
        ...
