"""The encounter: live, the one mutable aggregate, owned by the main thread; stored, a record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum

from voicemed.audio import Seconds
from voicemed.findings import Finding
from voicemed.transcript import Turn


@dataclass(slots=True)
class Encounter:
    """One consultation: who said what, and what was found."""

    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    turns: list[Turn] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    "In order of first mention."
    dropped: Counter[str] = field(default_factory=Counter)
    "How many stretches of sound were not written down, by reason."
    language: str = ""
    "ISO 639-1; empty until known."

    def turn(self, turn_id: int) -> Turn:
        """The turn of that id (they count from 1); KeyError if there is none."""
        if not 1 <= turn_id <= len(self.turns):
            raise KeyError(turn_id)
        return self.turns[turn_id - 1]


class EncounterKind(StrEnum):
    """Which command made the record."""

    SESSION = "session"
    DICTATION = "dictation"
    RECORDING = "recording"
    "A file that `voicemed transcribe` was given."


@dataclass(frozen=True, slots=True)
class Patient:
    """Whom the encounter is about, as far as somebody entered it."""

    name: str = ""
    identifier: str = ""
    "The practice's own number."
    birth_date: date | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """That the patient agreed to be recorded, or did not."""

    given: bool
    at: datetime
    by: str
    "Who said so: patient, relative, guardian; or configuration, where the practice asks elsewhere."
    recorded_by: str
    "The clinician, or the user of the operating system."
    clip: tuple[Seconds, Seconds] | None = None
    "Where in the sound it was said, if it was."


@dataclass(frozen=True, slots=True)
class Edit:
    """A correction; what it replaced is kept."""

    at: datetime
    by: str
    what: str
    """The part that was corrected: "turn 3 text", "turn 3 speaker", "finding 2 status", "note",
    "patient name", "patient identifier", "patient birth_date", "consent"."""
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log."""

    number: int
    "From 1, without gaps."
    at: datetime
    who: str
    action: str
    "recorded, opened, edited, exported, deleted, searched, key changed, ..."
    encounter: str
    "Its id; empty for what concerns the store."
    details: str
    "Never what was said, nor a name of a patient."
    digest: str
    "SHA-256 over the digest before and the other fields of this entry, in hexadecimal."
    content: str = ""
    "SHA-256 of all that the store has of the encounter since this; empty if that is as before."


@dataclass(frozen=True, slots=True)
class EncounterRecord:
    """A stored encounter, as it stands after all edits; what exports are made from."""

    id: str
    "UUID."
    kind: EncounterKind
    started_at: datetime
    ended_at: datetime | None
    "None while it is being recorded, or where a crash ended it."
    recovered: bool
    "It ended by a crash; what was captured is here."
    patient: Patient
    clinician: str
    turns: tuple[Turn, ...]
    findings: tuple[Finding, ...]
    note: str
    "Of a dictation, and what the doctor wrote; Markdown."
    consents: tuple[Consent, ...]
    edits: tuple[Edit, ...]
    "Oldest first."
    audit: tuple[AuditEntry, ...]
    "The entries that concern this encounter."
    audio_seconds: Seconds
    "Length of the stored sound; 0 if none is stored (any more)."
    language: str
    model: str
    source: str = ""
    "File name of the recording; empty for a microphone."
    dropped: Mapping[str, int] = field(default_factory=dict)
