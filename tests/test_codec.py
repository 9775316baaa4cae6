"""Dataclasses as JSON: nothing is lost, and what is not one is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed import codec
from voicemed.encounter import Consent, Edit, EncounterKind, Patient
from voicemed.findings import Finding
from voicemed.recorder import Began, Ended
from voicemed.transcript import Turn, Word

numbers = st.floats(allow_nan=False, allow_infinity=False)
words = st.builds(Word, st.text(), numbers, numbers, numbers)
turns = st.builds(Turn, st.integers(), st.text(), st.lists(words, max_size=3).map(tuple))


@given(turns)
def test_a_turn_is_the_same_again(turn: Turn) -> None:
    assert codec.decode(Turn, codec.encode(turn)) == turn


@given(st.from_type(Finding).filter(lambda one: one.confidence == one.confidence))
def test_a_finding_is_the_same_again(finding: Finding) -> None:
    if abs(finding.confidence) == float("inf"):
        return
    again = codec.decode(Finding, codec.encode(finding))
    assert again == finding
    assert type(again.assertion.status) is type(finding.assertion.status)


@pytest.mark.parametrize(
    "value",
    [
        Patient("Zoë 王", "17", date(1950, 12, 31)),
        Consent(True, datetime(2026, 1, 2, 3, tzinfo=UTC), "patient", "Dr Lee", (0.5, 2.25)),
        Edit(datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "me", "note", 'a"b\n', "\ud800"),
        Began(EncounterKind.DICTATION, "", "", Patient(), "", datetime.now(UTC), True),
        Ended(datetime.now(UTC), "m", {"silence": 2}, True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_rest_is_the_same_again(value: object) -> None:
    assert codec.decode(type(value), codec.encode(value)) == value


@dataclass(frozen=True)
class Newer:
    kept: int
    added: Mapping[str, int] = field(default_factory=dict)


def test_fields_come_and_go_with_versions() -> None:
    assert codec.decode(Newer, '{"kept": 1}') == Newer(1)
    assert codec.decode(Newer, '{"kept": 1, "gone": [2]}') == Newer(1)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Newer, "{}"),
        (Newer, "[]"),
        (Newer, '{"kept": true}'),
        (Newer, '{"kept": "1"}'),
        (Newer, '{"kept": 1, "added": [1]}'),
        (tuple[Word, ...], "{}"),
        (tuple[float, float], "[1.0]"),
        (EncounterKind, '"party"'),
        (EncounterKind, "[]"),
        (datetime, "17"),
        (datetime, '"yesterday"'),
        (float, '"1"'),
        (Newer, "not JSON"),
        (Newer, "[" * 100_000),
    ],
)
def test_what_it_did_not_write_is_refused(kind: object, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        codec.decode(kind, text)


def test_what_is_no_number_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        codec.encode(Word("a", float("nan"), 0.0, 1.0))
    assert json.loads(codec.encode(1.0)) == 1.0
