"""Durations and dates as they are said, in ISO 8601."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed.times import date_of, duration

VISIT = date(2026, 3, 10)
"A Tuesday."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("three days", "P3D"),
        ("about six weeks", "P6W"),
        ("a couple of days", "P2D"),
        ("the last couple of years", "P2Y"),
        ("half an hour", "PT30M"),
        ("an hour and a half", "PT1H30M"),
        ("1.5 hours", "PT1H30M"),
        ("two and a half weeks", "P2.5W"),
        ("a year and a half", "P1Y6M"),
        ("a fortnight", "P2W"),
        ("twenty to thirty seconds", "PT20S"),
        ("3-4 days", "P3D"),
        ("a day or two", "P1D"),
        ("all day", "P1D"),
        ("a few days", ""),
        ("ages", ""),
        ("years", ""),
        ("last week", ""),
        ("five thousand years", ""),
        ("half 0 sec", ""),
        ("", ""),
    ],
)
def test_duration(text: str, expected: str) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("three days ago", "2026-03-07"),
        ("yesterday morning", "2026-03-09"),
        ("last night", "2026-03-09"),
        ("the day before yesterday", "2026-03-08"),
        ("this morning", "2026-03-10"),
        ("a couple of hours ago", "2026-03-10"),
        ("24 hours ago", "2026-03-09"),
        ("two weeks ago", "2026-02-24"),
        ("since monday", "2026-03-09"),
        ("on tuesday", "2026-03-03"),
        ("last friday", "2026-03-06"),
        ("monday last week", "2026-03-02"),
        ("the 5th of march", "2026-03-05"),
        ("march 11th", "2025-03-11"),
        ("christmas", "2025-12-25"),
        ("two months ago", "2026-01"),
        ("last month", "2026-02"),
        ("in april", "2025-04"),
        ("march 2024", "2024-03"),
        ("last year", "2025"),
        ("three years ago", "2023"),
        ("since 2019", "2019"),
        ("three or four days ago", "2026-03"),  # either day
        ("a few days ago", "2026-03"),
        ("the weekend", "2026-03"),
        ("last monday", ""),  # yesterday, or a week before
        ("a few months ago", ""),  # this year or the last
        ("12 hours ago", ""),  # today or yesterday
        ("30th of february", ""),
        ("it may be", ""),
        ("ages ago", ""),
        ("childhood", ""),
        ("the year 0 and 3000 years ago", ""),
    ],
)
def test_date(text: str, expected: str) -> None:
    assert date_of(text, VISIT) == expected


def test_a_range_over_two_years_has_no_date() -> None:
    assert date_of("three or four days ago", date(2026, 1, 4)) == ""
    assert date_of("three or four days ago", date(2026, 3, 5)) == "2026-03"
    assert date_of("four or five days ago", date(2026, 3, 5)) == "2026"  # 28 February or 1 March


WORDS = st.sampled_from(
    "a an half and or to two three 12 1.5 3-4 31st 2019 couple few of day days week months year "
    "hours ago last this since in on monday may march february yesterday night christmas decade "
    "the weekend thousand point five 0 99999999999 0.5 first second".split()
)
TEXTS = st.one_of(st.text(max_size=30), st.lists(WORDS, max_size=8).map(" ".join))
ISO_DURATION = re.compile(
    r"P(?=\d|T)(\d+(\.\d+)?Y)?(\d+(\.\d+)?M)?(\d+(\.\d+)?W)?(\d+(\.\d+)?D)?"
    r"(T(?=\d)(\d+(\.\d+)?H)?(\d+(\.\d+)?M)?(\d+(\.\d+)?S)?)?"
)


@given(TEXTS)
def test_durations_are_valid_or_none(text: str) -> None:
    found = duration(text)
    assert found == "" or ISO_DURATION.fullmatch(found)


@given(TEXTS, st.dates())
def test_dates_are_valid_and_not_after_the_visit(text: str, visit: date) -> None:
    found = date_of(text, visit)
    if found:
        assert re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", found)
        assert date.fromisoformat((found + "-01-01")[:10]) <= visit
