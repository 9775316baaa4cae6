"""Turns -> Findings of every kind: symptoms, measurements, medications and allergies.

One extractor for each kind hears every turn; none knows of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from voicemed.findings import Extractor, Finding
from voicemed.measurements import create_measurements
from voicemed.medications import create_medications
from voicemed.symptoms import create_symptom_extractor
from voicemed.transcript import Turn


class ConsultationExtractor:
    """An Extractor made of one for each kind of finding."""

    def __init__(self, extractors: Sequence[Extractor]) -> None:
        self._extractors = extractors

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn; all findings so far, kind by kind, each in order of first mention."""
        return tuple(finding for one in self._extractors for finding in one.update(turn))


def create_extractor() -> Extractor:
    """A new extractor for one encounter; what it needs loads once."""
    return ConsultationExtractor(
        [create_symptom_extractor(), create_measurements(), create_medications()]
    )


def extract(turns: Iterable[Turn]) -> tuple[Finding, ...]:
    """Findings of a whole consultation: by construction what the live loop would have shown."""
    extractor = create_extractor()
    findings: tuple[Finding, ...] = ()
    for turn in turns:
        findings = extractor.update(turn)
    return findings
