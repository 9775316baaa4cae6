"""Numbers and units as they are said: 'one forty over ninety', '38.5', 'five hundred milligrams'.

    words of a turn --tokens--> tokens with whole numbers --numbers--> values with their places

`lexicon.tokenize` takes '38.5' and '140/90' apart and drops the second half of '5.5' as a stammer;
`tokens` first writes such words so that nothing of them is lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from voicemed.lexicon import Token, tokenize

_POINT = "point"
_UNITS = {
    word: value
    for value, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    )
}
_TEENS = {
    word: value
    for value, word in enumerate(
        [
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ],
        start=10,
    )
}
_TENS = {
    word: value * 10
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
_PLURALS = frozenset({f"{ten[:-1]}ies" for ten in _TENS} | {"hundreds", "thousands", "tens"})
_NOUGHTS = frozenset({"oh", "o", "zero", "nought"})
_DIGITS = frozenset(_UNITS) | frozenset(map(str, range(10)))
_COUNTED = frozenset("time day week month year hour minute tablet pill puff".split())
"""After a number, the dot before it ended a sentence: '... seven . two weeks ago'."""
_NUMERAL = re.compile(rf"\d+(?:{_POINT}\d+)?")


def _undotted(match: re.Match[str]) -> str:
    return match.group().replace(".", "")


_REWRITES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"^((?:[a-z]\.){2,})[a-z]?\.?(?=\W*$)"), _undotted),
    (re.compile(r"(?<=\d),(?=\d{3}(?!\d))"), ""),
    (re.compile(r"(?<=\d)[.·](?=\d)"), _POINT),
    (re.compile(r"(?<![\d])[.·](?=\d)"), f"0{_POINT}"),
    (re.compile(r"^/$|(?<=\d)\s*/\s*(?=\d)"), " over "),
    (re.compile(r"(?<=\d)\s*[-–]\s*(?=\d)"), " to "),
    (re.compile(r"(?<=\d)'(?=\d)"), " foot "),
    (re.compile(r"(?<=\d)(?:''|\")"), " inches "),
    (re.compile(r"%"), " percent "),
    (re.compile(r"°"), " degrees "),
    (
        re.compile(r"(?<![a-z\d])(\d+(?:point\d+)?)(?!point\d|(?:s|st|nd|rd|th)\b)(?=[a-zµ])"),
        r"\1 ",
    ),
    (re.compile(r"µg\b"), "mcg"),
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number among tokens."""

    value: float
    first: int
    "Index of its first token."
    last: int
    "Index of its last token, included."
    joined: bool = False
    "Said without its 'hundred' ('one forty'), so that it may be two numbers (1 and 40)."


def tokens(words: Iterable[str]) -> list[Token]:
    """As `lexicon.tokenize`, but a number keeps its decimals, and signs between numbers are words.

    '140/90' gives 140 over 90; '38.5°C' gives 38point5 degrees c; '500mg' gives 500 mg;
    'seven . four' gives seven point four.
    """
    return tokenize(_pointed([_readable(word) for word in words]))


def _pointed(words: Sequence[str]) -> list[str]:
    """With a 'point' for each dot that stands alone between numbers: 'seven . four'."""
    pointed = list(words)
    for at in range(1, len(words) - 1):
        before, after = words[at - 1], words[at + 1]
        counted = words[at + 2 : at + 3] and words[at + 2].rstrip("s") in _COUNTED
        if words[at] == "." and _is_number(before) and after in _DIGITS and not counted:
            pointed[at] = _POINT
    return pointed


def _is_number(word: str) -> bool:
    return word.isdecimal() or word in _UNITS or word in _TEENS or word in _TENS


def _readable(word: str) -> str:
    text = word.lower().replace("’", "'").replace("”", '"').replace("μ", "µ").strip()
    for pattern, rewrite in _REWRITES:
        text = pattern.sub(rewrite, text)
    return text


def said(tokens: Sequence[Token]) -> str:
    """The words of tokens as one string, in lower case, with decimal points."""
    return " ".join(re.sub(rf"(?<=\d){_POINT}(?=\d)", ".", token.text) for token in tokens)


def plain(value: float) -> str:
    """A number as it is written: '38.5', '500'."""
    return f"{round(value, 3):g}" if value < 1e6 else str(int(value))


def numbers(tokens: Sequence[Token]) -> list[Number]:
    """All numbers in digits or words, in order; no two overlap.

    A number does not cross punctuation. 'a hundred and two' is 102, 'one forty' 140 (`joined`),
    'thirty eight point five' and 'thirty eight and a half' 38.5; 'nineteen ninety' is two numbers.
    'the one twenties' and 'three to four hundreds' are none.
    """
    found: list[Number] = []
    at = 0
    while at < len(tokens):
        number = _Reader(tokens, at).number()
        if number is None:
            at += 1
            continue
        at = number.last + 1
        if at < len(tokens) and tokens[at].text in _PLURALS and not tokens[at - 1].mark:
            to = found and found[-1].last == number.first - 2
            if to and tokens[number.first - 1].text in ("to", "or"):
                found.pop()
            continue
        found.append(number)
    return found


class _Reader:
    """Reads one number from a place on."""

    def __init__(self, tokens: Sequence[Token], start: int) -> None:
        self._tokens = tokens
        self._start = self._at = start
        self._joined = False

    def number(self) -> Number | None:
        """The number that begins at the start; None if none does."""
        value = self._numeral()
        if value is None:
            value = self._whole()
        if value is None and not (self._next() == _POINT and self._digit(1) is not None):
            return None
        value = (value or 0.0) + self._fraction()
        return Number(value, self._start, self._at - 1, self._joined)

    def _next(self, ahead: int = 0) -> str:
        """A token's text; empty past the end, or where punctuation comes before it."""
        at = self._at + ahead
        between = self._tokens[max(self._at - 1, self._start) : at] if at > self._start else ()
        if at >= len(self._tokens) or any(token.mark for token in between):
            return ""
        return self._tokens[at].text

    def _numeral(self) -> float | None:
        text = self._next()
        if not _NUMERAL.fullmatch(text):
            return None
        self._at += 1
        value = float(text.replace(_POINT, "."))
        if self._next() in ("hundred", "thousand"):
            value *= 100 if self._next() == "hundred" else 1000
            self._at += 1
        return value

    def _whole(self) -> float | None:
        value = self._below_thousand()
        if value is not None and self._next() == "thousand":
            self._at += 1
            if self._next() == "and" and self._small(1):
                self._at += 1
            value = value * 1000 + (self._below_thousand() or 0)
        return value

    def _below_thousand(self) -> float | None:
        if self._next() == "a" and self._next(1) in ("hundred", "thousand"):
            self._at += 1
            value: float | None = 1
        elif self._next() == "hundred":
            value = 1
        else:
            digit = _UNITS.get(self._next())
            value = self._below_hundred()
            if value is not None and value == digit and digit:
                rest = self._rest_of_hundred()
                if rest is not None:
                    self._joined = True
                    return digit * 100 + rest
        if value is not None and self._next() == "hundred":
            self._at += 1
            if self._next() == "and" and self._small(1):
                self._at += 1
            value = value * 100 + (self._below_hundred() or 0)
        return value

    def _rest_of_hundred(self) -> float | None:
        """'forty', 'eighteen' or 'oh five' after a digit."""
        if self._next() in _NOUGHTS and self._digit(1):
            self._at += 2
            return float(_UNITS[self._next(-1)])
        if self._next() in _TENS or self._next() in _TEENS:
            return self._below_hundred()
        return None

    def _below_hundred(self) -> float | None:
        text = self._next()
        if text in _TENS:
            self._at += 1
            digit = self._digit()
            if digit:
                self._at += 1
            return float(_TENS[text] + (digit or 0))
        value = _UNITS.get(text, _TEENS.get(text))
        if value is not None:
            self._at += 1
            return float(value)
        return None

    def _small(self, ahead: int) -> bool:
        text = self._next(ahead)
        return text in _UNITS or text in _TEENS or text in _TENS

    def _digit(self, ahead: int = 0) -> int | None:
        text = self._next(ahead)
        return 0 if text in _NOUGHTS else _UNITS.get(text)

    def _fraction(self) -> float:
        """'point two five', 'and a half'."""
        if [self._next(ahead) for ahead in range(3)] == ["and", "a", "half"]:
            self._at += 3
            return 0.5
        if self._next() != _POINT:
            return 0.0
        digits, ahead = "", 1
        while (digit := self._decimal(ahead)) is not None:
            digits, ahead = digits + digit, ahead + 1
        if not digits:
            return 0.0
        self._at += ahead
        return float(f"0.{digits}")

    def _decimal(self, ahead: int) -> str | None:
        text = self._next(ahead)
        digit = self._digit(ahead)
        if digit is not None:
            return str(digit)
        return text if ahead == 1 and text.isdecimal() else None
