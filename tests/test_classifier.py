"""The trained heads, and what becomes of the rules' findings under them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed.assertion import Assertion, Experiencer, Status
from voicemed.classifier import (
    CLASSES,
    Candidate,
    ClassifyingExtractor,
    Heads,
    Piece,
    features,
    load_heads,
)
from voicemed.encoder import Vector
from voicemed.errors import ModelDamaged
from voicemed.findings import Finding
from voicemed.lexicon import load_lexicon
from voicemed.transcript import Span, Turn

FEVER = load_lexicon().concepts["fever"]
TURN = Turn(1, "patient", ())


def piece(status: str, *signs: str, turn: int = 1) -> Piece:
    return Piece(status, "stated", frozenset(signs), f"{status} said", (Span(turn, 0, 0),))


def candidate(*pieces: Piece, decisive: int | None = 0) -> Candidate:
    return Candidate(FEVER, pieces, None if decisive is None else pieces[decisive])


def heads(weights: Mapping[str, tuple[float, float, float]], threshold: float = 0.5) -> Heads:
    """Heads that know these signs only; weights are those of present, absent, neither."""
    matrix = np.zeros((3, len(weights) + 2), np.float32)
    for column, row in enumerate(weights.values()):
        matrix[:, column] = row
    names = {name: column for column, name in enumerate(weights)}
    return Heads(names, matrix, np.zeros(3, np.float32), threshold, {"seed": "7"})


def meaning(_text: str) -> Vector:
    return np.array([1.0, 0.0], np.float32)


class Rules:
    """A CandidateSource with one candidate and what the rules make of it."""

    def __init__(self, one: Candidate, *found: Finding) -> None:
        self.one, self.found = one, found

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        return self.found

    def candidates(self) -> list[Candidate]:
        return [self.one]


def finding(status: Status, who: Experiencer = Experiencer.PATIENT) -> Finding:
    return Finding(FEVER, Assertion(status, who), (Span(1, 0, 0),), {"since": "Monday"}, 0.9)


def judged(rules: Rules, weights: Mapping[str, tuple[float, float, float]]) -> list[str]:
    """Statuses of the findings; of other people's with their experiencer."""
    found = ClassifyingExtractor(rules, heads(weights), meaning).update(TURN)
    other = Experiencer.OTHER
    return [
        f"{one.assertion.status}{'/other' if one.assertion.experiencer is other else ''}"
        for one in found
    ]


SURE, DENIED, DOUBTED, REFUSED = (5, 0, 0), (0, 5, 0), (0, 0, 0.8), (0, 0, 5)


@pytest.mark.parametrize(
    ("rule", "weights", "expected"),
    [
        (Status.PRESENT, SURE, ["present"]),
        (Status.PRESENT, DENIED, ["absent"]),
        (Status.PRESENT, DOUBTED, ["uncertain"]),
        (Status.PRESENT, REFUSED, []),
        (Status.UNCERTAIN, SURE, ["uncertain"]),
        (Status.UNCERTAIN, DENIED, ["uncertain"]),
        (Status.HYPOTHETICAL, REFUSED, ["hypothetical"]),
        (Status.UNCERTAIN, REFUSED, ["uncertain"]),
        (Status.PAST, REFUSED, ["past"]),
    ],
)
def test_what_becomes_of_a_finding(
    rule: Status, weights: tuple[float, float, float], expected: list[str]
) -> None:
    one = candidate(piece(rule.value))
    assert judged(Rules(one, finding(rule)), {f"rule {rule}": weights}) == expected


@pytest.mark.parametrize(
    ("beside", "expected"), [("present", "present"), ("past", "uncertain"), ("other", "uncertain")]
)
def test_beside_another_time_or_person_it_must_be_likelier_than_not(
    beside: str, expected: str
) -> None:
    one = candidate(piece("present"), piece(beside))
    likely = heads({"rule present": (0.6, 0, 0)}, threshold=0.45)  # 0.48
    rules = Rules(one, finding(Status.PRESENT))
    found = ClassifyingExtractor(rules, likely, meaning).update(TURN)
    assert [one.assertion.status for one in found] == [expected]


def test_a_symptom_is_judged_again_when_what_was_said_turns_out_past() -> None:
    rules = Rules(candidate(piece("present")), finding(Status.PRESENT))
    extractor = ClassifyingExtractor(rules, heads({"rule present": SURE}), meaning)
    assert [one.assertion.status for one in extractor.update(TURN)] == [Status.PRESENT]
    rules.one = candidate(piece("past"), decisive=None)
    rules.found = (finding(Status.PAST),)
    assert [one.assertion.status for one in extractor.update(TURN)] == [Status.PAST]


@pytest.mark.parametrize("said", ["hypothetical", "asked", "past"])
def test_what_nobody_stated_or_answered_is_no_finding(said: str) -> None:
    found = () if said == "asked" else (finding(Status(said)),)
    rules = Rules(candidate(piece(said), decisive=None), *found)
    assert judged(rules, {"rule none": SURE}) == [one.assertion.status for one in found]


def test_another_persons_finding_stays_theirs() -> None:
    one = candidate(piece("other"), decisive=None)
    rules = Rules(one, finding(Status.PRESENT, Experiencer.OTHER))
    assert judged(rules, {"rule none": REFUSED}) == ["present/other"]


def test_another_status_rests_on_what_speaks_for_it() -> None:
    one = candidate(piece("present", turn=2), piece("absent", turn=9))
    extractor = ClassifyingExtractor(
        Rules(one, finding(Status.PRESENT)), heads({"rule present": DENIED}), meaning
    )
    (found,) = extractor.update(TURN)
    assert [span.turn for span in found.evidence] == [9]
    assert found.attributes == {}  # 'since Monday' is not said of what is absent


def test_new_evidence_is_judged_anew() -> None:
    rules = Rules(candidate(piece("present", "vague")), finding(Status.PRESENT))
    extractor = ClassifyingExtractor(
        rules, heads({"present: vague": REFUSED, "present: plain": (9, 0, 0)}), meaning
    )
    assert extractor.update(TURN) == ()
    rules.one = candidate(piece("present", "vague"), piece("present", "plain"))
    assert [one.assertion.status for one in extractor.update(TURN)] == [Status.PRESENT]


def test_the_statuses_that_were_shown_are_kept() -> None:
    rules = Rules(candidate(piece("present", "vague")), finding(Status.PRESENT))
    extractor = ClassifyingExtractor(
        rules, heads({"present: vague": DENIED, "present: plain": (9, 0, 0)}), meaning
    )
    extractor.update(TURN)
    extractor.update(Turn(2, "patient", ()))
    rules.one = candidate(piece("present", "vague"), piece("present", "plain"))
    (found,) = extractor.update(Turn(3, "patient", ()))
    assert [(one.status.value, one.turn) for one in found.history] == [
        ("absent", 1),
        ("present", 3),
    ]


statuses = st.sampled_from(["present", "absent", "uncertain", "past", "hypothetical", "other"])


@given(st.lists(statuses, min_size=1, max_size=6))
def test_probabilities_add_up_whatever_was_said(said: list[str]) -> None:
    one = candidate(*map(piece, said))
    likely = heads(dict.fromkeys(features(one), (1, 2, 3))).probabilities(one, meaning(""))
    assert sum(likely.values()) == pytest.approx(1.0)
    assert set(likely) == set(CLASSES)


def test_heads_come_back_as_they_were_saved(tmp_path: Path) -> None:
    saved = heads({"rule present": SURE, "rule absent": DENIED}, threshold=0.4)
    saved.save(tmp_path / "a.safetensors")
    back = load_heads(tmp_path / "a.safetensors")
    assert (back.names, back.threshold, back.about) == (saved.names, 0.4, {"seed": "7"})
    assert np.array_equal(back.weights, saved.weights)
    replace(saved).save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize("content", [b"", b"not safetensors", b"\x80\x04pickle" * 10])
def test_another_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "heads.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelDamaged, match="no symptom heads"):
        load_heads(path)


def test_heads_of_another_shape_are_refused(tmp_path: Path) -> None:
    wrong = heads({"rule present": SURE})
    replace(wrong, bias=np.zeros(2, np.float32)).save(tmp_path / "heads.safetensors")
    with pytest.raises(ModelDamaged, match="another shape"):
        load_heads(tmp_path / "heads.safetensors")
