"""The figures of the extractor: scores, traps, intervals, calibration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed.annotations import Annotated, Row
from voicemed.assertion import Assertion, Experiencer, Status
from voicemed.evaluate import (
    Outcome,
    Score,
    calibration_error,
    compare,
    interval,
    observe,
    reliability,
    total,
)
from voicemed.findings import Finding, FindingKind
from voicemed.lexicon import Concept, load_lexicon
from voicemed.transcript import Span, Turn

ROWS = (
    Row("fever", "absent", "patient", frozenset({4})),
    Row("cough", "present", "patient", frozenset({2})),
    Row("nausea", "hypothetical", "patient", frozenset({9})),
    Row("rash", "present", "other", frozenset({7})),
    Row("fatigue", "uncertain", "patient", frozenset({8})),
)


def found(
    symptom: str,
    status: str,
    *,
    turn: int = 1,
    confidence: float = 0.9,
    experiencer: str = "patient",
    kind: str = "symptom",
) -> Finding:
    concept = load_lexicon().concepts.get(symptom, Concept("x", "y", symptom))
    assertion = Assertion(Status(status), Experiencer(experiencer))
    evidence = (Span(turn, 0, 0),)
    return Finding(concept, assertion, evidence, {}, confidence, FindingKind(kind))


class Says:
    """An extractor that finds what it was told to."""

    def __init__(self, *findings: Finding) -> None:
        self._findings = findings

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        return self._findings


def outcome(*findings: Finding, rows: tuple[Row, ...] = ROWS) -> Outcome:
    return observe(Annotated("a/b", (Turn(1, "patient", ()),), rows), Says(*findings))


def test_only_the_patients_present_and_absent_symptoms_count() -> None:
    one = outcome(
        found("fever", "absent"),
        found("cough", "absent"),
        found("nausea", "present"),
        found("rash", "present", experiencer="other"),
        found("fatigue", "uncertain"),
        found("amoxicillin", "present", kind="medication"),
    )
    assert one.score() == Score(right=1, predicted=3, annotated=2)
    assert one.score("absent") == Score(1, 2, 1)
    assert one.score("present") == Score(0, 1, 1)
    assert one.traps() == Score(1, 2, 2)


def test_evidence_hits_where_it_names_an_annotated_utterance() -> None:
    one = outcome(found("fever", "absent", turn=4), found("cough", "present", turn=3))
    assert one.evidence() == Score(1, 2, 2)


def test_scores_add_up_and_nothing_is_perfect() -> None:
    score = total([Score(1, 2, 2), Score(2, 2, 3)])
    assert (score.precision, score.recall) == (3 / 4, 3 / 5)
    assert score.f1 == pytest.approx(2 / 3)
    assert Score(0, 0, 0).f1 == Score(0, 0, 0).precision == 1.0


def test_better_heads_are_told_from_the_same_ones() -> None:
    good = [outcome(found("fever", "absent"), found("cough", "present"))] * 12
    bad = [outcome(found("fever", "present"))] * 12
    assert compare(good, bad).verdict == "better"
    assert compare(bad, good).verdict == "worse"
    assert compare(good, good).verdict == "no clear difference"
    assert interval(good) == (1.0, 1.0)


def test_one_consultation_of_many_is_no_proof() -> None:
    good, bad = outcome(found("fever", "absent")), outcome(found("fever", "present"))
    assert compare([good] * 11 + [good], [good] * 11 + [bad]).verdict == "no clear difference"


def test_calibration_error_on_an_example() -> None:
    said = [(0.95, True)] * 9 + [(0.95, False)] + [(0.55, True)] * 5 + [(0.55, False)] * 5
    assert calibration_error(said) == pytest.approx(0.05)
    assert [(one.count, one.accuracy) for one in reliability(said)] == [(10, 0.5), (10, 0.9)]
    assert calibration_error([]) == 0.0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans())))
def test_every_judgement_is_in_one_bin(said: list[tuple[float, bool]]) -> None:
    assert sum(one.count for one in reliability(said)) == len(said)
    assert 0 <= calibration_error(said) <= 1
