"""Stored encounters: one to look at, one of each sample, and arbitrary ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

from hypothesis import strategies as st

from voicemed.assertion import Assertion, Experiencer, Status
from voicemed.encounter import (
    AuditEntry,
    Consent,
    Edit,
    EncounterKind,
    EncounterRecord,
    Patient,
)
from voicemed.findings import Finding, FindingKind, StatusChange
from voicemed.lexicon import Concept, load_lexicon
from voicemed.transcript import Span, Turn, Word
from voicemed.transcript_reader import words_of

HPO, LOINC = "http://purl.obolibrary.org/obo/hp.owl", "http://loinc.org"
MEDICINE, ALLERGY = "urn:voicemed:medicine", "urn:voicemed:allergy"
BEGAN = datetime(2026, 5, 1, 9, 30, tzinfo=timezone(timedelta(hours=2)))
ID = "0b1f8a5e-7a7f-4d2c-9b53-3f8a4f2f9c11"

RECORD = EncounterRecord(
    id=ID,
    kind=EncounterKind.SESSION,
    started_at=BEGAN,
    ended_at=BEGAN + timedelta(minutes=12),
    recovered=False,
    patient=Patient(),
    clinician="",
    turns=(),
    findings=(),
    note="",
    consents=(),
    edits=(),
    audit=(),
    audio_seconds=0.0,
    language="en",
    model="whisper-base",
)
"Nothing was said."


def finding(
    concept: Concept,
    status: Status = Status.PRESENT,
    kind: FindingKind = FindingKind.SYMPTOM,
    *,
    other: bool = False,
    confidence: float = 0.9,
    **attributes: str,
) -> Finding:
    """A finding whose evidence is the first word of turn 2."""
    whose = Experiencer.OTHER if other else Experiencer.PATIENT
    said = (Span(2, 0, 0),)
    return Finding(concept, Assertion(status, whose), said, attributes, confidence, kind)


FEVER = Concept(HPO, "HP:0001945", "fever", "R50.9", "发热")
COUGH = Concept(HPO, "HP:0012735", "cough", "R05.9", "咳嗽")
PENICILLIN = Concept(ALLERGY, "penicillin", "penicillin allergy")
RAMIPRIL = Concept(MEDICINE, "ramipril", "ramipril")
PRESSURE = Concept(LOINC, "85354-9", "blood pressure")
TEMPERATURE = Concept(LOINC, "8310-5", "body temperature")

FULL = replace(
    RECORD,
    patient=Patient("Zoë Łukasz 王小明", "P-77", date(1980, 2, 29)),
    clinician="Dr Chen",
    turns=(
        Turn(1, "doctor", words_of("Any fever or cough?")),
        Turn(2, "patient", words_of("No fever; my father coughs <b>| & ^~\\ 我咳嗽三天了 😀")),
        Turn(3, "doctor", words_of("Assistant, repeat that."), to_assistant=True),
    ),
    findings=(
        finding(FEVER, Status.ABSENT),
        finding(COUGH, onset="three days ago", onset_date="2026-04-28", severity="bad"),
        finding(replace(COUGH, code="c3", display="numbness"), Status.UNCERTAIN),
        finding(replace(COUGH, code="c4", display="migraine"), Status.PAST),
        finding(replace(COUGH, code="c5", display="rash"), Status.HYPOTHETICAL),
        finding(replace(COUGH, code="c6", display="headache"), confidence=0.5),
        finding(COUGH, other=True),
        finding(FEVER, Status.ABSENT, other=True),
        finding(RAMIPRIL, kind=FindingKind.MEDICATION, dose="5", unit="mg", frequency="2/d"),
        finding(replace(RAMIPRIL, code="ibuprofen"), Status.ABSENT, FindingKind.MEDICATION),
        finding(replace(RAMIPRIL, code="amoxicillin"), Status.HYPOTHETICAL, FindingKind.MEDICATION),
        finding(PENICILLIN, kind=FindingKind.ALLERGY, reaction="rash"),
        finding(replace(PENICILLIN, code="latex"), Status.ABSENT, FindingKind.ALLERGY),
        finding(PRESSURE, kind=FindingKind.MEASUREMENT, value="140/90", unit="mmHg"),
        finding(TEMPERATURE, kind=FindingKind.MEASUREMENT, value=">39", unit="°C"),
        finding(TEMPERATURE, Status.PAST, FindingKind.MEASUREMENT, value="38", unit="°C"),
    ),
    note="# Plan\n\n- rest\n- fluids",
    consents=(Consent(True, BEGAN, "patient", "Dr Chen", (1.0, 3.5)),),
    edits=(
        Edit(BEGAN + timedelta(hours=1), "Dr Chen", "finding 2 status", "absent", "present"),
        Edit(BEGAN + timedelta(hours=2), "Dr Ito", "turn 2 text", "no fewer", "No fever"),
    ),
    audit=(AuditEntry(4, BEGAN, "os user ann (Dr Chen)", "opened", ID, "", "ab" * 32),),
    audio_seconds=720.0,
    dropped={"noise": 3},
)
"Every kind of finding, and every status."


def of_sample(path: Path) -> EncounterRecord:
    """The record that an audio sample should give: its transcript and its expected findings."""
    concepts = load_lexicon().concepts
    lines = path.with_suffix(".txt").read_text("utf-8").splitlines()
    turns = tuple(Turn(number, "", words_of(line)) for number, line in enumerate(lines, 1))
    expected = path.with_suffix(".findings.jsonl").read_text("utf-8")
    rows = map(json.loads, expected.splitlines())
    findings = tuple(
        Finding(
            concepts[row["symptom"]],
            Assertion(Status(row["status"]), Experiencer(row["experiencer"])),
            tuple(Span(line, 0, len(turns[line - 1].words) - 1) for line in row["evidence"]),
            row.get("attrs", {}),
        )
        for row in rows
    )
    return replace(RECORD, turns=turns, findings=findings, source=path.name)


# --- arbitrary records ---------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
"Of all characters: also controls and surrogates."
_TIME = st.datetimes(
    datetime(2000, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)
_WORDS = st.lists(
    st.builds(Word, TEXT, st.floats(0, 9), st.floats(0, 9), st.floats(0, 1)), max_size=4
).map(tuple)
_VALUES = st.one_of(
    TEXT, st.sampled_from("140/90 38.5 >39 38-39 39-38 140-150/90 / 2/d 4-6/d 1/2wk 5 mg".split())
)
_NAMES = (
    "onset", "onset_date", "duration", "severity", "side", "location", "dose", "unit",
    "frequency", "route", "reason", "reaction", "value",
)  # fmt: skip
_ATTRIBUTES = st.dictionaries(
    st.sampled_from(_NAMES),
    _VALUES | st.sampled_from(["2026-02", "2026-02-30", "mmHg", "°C", "mg", "as needed"]),
    max_size=5,
)
_SPANS = st.lists(st.builds(Span, st.integers(0, 4), st.integers(-1, 5), st.integers(-1, 5)))


@st.composite
def _findings(draw: st.DrawFn) -> tuple[Finding, ...]:
    """Findings of which no two have the same code."""
    systems = {
        FindingKind.SYMPTOM: HPO,
        FindingKind.MEDICATION: MEDICINE,
        FindingKind.ALLERGY: ALLERGY,
        FindingKind.MEASUREMENT: LOINC,
    }
    kinds: Sequence[FindingKind] = draw(st.lists(st.sampled_from(FindingKind), max_size=6))
    return tuple(
        Finding(
            Concept(
                systems[kind],
                draw(st.sampled_from([f"c{number}", f"{number} c"])),
                draw(TEXT),
                draw(st.sampled_from(["", "R05.9"])),
                draw(TEXT),
            ),
            Assertion(draw(st.sampled_from(Status)), draw(st.sampled_from(Experiencer))),
            tuple(draw(_SPANS)),
            draw(_ATTRIBUTES),
            draw(st.floats(0, 1)),
            kind,
            tuple(draw(st.lists(st.builds(StatusChange, st.sampled_from(Status), st.just(1))))),
        )
        for number, kind in enumerate(kinds)
    )


_WHAT = (
    st.sampled_from(
        ["turn 1 text", "turn 9 speaker", "finding 1 status", "note", "patient name", "consent"]
    )
    | TEXT
)
_AUDIT = st.builds(
    AuditEntry, st.integers(1, 9), _TIME, TEXT, TEXT, st.just(ID), TEXT, st.just("00" * 32)
)


def _numbered(turns: Sequence[tuple[str, tuple[Word, ...], bool]]) -> tuple[Turn, ...]:
    return tuple(Turn(number, *turn) for number, turn in enumerate(turns, 1))


RECORDS = st.builds(
    EncounterRecord,
    id=st.uuids().map(str),
    kind=st.sampled_from(EncounterKind),
    started_at=_TIME,
    ended_at=st.none() | _TIME,
    recovered=st.booleans(),
    patient=st.builds(Patient, TEXT, TEXT, st.none() | st.dates(date(1900, 1, 1))),
    clinician=TEXT,
    turns=st.lists(st.tuples(TEXT, _WORDS, st.booleans()), max_size=3).map(_numbered),
    findings=_findings(),
    note=TEXT,
    consents=st.lists(
        st.builds(
            Consent,
            st.booleans(),
            _TIME,
            st.just("patient") | TEXT,
            TEXT,
            st.none() | st.tuples(st.floats(0, 9), st.floats(0, 9)),
        ),
        max_size=2,
    ).map(tuple),
    edits=st.lists(st.builds(Edit, _TIME, TEXT, _WHAT, TEXT, TEXT), max_size=3).map(tuple),
    audit=st.lists(_AUDIT, max_size=2, unique_by=lambda entry: entry.number).map(tuple),
    audio_seconds=st.floats(0, 9000),
    language=st.sampled_from(["", "en", "zh"]),
    model=TEXT,
    source=TEXT,
    dropped=st.dictionaries(TEXT, st.integers(1, 9), max_size=2),
)
