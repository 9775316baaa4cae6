"""The encounter: the one mutable aggregate, owned by the main thread."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

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
