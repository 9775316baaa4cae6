"""What is said about a symptom, in the words of one sentence."""

from __future__ import annotations

import pytest

from voicemed.attributes import load_attributes
from voicemed.lexicon import tokenize


def read(text: str, asked: str = "") -> dict[str, str]:
    found = load_attributes().read(tokenize(text.split()), asked)
    return {one.name: one.value for one in found}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It started two days ago.", {"onset": "two days ago"}),
        ("I've had it since yesterday.", {"onset": "yesterday"}),
        ("for the last three weeks", {"duration": "three weeks"}),
        ("It's a seven out of ten.", {"severity": "seven out of ten"}),
        ("a severe, sharp pain", {"severity": "severe", "character": "sharp"}),
        ("on the left", {"side": "left"}),
        ("it comes and goes", {"frequency": "comes and goes"}),
        ("it's getting worse", {"trend": "getting worse"}),
        ("right now I feel fine", {}),
        ("Three days.", {}),
    ],
)
def test_read(text: str, expected: dict[str, str]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize("asked", ["onset", "duration"])
def test_bare_time_answers_the_question(asked: str) -> None:
    assert read("Three days.", asked) == {asked: "three days"}


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("When did it start?", "onset"),
        ("How long have you had it?", "duration"),
        ("How long have you been smoking?", ""),
        ("Any fever?", ""),
    ],
)
def test_asked(question: str, name: str) -> None:
    assert load_attributes().asked(tokenize(question.split())) == name


def test_distance_to_a_mention() -> None:
    (found,) = load_attributes().read(tokenize("a cough and severe chest pain".split()))
    assert found.distance(1, 1) == 2
    assert found.distance(4, 5) == 1
    assert found.distance(0, 5) == 0
