"""Turns -> Findings of every kind: symptoms, measurements, medications and allergies.

One extractor for each kind hears every turn; none knows of the others. There is a set of them for
each language; which one hears a consultation is given, or shows in what is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from voicemed.chinese import Scripts
from voicemed.classifier import ClassifyingExtractor, load_heads, shipped_heads
from voicemed.encoder import load_encoder
from voicemed.findings import Extractor, Finding
from voicemed.measurements import create_measurements
from voicemed.medications import create_medications
from voicemed.symptoms import create_symptom_extractor
from voicemed.symptoms_zh import create_chinese_symptom_extractor
from voicemed.transcript import Turn

_CHINESE = frozenset({"zh", "yue", "cmn"})
"""Codes of languages written in Chinese; whatever else is given is taken for English."""


class ConsultationExtractor:
    """An Extractor made of one for each kind of finding."""

    def __init__(self, extractors: Sequence[Extractor]) -> None:
        self._extractors = extractors

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn; all findings so far, kind by kind, each in order of first mention."""
        return tuple(finding for one in self._extractors for finding in one.update(turn))


class DetectingExtractor:
    """An Extractor for a consultation whose language only shows as it goes on.

    It is decided anew after each turn by the script of all that was said; when the decision
    changes, the turns so far are heard again in the other language. So the findings after any turn
    are those of an extractor that had known the language from the first.
    """

    def __init__(self, heads: str = "", visit: date | None = None) -> None:
        """heads, visit: see `create_extractor`."""
        self._turns: list[Turn] = []
        self._scripts = Scripts()
        self._chinese = False
        self._heads, self._visit = heads, visit
        self._extractor = _create(heads, visit, chinese=False)

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn and return all findings so far, in order of first mention."""
        self._turns.append(turn)
        if not turn.to_assistant:
            self._scripts.add(turn.text)
        if self._scripts.chinese is self._chinese:
            return self._extractor.update(turn)
        self._chinese = self._scripts.chinese
        self._extractor = _create(self._heads, self._visit, chinese=self._chinese)
        return _heard(self._extractor, self._turns)


def create_extractor(
    language: str = "auto", heads: str = "", visit: date | None = None
) -> Extractor:
    """A new extractor for one encounter; what it needs loads once.

    language: ISO 639 code of what is spoken, or auto to tell it by the script of what is said.
    heads: file of a trained classifier (classifier.py); empty for the shipped one.
    visit: the day of the consultation; without it, onsets ("three days ago") get no date.

    Raises ModelMissing or ModelDamaged for the sentence encoder or the heads.
    """
    if language == "auto":
        return DetectingExtractor(heads, visit)
    return _create(heads, visit, chinese=language in _CHINESE)


def extract(
    turns: Iterable[Turn], language: str = "auto", heads: str = "", visit: date | None = None
) -> tuple[Finding, ...]:
    """Findings of a whole consultation: by construction what the live loop would have shown."""
    return _heard(create_extractor(language, heads, visit), turns)


def _create(heads: str, visit: date | None, *, chinese: bool) -> Extractor:
    if chinese:
        return ConsultationExtractor([create_chinese_symptom_extractor()])
    classifier = load_heads(Path(heads).expanduser()) if heads else shipped_heads()
    symptoms = ClassifyingExtractor(create_symptom_extractor(visit), classifier, load_encoder())
    return ConsultationExtractor([symptoms, create_medications(), create_measurements()])


def _heard(extractor: Extractor, turns: Iterable[Turn]) -> tuple[Finding, ...]:
    findings: tuple[Finding, ...] = ()
    for turn in turns:
        findings = extractor.update(turn)
    return findings
