"""Corrections: what was recorded stays as it was, the edits are applied when it is read.

Those of turns and findings are of one version of the transcript; those of the note, of who the
patient is and of the consent hold whatever the transcript is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from difflib import SequenceMatcher

from voicemed.assertion import Status
from voicemed.encounter import Consent, Edit, Patient
from voicemed.errors import StoreError
from voicemed.findings import Finding, StatusChange
from voicemed.transcript import Span, Turn, Word

NOTE = "note"
CONSENT = "consent"
PATIENT = ("patient name", "patient identifier", "patient birth_date")
ENTERED = frozenset((CONSENT, *PATIENT))
"What nobody heard: to correct it does not say that anybody checked what was heard."
_OF_ALL_VERSIONS = ENTERED | {NOTE}


@dataclass(frozen=True, slots=True)
class Content:
    """What can be corrected of an encounter."""

    turns: tuple[Turn, ...]
    findings: tuple[Finding, ...]
    note: str
    patient: Patient = field(default_factory=Patient)
    consents: tuple[Consent, ...] = ()


def of_all_versions(what: str) -> bool:
    """Whether an edit holds also when the transcript was made again."""
    return what in _OF_ALL_VERSIONS


def consent_text(given: bool, by: str) -> str:
    """The text that stands for a consent in an edit."""
    return f"{'given' if given else 'refused'} by {by}"


def value(content: Content, what: str) -> str:
    """What stands there now, `what` as in Edit; raises StoreError for what is not there."""
    if what == NOTE:
        return content.note
    if what == CONSENT:
        return consent_text(last.given, last.by) if (last := _last(content.consents)) else ""
    if what in PATIENT:
        return patient_texts(content.patient)[what]
    kind, number, part = what.split()
    if kind == "turn":
        turn = next((one for one in content.turns if one.id == int(number)), None)
        if turn is None:
            raise StoreError(f"turn {number}: there is none of that number in this encounter")
        return turn.text if part == "text" else turn.speaker
    if not 1 <= int(number) <= len(content.findings):
        raise StoreError(f"finding {number}: there is none of that number in this encounter")
    return str(content.findings[int(number) - 1].assertion.status)


def patient_texts(patient: Patient) -> dict[str, str]:
    """What can be corrected of who somebody is, by the name of the edit."""
    born = patient.birth_date.isoformat() if patient.birth_date else ""
    return dict(zip(PATIENT, (patient.name, patient.identifier, born), strict=True))


def place(content: Content, what: str) -> tuple[Turn | None, Finding | None]:
    """The turn or the finding that an edit is of."""
    kind, number, _ = what.split()
    if kind == "turn":
        return next((one for one in content.turns if one.id == int(number)), None), None
    return None, content.findings[int(number) - 1]


def applied(content: Content, edits: Iterable[Edit]) -> Content:
    """The content after the edits, oldest first."""
    for edit in edits:
        content = _applied(content, edit)
    return content


def _applied(content: Content, edit: Edit) -> Content:
    what, after = edit.what, edit.after
    if what == NOTE:
        return replace(content, note=after)
    if what == CONSENT:
        return replace(content, consents=(*content.consents, _consent(edit)))
    if what in PATIENT:
        texts = patient_texts(content.patient) | {what: after}
        name, identifier, born = (texts[one] for one in PATIENT)
        birth_date = date.fromisoformat(born) if born else None
        return replace(content, patient=Patient(name, identifier, birth_date))
    kind, number, part = what.split()
    if kind == "finding":
        return _with_status(content, int(number) - 1, Status(after))
    turns = list(content.turns)
    index = next(i for i, one in enumerate(turns) if one.id == int(number))
    if part == "speaker":
        turns[index] = replace(turns[index], speaker=after)
        return replace(content, turns=tuple(turns))
    turns[index], places = reworded(turns[index], after)
    findings = tuple(_moved(finding, int(number), places) for finding in content.findings)
    return replace(content, turns=tuple(turns), findings=findings)


def _last(consents: Sequence[Consent]) -> Consent | None:
    return consents[-1] if consents else None


def _consent(edit: Edit) -> Consent:
    """One that was recorded later; those before stay."""
    given, _, by = edit.after.partition(" by ")
    return Consent(given == "given", edit.at, by, edit.by)


def _with_status(content: Content, index: int, status: Status) -> Content:
    """A doctor who corrects a finding is sure of it."""
    findings = list(content.findings)
    old = findings[index]
    history = old.history
    if history:
        history = (*history, StatusChange(status, history[-1].turn))
    assertion = replace(old.assertion, status=status)
    findings[index] = replace(old, assertion=assertion, confidence=1.0, history=history)
    return replace(content, findings=tuple(findings))


def reworded(turn: Turn, text: str) -> tuple[Turn, list[tuple[int, int]]]:
    """A turn with another text, and for each old word which new ones stand in its place [from, to).

    Words that stay keep their times; new ones share the time of those that they replace.
    """
    texts = re.findall(r"\s*\S+", text)
    texts[:1] = [f" {first.strip()}" for first in texts[:1]]
    old = [_plain(word.text) for word in turn.words]
    matcher = SequenceMatcher(None, old, [_plain(one) for one in texts], autojunk=False)
    words: list[Word] = []
    places: list[tuple[int, int]] = []
    for tag, i, j, start, end in matcher.get_opcodes():
        if tag == "equal":
            pairs = zip(turn.words[i:j], texts[start:end], strict=True)
            words += [replace(word, text=new) for word, new in pairs]
            places += [(start + n, start + n + 1) for n in range(j - i)]
        else:
            words += _spread(texts[start:end], *_time(turn.words, i, j))
            places += [(start, end)] * (j - i)
    return replace(turn, words=tuple(words)), places


def _plain(text: str) -> str:
    return text.strip().casefold()


def _time(words: Sequence[Word], first: int, end: int) -> tuple[float, float]:
    """From where to where words reach; for none, the gap in which they would stand."""
    if first < end:
        return words[first].start, words[end - 1].end
    before = words[first - 1].end if first else (words[0].start if words else 0.0)
    after = words[first].start if first < len(words) else before
    return before, max(before, after)


def _spread(texts: Sequence[str], start: float, end: float) -> list[Word]:
    step = (end - start) / max(1, len(texts))
    return [
        Word(one_word, start + i * step, start + (i + 1) * step, 1.0)
        for i, one_word in enumerate(texts)
    ]


def _moved(finding: Finding, turn: int, places: Sequence[tuple[int, int]]) -> Finding:
    """A finding whose evidence follows the words of that turn; what is gone is no evidence."""
    evidence = []
    for span in finding.evidence:
        if span.turn != turn:
            evidence.append(span)
            continue
        covered = places[span.first : span.last + 1]
        first, end = min(p[0] for p in covered), max(p[1] for p in covered)
        if first < end:
            evidence.append(Span(turn, first, end - 1))
    return replace(finding, evidence=tuple(evidence))


def within(findings: Iterable[Finding], turns: Iterable[Turn]) -> tuple[Finding, ...]:
    """Findings without evidence that points at words which are not there: a turn may be lost."""
    lengths: Mapping[int, int] = {turn.id: len(turn.words) for turn in turns}
    return tuple(
        replace(finding, evidence=tuple(s for s in finding.evidence if _is_in(s, lengths)))
        for finding in findings
    )


def _is_in(span: Span, lengths: Mapping[int, int]) -> bool:
    return 0 <= span.first <= span.last < lengths.get(span.turn, 0)
