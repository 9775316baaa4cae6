"""Turns -> vital signs and measurements with their values.

    turn -> sentences -> names ('blood pressure') and numbers ('one forty over ninety')
         -> each number goes to the measurement that is named near it, or was just asked after,
            if it is plausible there
         -> readings -> findings

A number that fits nothing, or fits two units, is left alone: nothing is invented. What is measured,
in which units and ranges, is data (voicemed/data/measurements.toml).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from voicemed.assertion import (
    Act,
    Assertion,
    Experiencer,
    Reply,
    Rules,
    Sentence,
    Status,
    load_rules,
    split,
)
from voicemed.findings import MAX_EVIDENCE, Extractor, Finding, FindingKind
from voicemed.lexicon import Concept, Kind, Match, Mention, PhraseMatcher, Token
from voicemed.quantities import Number, numbers, plain, tokens
from voicemed.transcript import Span, Turn

LOINC = "http://loinc.org"
"""FHIR's name for LOINC as a code system."""

_REACH = 8
"""Tokens between a name and its number."""
_AFTER = 2
"""Tokens between a number and a name that follows it: '98 percent oxygen saturation'."""
_SHORT = 12
"""Tokens up to which a sentence with a bare number can answer a question."""
_BARE = 6
"""The same for a number that has no unit and could have several, or is 'one' or 'two'."""
_PRONOUN = 13
"""Below this a whole number may count anything: 'no one', 'the other three'."""
_TOPIC_TURNS = 2
"""Turns for which a measurement that was asked after waits for its value."""
_OPENING_TURNS = 12
"""Turns in which a parent says that the child is the patient."""
_NAMED, _ASKED, _ALONE = 0.9, 0.8, 0.7
"""Confidence, not calibrated: named in the sentence or the question before, or by form only."""
_UNSURE = 0.7
"""Factor where the unit is missing or a decimal point was understood."""


def create_measurements() -> Extractor:
    """A new extractor of measurements for one encounter; the data load once."""
    return MeasurementExtractor(load_catalogue(), load_rules())


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of a measurement."""

    name: str
    low: float
    "The smallest plausible value."
    high: float
    "The largest plausible value."
    loinc: str
    "Code of the measurement in this unit."
    written: str
    "As it stands in the finding; empty for a number without unit."
    parts: str = ""
    "Smaller unit that may follow: pounds after stone."
    part_limit: float = 0.0
    "Below which a number after it counts as such parts."
    factor: float = 1.0
    "To what is written."
    part_factor: float = 0.0
    bare: bool = True
    "Whether it may be left unsaid."

    def holds(self, value: float) -> bool:
        """Whether the value is plausible in this unit."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is measured."""

    name: str
    units: Mapping[str, Unit]
    pair: tuple[tuple[float, float], tuple[float, float]] | None = None
    "Plausible ranges of both numbers of a blood pressure."
    alone: frozenset[str] = frozenset()
    "Units that tell the measurement without its name."
    decimal_pause: bool = False
    "Whether 'thirty eight five' is 38.5."


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A number, a range of numbers ('140 to 150') or a pair ('140 over 90'), with its unit."""

    values: tuple[float, ...]
    "One or two; of a pair those of the first number."
    under: tuple[float, ...]
    "The second number or numbers of a pair."
    first: int
    last: int
    "Its last token, the unit's included."
    units: Mapping[str, tuple[Unit, ...]]
    "What the unit said may be, by the measurement that has it: 'degrees' is °C or °F."
    foreign: bool
    "Counts something else: '10 mg', '3 days'."
    tenths: float = 0.0
    "Said after the number without a 'point' between: 'thirty eight five'."


@dataclass(frozen=True, slots=True)
class _Reading:
    """A value of a measurement."""

    measure: str
    loinc: str
    value: str
    unit: str
    assertion: Assertion
    spans: tuple[Span, ...]
    confidence: float

    @property
    def key(self) -> tuple[str, str, str, Assertion]:
        """What makes two the same."""
        return self.measure, self.value, self.unit, self.assertion

    def finding(self) -> Finding:
        """As a finding."""
        attributes = {"value": self.value} | ({"unit": self.unit} if self.unit else {})
        return Finding(
            Concept(LOINC, self.loinc, self.measure),
            self.assertion,
            self.spans[:MAX_EVIDENCE],
            attributes,
            round(self.confidence, 3),
            FindingKind.MEASUREMENT,
        )


@dataclass(frozen=True, slots=True)
class _Topic:
    """A measurement named without a value."""

    measure: str
    turn: int
    "How many turns had been heard."
    span: Span


class Catalogue:
    """What is measured, and the words for it."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.measures = {
            name: _measure(name, entry) for name, entry in data["measurements"].items()
        }
        "By name."
        entries = data["measurements"].items()
        names = [(name, pattern) for name, entry in entries for pattern in entry["names"]]
        self._names = PhraseMatcher(
            names + [("", pattern) for pattern in data["ignored"]["measurement"]]
        )
        self._blockers = PhraseMatcher(
            (name, pattern) for name, entry in entries for pattern in entry.get("blockers", ())
        )
        self._units = PhraseMatcher(
            ((name, unit), pattern)
            for name, entry in entries
            for unit, about in entry["units"].items()
            for pattern in about.get("said", ())
        )
        self._foreign = PhraseMatcher(("", pattern) for pattern in data["foreign"]["unit"])
        self._labels = PhraseMatcher(("", pattern) for pattern in data["foreign"]["before"])
        self._ignored = PhraseMatcher(("", pattern) for pattern in data["ignored"]["phrase"])
        self._cues = PhraseMatcher(
            (label, pattern) for label, said in data["cues"].items() for pattern in said
        )

    def names(self, sentence: Sequence[Token]) -> list[Match[str]]:
        """The measurements named, in order; where names overlap, the longest.

        The label is empty for one that is not in the catalogue but takes the number beside it.
        """
        ignored = {at for match in self._ignored.find(sentence) for at in match.tokens}
        found = [m for m in self._names.find(sentence) if not ignored & {*m.tokens}]
        kept = []
        for match in found:
            longer = (m for m in found if m.weight > match.weight and {*m.tokens} & {*match.tokens})
            if next(longer, None) is None:
                kept.append(match)
        return kept

    def cues(self, sentence: Sequence[Token]) -> list[tuple[str, int, int]]:
        """Label, first and last token of the words that decide a status."""
        return [(m.label, m.tokens[0], m.tokens[-1]) for m in self._cues.find(sentence)]

    def corrects(self, sentence: Sequence[Token]) -> bool:
        """Whether it begins by taking back what was said."""
        return any(label == "correction" and first == 0 for label, first, _ in self.cues(sentence))

    def asks(self, sentence: Sequence[Token]) -> bool:
        """Whether it ends with a value that is only asked: '... was it above nine'."""
        ends = [first for label, first, _ in self.cues(sentence) if label == "asked"]
        return bool(ends) and len(sentence) - ends[-1] <= _BARE

    def blocks(self, sentence: Sequence[Token]) -> set[str]:
        """Measurements that the sentence does not give: 'I've lost ten pounds' is no weight."""
        return {match.label for match in self._blockers.find(sentence)}

    def quantities(self, sentence: Sequence[Token]) -> list[_Quantity]:
        """The numbers of a sentence with their units, pairs and ranges joined."""
        units: dict[int, dict[str, _SaidUnit]] = {}
        for match in self._units.find(sentence):
            measure, name = match.label
            there = units.setdefault(match.tokens[0], {})
            known = there.get(measure, _SaidUnit((), -1))
            if known.last <= match.tokens[-1]:
                kept = known.units if known.last == match.tokens[-1] else ()
                unit = self.measures[measure].units[name]
                there[measure] = _SaidUnit((*kept, unit), match.tokens[-1])
        foreign = {match.tokens[0] for match in self._foreign.find(sentence)}
        labels = {match.tokens[-1] for match in self._labels.find(sentence)}
        reader = _QuantityReader(sentence, numbers(sentence), units, foreign, labels)
        return list(reader.quantities())


def _measure(name: str, entry: Mapping[str, Any]) -> Measure:
    units = {}
    for unit, about in entry["units"].items():
        rest = {
            key: value for key, value in about.items() if key not in ("range", "said", "written")
        }
        low, high = about["range"]
        units[unit] = Unit(unit, low, high, written=about.get("written", unit), **rest)
    pair = entry.get("pair")
    return Measure(
        name,
        units,
        ((pair[0][0], pair[0][1]), (pair[1][0], pair[1][1])) if pair else None,
        frozenset(entry.get("alone", ())),
        entry.get("decimal_pause", False),
    )


_OVER = frozenset({"over", "by"})
_TO = frozenset({"to", "or"})


@dataclass(frozen=True, slots=True)
class _SaidUnit:
    """A unit of a measurement among the tokens."""

    units: tuple[Unit, ...]
    last: int
    "Its last token."


@dataclass(frozen=True, slots=True)
class _QuantityReader:
    """Joins the numbers of a sentence."""

    sentence: Sequence[Token]
    found: Sequence[Number]
    units: Mapping[int, Mapping[str, _SaidUnit]]
    "By first token and measurement."
    foreign: set[int]
    "First tokens of units that none of the measurements has."
    labels: set[int]
    "Last tokens of words after which a bare number is no value: 'type two', 'I'm 40'."

    def quantities(self) -> Iterator[_Quantity]:
        """In order; each number is in one."""
        at = 0
        while at < len(self.found):
            joined, at = self._compound(at) or self._paused(at) or self._plain(at)
            yield joined

    def _compound(self, at: int) -> tuple[_Quantity, int] | None:
        """'five foot eight', 'twelve stone four pounds', 'one metre seventy five'."""
        number = self.found[at]
        for name, said in self.units.get(number.last + 1, {}).items():
            unit = said.units[0]
            if not unit.parts or at + 1 >= len(self.found):
                continue
            part = self.found[at + 1]
            between = self.sentence[said.last + 1 : part.first]
            if part.value >= unit.part_limit or any(t.text != "and" for t in between):
                continue
            value = number.value + part.value * unit.part_factor / unit.factor
            units = {name: said.units}
            return _Quantity((value,), (), number.first, part.last, units, False), at + 2
        return None

    def _paused(self, at: int) -> tuple[_Quantity, int] | None:
        """'thirty eight five'."""
        if at + 1 >= len(self.found) or not self._adjacent(at):
            return None
        number, digit = self.found[at], self.found[at + 1]
        if number.value < 30 or number.value % 1 or not 0 < digit.value < 10 or digit.value % 1:
            return None
        if digit.last + 1 in self.foreign and digit.last + 1 not in self.units:
            return None
        joined = self._unit(number, digit, (number.value,), ())
        return replace(joined, tenths=digit.value / 10), at + 2

    def _plain(self, at: int) -> tuple[_Quantity, int]:
        first = self.found[at]
        upper, at = self._range(at)
        under: tuple[float, ...] = ()
        if self._linked(at, _OVER):
            under, at = self._range(at)
        return self._unit(first, self.found[at - 1], upper, under), at

    def _unit(
        self, first: Number, last: Number, upper: tuple[float, ...], under: tuple[float, ...]
    ) -> _Quantity:
        said = self.units.get(last.last + 1, {})
        end = max([last.last, *(one.last for one in said.values())])
        units = {name: one.units for name, one in said.items()}
        labelled = first.first - 1 in self.labels and not self.sentence[first.first - 1].mark
        foreign = last.last + 1 in self.foreign or (labelled and not under)
        return _Quantity(upper, under, first.first, end, units, foreign)

    def _range(self, at: int) -> tuple[tuple[float, ...], int]:
        """The values of 'a' or of 'a to b', and the index of the number after them."""
        value = self.found[at].value
        start = self.found[at].first
        between = start > 0 and self.sentence[start - 1].text == "between"
        links = _TO | {"and"} if between else _TO
        if self._linked(at + 1, links) and value < self.found[at + 1].value:
            return (value, self.found[at + 1].value), at + 2
        return (value,), at + 1

    def _linked(self, at: int, words: frozenset[str]) -> bool:
        """Whether only one of the words stands before a number, after the one before it."""
        if not 0 < at < len(self.found):
            return False
        between = self.sentence[self.found[at - 1].last : self.found[at].first]
        return len(between) == 2 and between[1].text in words and not between[0].mark

    def _adjacent(self, at: int) -> bool:
        end = self.found[at].last
        return self.found[at + 1].first == end + 1 and not self.sentence[end].mark


@cache
def load_catalogue() -> Catalogue:
    """The catalogue of the package; loaded once."""
    text = files("voicemed.data").joinpath("measurements.toml").read_text(encoding="utf-8")
    return Catalogue(tomllib.loads(text))


@dataclass(frozen=True, slots=True)
class _Fit:
    """The measurement that a quantity belongs to."""

    measure: Measure
    unit: Unit
    confidence: float
    span: Span | None
    "Where it was named, if elsewhere than beside the quantity."
    first: int
    last: int
    "First and last token of name and quantity."


class MeasurementExtractor:
    """Measurements by names and numbers, across turns. Not safe for use from several threads."""

    def __init__(self, catalogue: Catalogue, rules: Rules) -> None:
        self._catalogue = catalogue
        self._rules = rules
        self._readings: dict[tuple[str, str, str, Assertion], _Reading] = {}
        self._topic: _Topic | None = None
        self._asked: list[_Reading] = []
        self._proxy = False
        self._turns = 0

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn and return all measurements so far, in order of first mention.

        Each value is a finding of its own; its attributes are `value` ('140/90', '38.5', '>39')
        and `unit` (as in UCUM where it is written like the usual sign), which lacks where none is
        known.
        """
        if not turn.to_assistant:
            self._turns += 1
            words = tokens(word.text for word in turn.words)
            for sentence in split(words, self._rules):
                self._hear(sentence, turn)
        return tuple(reading.finding() for reading in self._readings.values())

    def _hear(self, words: Sequence[Token], turn: Turn) -> None:
        sentence = self._rules.read(words, ())
        self._proxy |= self._turns <= _OPENING_TURNS and sentence.has("proxy")
        if self._asked and sentence.reply is not None:
            if sentence.reply is Reply.YES:
                self._note(self._asked)
            self._asked = []
        readings = self._read(sentence, turn)
        if readings and self._catalogue.corrects(words):
            self._take_back(readings[0])
        closed = sentence.act is Act.CLOSED and words[-1].mark != "." and len(words) <= _SHORT
        if sentence.rising or closed or self._catalogue.asks(words):
            self._asked = readings
        else:
            self._note(readings)

    def _take_back(self, correction: _Reading) -> None:
        """Forget the value of the same turn that is now corrected: 'Sorry, 150 over 90.'"""
        for key, known in reversed(self._readings.items()):
            if known.measure == correction.measure:
                if known.spans[0].turn == correction.spans[-1].turn:
                    del self._readings[key]
                return

    def _note(self, readings: Sequence[_Reading]) -> None:
        for reading in readings:
            known = self._readings.get(reading.key)
            if known is None:
                self._readings[reading.key] = reading
                continue
            self._readings[reading.key] = replace(
                known,
                spans=tuple(dict.fromkeys((*known.spans, *reading.spans))),
                confidence=max(known.confidence, reading.confidence),
            )

    def _read(self, sentence: Sentence, turn: Turn) -> list[_Reading]:
        """The values that a sentence gives; a corrected one is left out."""
        names = self._catalogue.names(sentence.tokens)
        cues = self._catalogue.cues(sentence.tokens)
        blocked = self._catalogue.blocks(sentence.tokens)
        found: list[tuple[_Quantity, _Reading]] = []
        used: set[int] = set()
        for quantity in self._catalogue.quantities(sentence.tokens):
            fit = self._fit(quantity, sentence, names, used, blocked)
            if fit is None:
                continue
            used.update(range(fit.first, fit.last + 1))
            start = found[-1][0].last if found else 0
            reading = self._reading(fit, quantity, sentence, cues, start, turn)
            if reading is None:
                continue
            if found and _corrects(found[-1], quantity, reading, cues):
                found.pop()
            found.append((quantity, reading))
        self._follow(names, used, blocked, sentence, turn)
        return [reading for _, reading in found]

    def _follow(
        self,
        names: Sequence[Match[str]],
        used: set[int],
        blocked: set[str],
        sentence: Sentence,
        turn: Turn,
    ) -> None:
        """Remember what was named last without a value; forget what got one."""
        if used or (self._topic and self._topic.measure in blocked):
            self._topic = None
        for name in names:
            if name.label and name.label not in blocked and not used & {*name.tokens}:
                place = sentence.tokens[name.tokens[0]].word, sentence.tokens[name.tokens[-1]].word
                self._topic = _Topic(name.label, self._turns, Span(turn.id, *place))

    def _fit(
        self,
        quantity: _Quantity,
        sentence: Sentence,
        names: Sequence[Match[str]],
        used: set[int],
        blocked: set[str],
    ) -> _Fit | None:
        """The measurement that a quantity belongs to; None if to none for certain."""
        first, last = quantity.first, quantity.last
        for name in _by_distance(names, quantity, used):
            if not name.label:
                return None
            measure = self._catalogue.measures[name.label]
            unit = _unit(measure, quantity)
            if name.label in blocked or unit is None:
                continue
            if not unit.name and not 0 <= first - name.tokens[-1] - 1 <= _AFTER:
                continue
            place = min(first, name.tokens[0]), max(last, name.tokens[-1])
            return _Fit(measure, unit, _NAMED, None, *place)
        if (fit := self._continued(quantity, sentence, blocked)) is not None:
            return fit
        for measure in self._catalogue.measures.values():
            unit = _unit(measure, quantity)
            if unit is None:
                continue
            if quantity.under or (unit.name in measure.alone and measure.name in quantity.units):
                return _Fit(measure, unit, _ALONE, None, first, last)
        return None

    def _continued(self, quantity: _Quantity, sentence: Sentence, blocked: set[str]) -> _Fit | None:
        """The measurement named before, if a quantity can only be its value."""
        topic = self._topic
        if topic is None or topic.measure in blocked:
            return None
        measure = self._catalogue.measures[topic.measure]
        unit = _unit(measure, quantity)
        if unit is None:
            return None
        age, length = self._turns - topic.turn, len(sentence.tokens)
        if quantity.under or measure.name in quantity.units:
            plain = age <= _TOPIC_TURNS
        elif not unit.name or any(one < _PRONOUN and one % 1 == 0 for one in quantity.values):
            plain = age <= 1 and length <= _BARE
        else:
            plain = age <= 1 and length <= _SHORT
        if not plain:
            return None
        return _Fit(measure, unit, _ASKED, topic.span, quantity.first, quantity.last)

    def _reading(
        self,
        fit: _Fit,
        quantity: _Quantity,
        sentence: Sentence,
        cues: Sequence[_Cue],
        start: int,
        turn: Turn,
    ) -> _Reading | None:
        status = _status(quantity, cues, start)
        if status is None:
            return None
        words = sentence.tokens[fit.first : fit.last + 1]
        certainty = sum(turn.words[token.word].probability for token in words) / len(words)
        tenths = fit.measure.decimal_pause and quantity.tenths > 0
        unsure = _UNSURE if tenths or not fit.unit.name else 1.0
        span = Span(turn.id, words[0].word, words[-1].word)
        return _Reading(
            fit.measure.name,
            fit.unit.loinc,
            _bound(quantity, cues) + _written(quantity, fit),
            fit.unit.written,
            Assertion(status, self._experiencer(sentence, fit, cues)),
            (fit.span, span) if fit.span else (span,),
            fit.confidence * unsure * certainty,
        )

    def _experiencer(self, sentence: Sentence, fit: _Fit, cues: Sequence[_Cue]) -> Experiencer:
        if self._proxy and sentence.has("child"):
            return Experiencer.PATIENT
        if any(cue == "other" and last < fit.last for cue, _, last in cues):
            return Experiencer.OTHER
        concept = Concept(LOINC, "", fit.measure.name)
        place = tuple(range(fit.first, fit.last + 1))
        return sentence.experiencer(Mention(concept, Kind.SYMPTOM, place, len(place)))


def _unit(measure: Measure, quantity: _Quantity) -> Unit | None:
    """The unit in which a quantity is a plausible value; None if there is none.

    A value that is plausible in two units, neither of which was said, has a unit without name.
    """
    units = list(measure.units.values())
    if measure.pair is not None or quantity.under:
        return units[0] if measure.pair and _is_pair(measure.pair, quantity) else None
    said = quantity.units.get(measure.name, ())
    if not said and (quantity.foreign or quantity.units):
        return None
    values = [_value(quantity, measure, value) for value in quantity.values]
    fitting = [
        unit
        for unit in units
        if (unit in said or (unit.bare and not said)) and all(map(unit.holds, values))
    ]
    if len(fitting) > 1:
        return replace(fitting[0], name="", written="", factor=1.0)
    return fitting[0] if fitting else None


def _is_pair(pair: tuple[tuple[float, float], tuple[float, float]], quantity: _Quantity) -> bool:
    """Whether a quantity is a plausible blood pressure."""
    if not quantity.under or (quantity.foreign and not quantity.units):
        return False
    (low, high), (low_under, high_under) = pair
    plausible = all(low <= value <= high for value in quantity.values)
    plausible = plausible and all(low_under <= value <= high_under for value in quantity.under)
    return plausible and max(quantity.under) < min(quantity.values)


def _value(quantity: _Quantity, measure: Measure, value: float) -> float:
    return value + quantity.tenths if measure.decimal_pause else value


def _by_distance(
    names: Sequence[Match[str]], quantity: _Quantity, used: set[int]
) -> list[Match[str]]:
    """Names that may go with a quantity: those before it, nearest first, then those after it."""
    before = [
        name
        for name in reversed(names)
        if 0 <= quantity.first - name.tokens[-1] - 1 <= _REACH
        and not _crossed(name, quantity, used)
    ]
    after = [
        name
        for name in names
        if 0 <= name.tokens[0] - quantity.last - 1 <= _AFTER and not used & {*name.tokens}
    ]
    return before + after


def _crossed(name: Match[str], quantity: _Quantity, used: set[int]) -> bool:
    """Whether the name already has its value, unless this is the next of several."""
    if not used & {*name.tokens}:
        return False
    return quantity.first - max(at for at in used if at < quantity.first) - 1 > _AFTER + 2


_Cue = tuple[str, int, int]
"""Label, first and last token."""
_STATUS_REACH = 10
"""Tokens before a value within which a cue decides its status."""
_PAST_REACH = 6
"""Tokens after a value within which it is said to be old: '150 over 90 last month'."""
_CONDITION_REACH = 4
"""Tokens after a value within which an 'if' makes it a condition: 'above 30, if you have'."""
_NEGATION_REACH = 4
_CORRECTION_REACH = 5


def _status(quantity: _Quantity, cues: Sequence[_Cue], start: int) -> Status | None:
    """By the nearest cue before a value, not before token `start`; None if it is denied."""
    before = [
        (last, -first, label)
        for label, first, last in cues
        if max(start, quantity.first - _STATUS_REACH) <= first and last < quantity.first
    ]
    denied = (label == "negation" and last for last, _, label in before)
    if any(last and quantity.first - last <= _NEGATION_REACH for last in denied):
        return None
    decisive = [one for one in before if one[2] in ("hypothetical", "past", "present")]
    label = max(decisive)[2] if decisive else ""
    then = range(quantity.last + 1, quantity.last + 1 + _CONDITION_REACH)
    if label == "hypothetical" or any(
        label == "condition" and first in then for label, first, _ in cues
    ):
        return Status.HYPOTHETICAL
    after = range(quantity.last + 1, quantity.last + 1 + _PAST_REACH)
    told_late = any(label == "past" and first in after for label, first, _ in cues)
    if label == "past" or (told_late and label != "present"):
        return Status.PAST
    return Status.PRESENT


def _bound(quantity: _Quantity, cues: Sequence[_Cue]) -> str:
    """'>' or '<' if a value is only a limit: 'over 39'."""
    adjacent = {label for label, _, last in cues if last == quantity.first - 1}
    return ">" if "above" in adjacent else "<" if "below" in adjacent else ""


def _written(quantity: _Quantity, fit: _Fit) -> str:
    """The value in the unit that is written: '140/90', '38-39', '172.7'."""
    factor = fit.unit.factor
    values = [_value(quantity, fit.measure, value) * factor for value in quantity.values]
    over = [plain(value) for value in quantity.under]
    digits = 1 if factor != 1 else 3
    upper = "-".join(plain(round(value, digits)) for value in values)
    return f"{upper}/{'-'.join(over)}" if over else upper


def _corrects(
    earlier: tuple[_Quantity, _Reading],
    quantity: _Quantity,
    reading: _Reading,
    cues: Sequence[_Cue],
) -> bool:
    """'140 over 90, no, sorry, 150 over 90'."""
    between = range(earlier[0].last + 1, quantity.first)
    return (
        earlier[1].measure == reading.measure
        and len(between) <= _CORRECTION_REACH
        and any(label == "correction" and first in between for label, first, _ in cues)
    )
