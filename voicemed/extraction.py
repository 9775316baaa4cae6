"""Turns -> Findings of every kind: symptoms, measurements, medications and allergies.

One extractor for each kind hears every turn; none knows of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from voicemed.findings import Extractor, Finding
from voicemed.measurements import create_measurements
from voicemed.symptoms import create_symptom_extractor
from voicemed.transcript import Turn


class ConsultationExtractor:
    """An Extractor made of one for each kind of finding."""

    def __init__(self, extractors: Sequence[Extractor]) -> None:
        self._extractors = extractors

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn; all findings so far, kind by kind, each in order of first mention."""
        return tuple(finding for one in self._extractors for finding in one.update(turn))


def create_extractor(visit: date | None = None) -> Extractor:
    """A new extractor for one encounter; what it needs loads once.

    visit: the day of the consultation; without it, onsets ("three days ago") get no date.
    """
    return ConsultationExtractor([create_symptom_extractor(visit), create_measurements()])


def extract(turns: Iterable[Turn], visit: date | None = None) -> tuple[Finding, ...]:
    """Findings of a whole consultation: by construction what the live loop would have shown."""
    extractor = create_extractor(visit)
    findings: tuple[Finding, ...] = ()
    for turn in turns:
        findings = extractor.update(turn)
    return findings
