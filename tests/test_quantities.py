"""Numbers as doctors and patients say them, and as recognisers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from voicemed.quantities import numbers, plain, said, tokens


def values(text: str) -> list[float]:
    return [number.value for number in numbers(tokens(text.split()))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("five hundred milligrams", [500]),
        ("a hundred and two", [102]),
        ("one hundred and twenty five", [125]),
        ("one forty over ninety", [140, 90]),
        ("one twenty eight over seventy two", [128, 72]),
        ("one oh five", [105]),
        ("140/90", [140, 90]),
        ("140 / 90", [140, 90]),
        ("thirty eight point five", [38.5]),
        ("38.5", [38.5]),
        ("38·5", [38.5]),
        ("thirty eight and a half", [38.5]),
        ("two point oh five", [2.05]),
        ("ninety eight . six", [98.6]),
        ("it was seven . two weeks ago", [7, 2]),
        ("1,000 units", [1000]),
        ("two thousand five hundred", [2500]),
        ("500mg", [500]),
        ("5'8\"", [5, 8]),
        ("3-4 times", [3, 4]),
        ("nineteen ninety", [19, 90]),
        ("the one twenties", []),
        ("three to four hundreds", []),
        ("no numbers here", []),
        ("the 3rd of May", []),
    ],
)
def test_reads_numbers(text: str, expected: list[float]) -> None:
    assert values(text) == expected


def test_a_number_does_not_cross_punctuation() -> None:
    assert values("Twenty. Five") == [20, 5]
    assert values("one, forty") == [1, 40]


def test_keeps_what_the_tokenizer_would_drop() -> None:
    assert said(tokens("it is 5.5 percent".split())) == "it is 5.5 percent"


def test_places_point_at_the_tokens() -> None:
    words = tokens("take five hundred of it".split())
    (number,) = numbers(words)
    assert [token.text for token in words[number.first : number.last + 1]] == ["five", "hundred"]


@given(st.integers(0, 9999))
def test_words_and_digits_mean_the_same(value: int) -> None:
    spoken = num2words(value).replace("-", " ").replace(",", "")
    assert values(spoken) == [value] == values(str(value))


@given(st.integers(0, 999), st.integers(1, 99))
def test_decimals_survive(whole: int, part: int) -> None:
    written = f"{whole}.{part:02}"
    assert values(written) == [pytest.approx(float(written))]
    assert plain(values(written)[0]) == f"{float(written):g}"


@given(st.lists(st.sampled_from("one forty over and point a hundred . 3 38.5 o twenty ,".split())))
def test_never_fails_and_never_overlaps(words: list[str]) -> None:
    found = numbers(tokens(words))
    places = [at for number in found for at in range(number.first, number.last + 1)]
    assert places == sorted(set(places))
    assert all(number.value >= 0 for number in found)
