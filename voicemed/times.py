"""Durations and dates as they are said, in ISO 8601: 'half an hour', 'three weeks ago', 'in March'.

    'two or three days' --duration--> 'P2D'
    'since last month'  --date_of---> '2026-02' (visit on 2026-03-10)

Nothing is made more exact than the words are. Of a duration between two numbers the lower one
counts. A date is as precise as the words allow: where they leave more than one day, it is the
month, or the year, that holds all of them; where they leave more than one year, there is none.
Weeks count as seven days to the day ('two weeks ago'), months and years only to the month or year.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import MINYEAR, date, timedelta

from voicemed.lexicon import Token
from voicemed.quantities import numbers, plain, tokens

_UNITS = {
    "second": "S", "sec": "S", "minut": "M", "minute": "M", "min": "M", "hour": "H", "hr": "H",
    "hrs": "H", "day": "D", "night": "D", "week": "W", "wk": "W", "wks": "W", "fortnight": "W",
    "month": "MO", "year": "Y", "yr": "Y", "yrs": "Y", "decad": "Y", "decade": "Y",
}  # fmt: skip
"""The unit of each stem; M is a minute and MO a month."""
_TIMES = {"fortnight": 2.0, "decad": 10.0, "decade": 10.0}
_HALVES = {"H": (30, "M"), "M": (30, "S"), "D": (12, "H"), "Y": (6, "MO")}
"""What half a unit is in the next smaller one."""
_VAGUE = {"few": (2.0, 7.0), "several": (2.0, 9.0)}
"""How many at least and at most, of words that give a date only where it is coarse anyway."""
_ONE = frozenset({"a", "an", "per", "the"})
_PAIR = frozenset({"couple", "pair"})
_GLUE = frozenset(
    {"of", "or", "to", "and", "maybe", "good", "last", "past", "about", "even", "more"}
)
_DAYS = {name.lower(): at for at, name in enumerate(calendar.day_name)}
_MONTHS = {name.lower(): at for at, name in enumerate(calendar.month_name) if name}
_ORDINALS = {
    word: day
    for day, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
        "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth "
        "twentieth".split(),
        start=1,
    )
}
_FEAST_DAYS = {"christmas": (12, 25), "xmas": (12, 25), "boxing": (12, 26), "halloween": (10, 31)}
_MOST = {"S": 1e6, "M": 1e5, "H": 1e4, "D": 4000, "W": 600, "MO": 1200, "Y": 120}
"""More than this of a unit is a mistake."""


@dataclass(frozen=True, slots=True)
class _Amount:
    """So many of a unit, at least and at most."""

    least: float
    most: float
    unit: str
    vague: bool
    first: int
    "Index of its first token."
    last: int
    "Index of the unit's token."


def duration(text: str) -> str:
    """The first length of time in a text as an ISO 8601 duration; empty where none is exact enough.

    'three days' is P3D, 'half an hour' PT30M, 'two and a half weeks' P2.5W, 'three or four days'
    P3D (the lower); 'a few days' and 'ages' are none.
    """
    said = _words(text)
    for amount in _amounts(said):
        if not amount.vague:
            return _iso(amount.least, amount.unit)
    texts = " ".join(token.text for token in said)
    return "P1D" if re.search(r"\b(all|whole) day\b", texts) else ""


def date_of(text: str, visit: date) -> str:
    """The day, month or year that a text names, seen from the day of the visit; else empty.

    'three days ago' and 'last night' give a day, 'in March' and 'two months ago' a month,
    'last year' and 'since 2019' a year. A length of time counts as that long before the visit. A
    bare weekday or month is the last one before the visit; 'last Friday' is none where it could
    also be the Friday of this week.
    """
    said = _words(text)
    try:
        for earliest, latest in (*_calendar(said, visit), *_ago(said, visit)):
            return _shortest(earliest, min(latest, visit)) if earliest <= visit else ""
    except (OverflowError, ValueError):  # a day that no calendar has
        return ""
    return ""


def _words(text: str) -> list[Token]:
    return [*tokens(re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text.lower()).split())]


def _iso(count: float, unit: str) -> str:
    whole, half = int(count), count % 1 == 0.5
    if half and unit in _HALVES:
        smaller, name = _HALVES[unit]
        parts = [(float(whole), unit), (float(smaller), name)]
    else:
        parts = [(count, unit)]
    days = "".join(f"{plain(n)}{u[0]}" for n, u in parts if u in ("Y", "MO", "W", "D") and n)
    clock = "".join(f"{plain(n)}{u}" for n, u in parts if u in ("H", "M", "S") and n)
    return f"P{days}" + (f"T{clock}" if clock else "")


def _amounts(said: Sequence[Token]) -> Iterator[_Amount]:
    """The lengths of time in a text, in order."""
    found = {number.first: number for number in numbers(said)}
    counts: list[tuple[float, float, bool]] = []
    at = start = 0
    while at < len(said):
        token = said[at]
        unit = _UNITS.get(token.stem, "")
        if at in found:
            start = start if counts else at
            counts.append((found[at].value, found[at].value, False))
            at = found[at].last
        elif token.text in _PAIR or token.text in _VAGUE:
            start = start if counts else at
            counts.append((*_VAGUE.get(token.text, (2.0, 2.0)), token.text in _VAGUE))
        elif token.text == "half":
            added = [one.text for one in said[max(at - 2, 0) : at]] == ["and", "a"]
            if added and counts:
                least, most, vague = counts.pop()
                counts.append((least + 0.5, most + 0.5, vague))
            elif not added:
                start = start if counts else at
                counts.append((0.5, 0.5, False))
        elif unit:
            amount = _amount(said, at, unit, counts, start)
            if amount is not None:
                yield amount
            counts = []
        elif token.text not in _GLUE | _ONE:
            counts = []
        at += 1


def _amount(
    said: Sequence[Token], at: int, unit: str, counts: list[tuple[float, float, bool]], start: int
) -> _Amount | None:
    """The length that ends with the unit at a place; None where nothing says how many."""
    least = min((low for low, _, _ in counts), default=0.0)
    most = max((high for _, high, _ in counts), default=0.0)
    vague = any(vague for *_, vague in counts)
    if not counts:
        if said[at - 1].text not in ("a", "an") or at == 0:
            return None
        least, most, start = 1.0, 1.0, at - 1
    after = [token.text for token in said[at + 1 : at + 4]]
    last = at
    if after == ["and", "a", "half"]:
        least, most, last = least + 0.5, most + 0.5, at + 3
    elif after[:2] == ["or", "two"] and least == most == 1:
        most, last = 2.0, at + 2  # 'a day or two'
    times = _TIMES.get(said[at].stem, 1.0)
    least, most = least * times, most * times
    return (
        _Amount(least, most, unit, vague, start, last)
        if least > 0 and most <= _MOST[unit]
        else None
    )


def _ago(said: Sequence[Token], visit: date) -> Iterator[tuple[date, date]]:
    """The days, first and last, on which something so long ago may have been."""
    for amount in _amounts(said):
        if amount.unit in ("S", "M", "H"):
            hours = {"S": 1 / 3600, "M": 1 / 60, "H": 1.0}[amount.unit]
            nearest, farthest = amount.least * hours, amount.most * hours
            if nearest % 24 == 0 and farthest % 24 == 0:
                yield visit - timedelta(farthest / 24), visit - timedelta(nearest / 24)
            elif farthest <= 4:  # in a surgery's hours that is today
                yield visit, visit
        elif amount.unit in ("D", "W"):
            days = 7 if amount.unit == "W" else 1
            yield visit - timedelta(amount.most * days), visit - timedelta(amount.least * days)
        else:
            months = 12 if amount.unit == "Y" else 1
            first, last = (
                _months_before(visit, int(count * months)) for count in (amount.most, amount.least)
            )
            if amount.unit == "Y" and amount.least >= 1:
                first, last = first.replace(month=1), last.replace(month=12)
            yield first.replace(day=1), _month_end(last)


def _calendar(said: Sequence[Token], visit: date) -> Iterator[tuple[date, date]]:
    """The days, first and last, that a name of the calendar may mean."""
    texts = [token.text for token in said]
    joined = f" {' '.join(texts)} "
    if any(month in texts for month in _MONTHS):
        yield from _in_month(texts, visit)
        return
    for names, back in _RELATIVE:
        if any(f" {name} " in joined for name in names):
            yield visit - timedelta(back), visit - timedelta(back)
            return
    monday = visit - timedelta(visit.weekday())
    for at, text in enumerate(texts):
        before = texts[at - 1] if at else ""
        plural = text.removesuffix("s")
        if text in _DAYS and before not in ("a", "every", "next", "by", "until"):
            yield from _weekday(texts, at, visit)
        elif plural in _DAYS:
            return
        elif text == "week" and before in ("last", "this"):
            start = monday - timedelta(7 if before == "last" else 0)
            yield start, start + timedelta(6)
        elif text == "weekend" and before != "every":
            saturday = monday - timedelta(2)
            yield (saturday, saturday + timedelta(1)) if visit.weekday() < 5 else (
                saturday, monday + timedelta(6)
            )  # fmt: skip
        elif text == "month" and before in ("last", "this"):
            start = _months_before(visit, 1 if before == "last" else 0).replace(day=1)
            yield start, _month_end(start)
        elif text == "year" and before in ("last", "this"):
            year = visit.year - (before == "last")
            yield date(year, 1, 1), date(year, 12, 31)
        elif text in _FEAST_DAYS:
            month, day = _FEAST_DAYS[text]
            feast = date(visit.year, month, day)
            feast = feast if feast <= visit else feast.replace(year=visit.year - 1)
            yield feast, feast
        elif re.fullmatch(r"(19|20)\d\d", text) and before in (
            "in",
            "since",
            "of",
            "from",
            "around",
        ):
            yield date(int(text), 1, 1), date(int(text), 12, 31)


_RELATIVE = (
    (("day before yesterday",), 2),
    (("yesterday", "last night", "last evening", "overnight"), 1),
    (("today", "this morning", "this afternoon", "this evening", "tonight", "just now"), 0),
)
"""How many days before the visit; the first that is named counts."""


def _weekday(texts: Sequence[str], at: int, visit: date) -> Iterator[tuple[date, date]]:
    """The last such day before the visit; none where 'last Friday' may be of either week."""
    back = (visit.weekday() - _DAYS[texts[at]] - 1) % 7 + 1
    before = texts[at - 1] if at else ""
    this_week = back <= visit.weekday()
    previous = texts[at + 1 : at + 3] == ["last", "week"] or texts[max(at - 2, 0) : at] == [
        "last",
        "week",
    ]
    if previous:
        back += 7 if this_week else 0
    elif (before == "last" and this_week) or (before == "this" and not this_week):
        return
    if "ago" in texts[at:] or "before" in texts[at:]:
        return
    yield visit - timedelta(back), visit - timedelta(back)


def _in_month(texts: Sequence[str], visit: date) -> Iterator[tuple[date, date]]:
    """A month that is named, with its year and its day where these are."""
    at = next(at for at, text in enumerate(texts) if text in _MONTHS)
    month = _MONTHS[texts[at]]
    near = [*texts[max(at - 3, 0) : at], *texts[at + 1 : at + 4]]
    year = next((int(text) for text in near if re.fullmatch(r"(19|20)\d\d", text)), 0)
    if any(text.rstrip("s") in _UNITS for text in near):
        near = []  # 'in March 3 years ago'
    introduced = {*texts[max(at - 1, 0) : at]} & _BEFORE_A_MONTH
    named = len(texts) == 1 or year or any(map(_day, near)) or introduced
    if texts[at] in ("may", "march") and not named:
        return
    if not year:
        before = month > visit.month or (month == visit.month and texts[at - 1 : at] == ["last"])
        year = visit.year - before
    day = next(filter(None, map(_day, near)), 0)
    if day:
        exact = date(year, month, day)
        if exact > visit and str(year) not in texts:
            exact = date(year - 1, month, day)
        yield exact, exact
    else:
        yield date(year, month, 1), _month_end(date(year, month, 1))


_BEFORE_A_MONTH = frozenset(
    ["in", "since", "of", "last", "early", "late", "mid", "around", "from", "during", "this"]
)


def _day(text: str) -> int:
    found = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?", text)
    return int(found[1]) if found else _ORDINALS.get(text, 0)


def _months_before(day: date, months: int) -> date:
    total = day.year * 12 + day.month - 1 - months
    if total < MINYEAR * 12:
        raise OverflowError
    year, month = divmod(total, 12)
    return date(year, month + 1, 1)


def _month_end(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _shortest(earliest: date, latest: date) -> str:
    """The shortest ISO date that holds both; empty where not even a year does."""
    if earliest == latest:
        return earliest.isoformat()
    if (earliest.year, earliest.month) == (latest.year, latest.month):
        return earliest.isoformat()[:7]
    return earliest.isoformat()[:4] if earliest.year == latest.year else ""
