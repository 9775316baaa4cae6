"""Turns -> medicines taken, stopped, denied or planned, and allergies.

    turn -> sentences -> names of drugs and kinds of drugs ('the ramipril', 'water tablets')
         -> where an allergy is spoken of, names of what one is allergic to
         -> the nearest cue gives each name its status; what was asked after waits for the reply
         -> dose, frequency, route, reason and reaction go to the name beside them, or named last
         -> the evidence of each medicine and allergy -> findings

Names and cues are data (voicemed/data/drugs.tsv, medications.toml). A long name that was misheard
by a letter or two is understood only where no other drug is nearly as close.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

from voicemed.assertion import Act, Assertion, Experiencer, Reply, Rules, Sentence, Status, split
from voicemed.attributes import load_attributes
from voicemed.findings import Extractor, Finding, FindingKind
from voicemed.lexicon import (
    Concept,
    Kind,
    Match,
    Mention,
    PhraseMatcher,
    Token,
    load_lexicon,
    tokenize,
)
from voicemed.quantities import Number, numbers, plain, said, tokens
from voicemed.transcript import Span, Turn

SUBSTANCES = "urn:voicemed:substance"
"""The code system of medicines and allergens; the code is the name with hyphens."""

_REACH = 12
"""Tokens before a name within which a cue decides its status."""
_OVER = 8
"""Tokens after a name within which it is said to be over."""
_LIST_GAP = 5
"""Tokens between the substances of a list: 'allergic to penicillin and I think also latex'."""
_DETAIL_REACH = 10
"""Tokens between a name and its dose, frequency, route, reason or reaction."""
_REASON_REACH = 5
_ADJACENT = 3
"""Tokens between a dose and the name after it: '500 milligrams of the metformin'."""
_GENERAL = ("drug allergy", "food allergy", "allergy", "medication")
"""What can be denied as a whole, the more special first."""
_SHORT = 8
"""Tokens up to which a sentence without a name can be all about the last one."""
_QUESTION = 15
"""Tokens from what a question is about to its end."""
_ANSWER = 12
"""Tokens up to which a sentence can answer the doctor's question in other words than asked."""
_ECHO = 3
"""Tokens up to which the doctor only repeats an answer: 'Penicillin?'"""
_TOPIC_TURNS = 4
"""Turns of the patient for which a question after medicines or allergies stays open."""
_LAST_TURNS = 3
"""Turns after which 'it' no longer means the medicine named last."""
_OPENING_TURNS = 12
"""Turns in which a parent says that the child is the patient."""
_MAX_EVIDENCE = 8
_TOPICS = ("medication", "tried", "allergy", "drug allergy", "food allergy")
"""What a doctor can ask after in general, as in medications.toml."""
_STATED, _ANSWERED, _WEAK = 0.9, 0.8, 0.6
"""Confidence, not calibrated: named by the patient; yes or no to a question; a doctor's words."""
_MISHEARD = 0.7
"""Factor where the name was only nearly said."""
_UNKNOWN_SPEAKER = 0.9
"""Factor where the speaker had to be guessed."""
_LONG, _LONGER = 8, 10
"""Letters from which a name may be off by one, by two."""


def create_medications() -> Extractor:
    """A new extractor of medicines and allergies for one encounter; the data load once."""
    return MedicationExtractor(load_pharmacy(), _load_rules())


# --- names and cues ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Substance:
    """A drug, a kind of drugs or an allergen among tokens."""

    name: str
    first: int
    last: int
    "Its last token, included."
    misheard: bool = False

    @property
    def mention(self) -> Mention:
        """As the rules of assertion.py take it."""
        place = tuple(range(self.first, self.last + 1))
        return Mention(Concept(SUBSTANCES, "", self.name), Kind.SYMPTOM, place, len(place))


@dataclass(frozen=True, slots=True)
class Detail:
    """A detail of a medicine or allergy in the words of a sentence."""

    values: Mapping[str, str]
    "By attribute; a dose has its unit with it."
    first: int
    last: int


_Cues = Mapping[str, Sequence[tuple[int, int]]]
"""First and last token of each cue, by label."""


class Pharmacy:
    """Names of medicines and allergens, and the words around them."""

    def __init__(self, drugs: Mapping[str, Mapping[str, str]], data: Mapping[str, Any]) -> None:
        lists: Mapping[str, Sequence[str]] = data["lists"]

        def matcher(said: Mapping[str, Sequence[str]]) -> PhraseMatcher[str]:
            return PhraseMatcher(((name, one) for name in said for one in said[name]), lists)

        self._strengths = {name: _strengths(row["strengths"]) for name, row in drugs.items()}
        spoken = {
            name: [name, *filter(None, row["said"].split("|"))] for name, row in drugs.items()
        }
        misheard = data["misheard"]
        self._near = _NearNames(spoken, {*drugs, *misheard["also"]}, misheard["other"])
        self._names = matcher(spoken | {f"{name} ": said for name, said in data["groups"].items()})
        self._ignored = matcher(data["ignored"])
        self._allergens = matcher(data["allergens"])
        allergy = data["allergy"]
        labels = {
            **data["cues"],
            **{f"asked {name}": said for name, said in data["asked"].items()},
            **{f"no {name}": said for name, said in data["none"].items()},
            **{f"allergy {name}": allergy[name] for name in ("before", "after", "makes", "ends")},
            "allergy condition": allergy["condition"],
        }
        self._cues = matcher(labels)
        self._units = matcher(data["dose"])
        self._foreign = matcher({"": data["foreign"]["unit"]})
        self._details = PhraseMatcher(
            ((name, value), one)
            for name in ("frequency", "route")
            for value, said in data[name].items()
            for one in said
        )
        self._reactions = matcher(allergy["reactions"])
        self._reason_words = frozenset(data["reason"]["before"])
        self._owners = frozenset(data["reason"]["owner"])
        self._reasons = matcher({"": data["reason"]["said"]})

    def names(self, sentence: Sequence[Token]) -> list[Substance]:
        """The medicines named, in order; where names overlap, the longest."""
        found = [_substance(match) for match in self._names.find(sentence)]
        taken = {at for one in found for at in range(one.first, one.last + 1)}
        found += self._near.find(sentence, taken)
        if not found:
            return []
        ignored = {at for match in self._ignored.find(sentence) for at in match.tokens}
        kept = [one for one in found if not ignored & {*range(one.first, one.last + 1)}]
        return _longest(kept)

    def allergens(self, sentence: Sequence[Token]) -> list[Substance]:
        """What else one can be allergic to, in order."""
        return _longest([_substance(match) for match in self._allergens.find(sentence)])

    def cues(self, sentence: Sequence[Token]) -> _Cues:
        """The cues of a sentence."""
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for match in self._cues.find(sentence):
            found[match.label].append((match.tokens[0], match.tokens[-1]))
        conditions = found.pop("allergy condition", [])
        if not conditions:
            return found
        covered = {at for first, last in conditions for at in range(first, last + 1)}
        return {
            label: kept
            for label, cues in found.items()
            if (kept := [c for c in cues if "allergy" not in label or not covered & {*c}])
        }

    def details(self, sentence: Sequence[Token], names: Sequence[Substance]) -> list[Detail]:
        """Doses, frequencies, routes and reasons, in order."""
        found = [
            *self._doses(sentence, names),
            *self._reasons_given(sentence, names),
            *_beginnings(sentence, names),
        ]
        best: dict[tuple[str, int], Detail] = {}
        for match in self._details.find(sentence):
            name, value = match.label
            detail = Detail({name: value}, match.tokens[0], match.tokens[-1])
            key = name, detail.first
            if key not in best or best[key].last < detail.last:
                best[key] = detail
        inner = list(best.values())
        found += [one for one in inner if not any(_inside(one, other) for other in inner)]
        return sorted(found, key=lambda detail: detail.first)

    def reactions(self, sentence: Sequence[Token]) -> list[Detail]:
        """What an allergy does, in order."""
        return [
            Detail({"reaction": match.label}, match.tokens[0], match.tokens[-1])
            for match in self._reactions.find(sentence)
        ]

    def _doses(self, sentence: Sequence[Token], names: Sequence[Substance]) -> Iterator[Detail]:
        units: dict[int, Match[str]] = {}
        for match in self._units.find(sentence):
            units[match.tokens[0]] = max(
                match, units.get(match.tokens[0], match), key=lambda one: one.weight
            )
        foreign = {match.tokens[0] for match in self._foreign.find(sentence)}
        before: Number | None = None
        for number in numbers(sentence):
            unit = units.get(number.last + 1)
            value = plain(number.value)
            first = number.first
            if before and _ranges(sentence, before, number):
                value, first = f"{plain(before.value)}-{value}", before.first
            before = number
            if unit is not None and unit.tokens[-1] + 1 not in foreign:
                last = unit.tokens[-1]
                values = {"dose": value, "unit": unit.label}
                if unit.label in _MASSES and said(sentence[last + 1 : last + 3]) in _DAILY:
                    values["frequency"] = "1/d"
                yield Detail(values, first, last)
            elif unit is None and number.last + 1 not in foreign:
                yield from self._bare_dose(number, names)

    def _bare_dose(self, number: Number, names: Sequence[Substance]) -> Iterator[Detail]:
        """A number after a drug that comes in that strength: 'metformin 500'."""
        for name in names:
            strengths, unit = self._strengths.get(name.name, (frozenset(), ""))
            if 0 < number.first - name.last <= _ADJACENT and number.value in strengths:
                values = {"dose": plain(number.value), "unit": unit}
                yield Detail(values, number.first, number.last)
                return

    def _reasons_given(
        self, sentence: Sequence[Token], names: Sequence[Substance]
    ) -> Iterator[Detail]:
        """'for my blood pressure'."""
        starts = []
        for at, token in enumerate(sentence[:-1]):
            if token.text in self._reason_words and any(
                0 < at - name.last <= _DETAIL_REACH
                and not _LINKS & {one.text for one in sentence[name.last + 1 : at]}
                for name in names
            ):
                owned = sentence[at + 1].text in self._owners
                starts.append((at, at + 1 + owned))
        if not starts:
            return
        conditions = {match.tokens[0]: match for match in self._reasons.find(sentence)}
        symptoms = {one.first: one for one in load_lexicon().mentions(sentence)}
        for at, start in starts:
            match, symptom = conditions.get(start), symptoms.get(start)
            last = max(match.tokens[-1] if match else -1, symptom.last if symptom else -1)
            if last >= start:
                yield Detail({"reason": said(sentence[start : last + 1])}, at, last)


_LINKS = frozenset({"and", "but", "i"})
_MASSES = frozenset({"mg", "mcg", "g", "units"})
_DAILY = frozenset({"a day", "per day"})
_ONGOING = frozenset({"been", "since", "start", "began"})


def _beginnings(sentence: Sequence[Token], names: Sequence[Substance]) -> Iterator[Detail]:
    """'I've been on it since 2010', '... for two years', 'started last week'."""
    if not names or not _ONGOING & {token.stem for token in sentence}:
        return
    for found in load_attributes().read(sentence):
        near = any(0 < found.first - name.last <= _REASON_REACH for name in names)
        if near and found.name in ("onset", "duration"):
            value = f"for {found.value}" if found.name == "duration" else found.value
            yield Detail({"since": value}, found.first, found.last)
    for at, token in enumerate(sentence[:-1]):
        if token.text == "since" and re.fullmatch(r"(?:19|20)\d\d", sentence[at + 1].text):
            yield Detail({"since": sentence[at + 1].text}, at, at + 1)


def _strengths(text: str) -> tuple[frozenset[float], str]:
    *values, unit = text.split() or [""]
    return frozenset(map(float, values)), unit


def _substance(match: Match[str]) -> Substance:
    return Substance(match.label.strip(), match.tokens[0], match.tokens[-1])


def _longest(found: Sequence[Substance]) -> list[Substance]:
    """Without those that a longer one covers, in order."""
    kept: list[Substance] = []
    for one in sorted(found, key=lambda one: (one.first - one.last, one.first)):
        if all(one.last < other.first or other.last < one.first for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: one.first)


def _inside(one: Detail, other: Detail) -> bool:
    """Whether a longer detail of the same kind covers it: 'a day' in 'twice a day'."""
    longer = other.last - other.first > one.last - one.first
    return (
        longer
        and other.first <= one.last
        and one.first <= other.last
        and (one.values.keys() == other.values.keys())
    )


def _ranges(sentence: Sequence[Token], first: Number, second: Number) -> bool:
    """'one or two', '500 to 1000'."""
    between = [token.text for token in sentence[first.last + 1 : second.first]]
    return between in (["to"], ["or"]) and first.value < second.value


class _NearNames:
    """Drug names of one word that a recogniser spelt wrongly or took apart."""

    def __init__(
        self, spoken: Mapping[str, Sequence[str]], generic: set[str], other: Sequence[str]
    ) -> None:
        """Of the words said, those `generic` may be spelt wrongly; brands are too like words."""
        self._other = frozenset(other)
        self._drug_of = {
            word: drug
            for drug, words in spoken.items()
            for word in words
            if len(word) >= _LONG and word.isalpha()
        }
        self._by_initial: dict[str, list[str]] = defaultdict(list)
        for word in self._drug_of.keys() & generic:
            self._by_initial[word[0]].append(word)
        self._nearest = lru_cache(maxsize=20_000)(self._search)

    def find(self, sentence: Sequence[Token], taken: set[int]) -> Iterator[Substance]:
        """Those among tokens that are no part of a name already."""
        for at, token in enumerate(sentence):
            if at not in taken and len(token.text) >= _LONG:
                drug = self._nearest(token.text)
                if drug:
                    yield Substance(drug, at, at, misheard=True)
        for at, (left, right) in enumerate(pairwise(sentence)):
            drug = self._drug_of.get(left.text + right.text, "")
            if drug and not left.mark and not taken & {at, at + 1}:
                yield Substance(drug, at, at + 1, misheard=True)

    def _search(self, word: str) -> str:
        """The drug that is meant; empty where it is none, or where two are nearly as close."""
        if word in self._other:
            return ""
        limit = 1 if len(word) < _LONGER else 2
        letters = {*word}
        distances: dict[str, int] = {}
        for known in self._by_initial[word[0]]:
            if abs(len(known) - len(word)) > limit + 1 or len(letters ^ {*known}) > 2 * limit + 2:
                continue
            drug = self._drug_of[known]
            apart = _distance(word, known)
            distances[drug] = min(apart, distances.get(drug, apart))
        ordered = sorted(distances.items(), key=lambda item: item[1])
        if not ordered or ordered[0][1] > limit:
            return ""
        if len(ordered) > 1 and ordered[1][1] <= ordered[0][1] + 1:
            return ""
        return ordered[0][0]


def _distance(left: str, right: str) -> int:
    """Levenshtein distance."""
    row = list(range(len(right) + 1))
    for index, letter in enumerate(left, 1):
        diagonal, row[0] = row[0], index
        for column, other in enumerate(right, 1):
            cost = min(row[column] + 1, row[column - 1] + 1, diagonal + (letter != other))
            diagonal, row[column] = row[column], cost
    return row[-1]


@cache
def load_pharmacy() -> Pharmacy:
    """The names and cues of the package; loaded once, in about 0.1 s."""
    text = files("voicemed.data").joinpath("drugs.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return Pharmacy({row["name"]: row for row in rows}, _load_data())


@cache
def _load_rules() -> Rules:
    """The rules of assertion.py, with what denies a drug in place of what denies a symptom."""
    text = files("voicemed.data").joinpath("assertion.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    data["cues"] |= _load_data()["negation"]
    data["classes"] |= _load_data()["lists"]
    return Rules(data)


@cache
def _load_data() -> Mapping[str, Any]:
    text = files("voicemed.data").joinpath("medications.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


# --- what is known of each -----------------------------------------------------------------------


@dataclass(slots=True)
class _Evidence:
    """One thing said of a medicine or allergy."""

    status: Status
    confidence: float
    spans: list[Span]
    weak: bool
    "A doctor's words, which do not overrule the patient's."
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _History:
    """Everything said of one medicine or allergy of one person."""

    kind: FindingKind
    name: str
    experiencer: Experiencer
    evidence: list[_Evidence] = field(default_factory=list)

    @property
    def status(self) -> Status | None:
        """The one that holds, by the latest plain evidence; None if it was only planned."""
        current: _Evidence | None = None
        for one in self.evidence:
            if one.status is Status.HYPOTHETICAL:
                continue
            if current is None or current.weak or not one.weak:
                current = one
        return current.status if current else None

    def findings(self) -> Iterator[Finding]:
        """The status that holds, and beside a past or denied one a plan."""
        status = self.status
        planned = any(one.status is Status.HYPOTHETICAL for one in self.evidence)
        if status is not None:
            yield self._finding(status)
        if planned and status in (None, Status.PAST, Status.ABSENT):
            yield self._finding(Status.HYPOTHETICAL)

    def _finding(self, status: Status) -> Finding:
        supporting = [one for one in self.evidence if one.status is status]
        attributes: dict[str, str] = {}
        for one in supporting:
            if "dose" in one.attributes:
                attributes.pop("unit", None)
            attributes |= one.attributes
        spans = tuple(dict.fromkeys(span for one in supporting for span in one.spans))
        return Finding(
            Concept(SUBSTANCES, self.name.replace(",", "").replace(" ", "-"), self.name),
            Assertion(status, self.experiencer),
            spans[:_MAX_EVIDENCE],
            attributes,
            round(max(one.confidence for one in supporting), 3),
            self.kind,
        )


@dataclass(frozen=True, slots=True)
class _Question:
    """A medicine or allergy that the doctor asked after."""

    kind: FindingKind
    name: str
    experiencer: Experiencer
    span: Span
    denied: bool
    "Asked in the negative, so that yes and no both deny."
    over: bool
    "Asked whether it is still taken, so that a no means past."
    past: bool
    "Asked of another time, so that a yes means past."


@dataclass(slots=True)
class _Topic:
    """What the doctor asked after in general."""

    kinds: frozenset[str]
    "Some of _TOPICS."
    span: Span
    further: bool
    "Asked for others than those known, so that a no denies nothing."
    past: bool
    "'Which were you on?'"
    denied: bool
    "'No allergies?'"
    replies: int = 0
    "Turns of the patient since."
    last_turn: int = 0
    told: bool = False
    "Something was named."
    generic: list[tuple[FindingKind, str]] = field(default_factory=list)
    "What a no denied."

    @property
    def allergic(self) -> bool:
        """Whether names in the answer are allergies."""
        return not {"medication", "tried"} & self.kinds and bool(self.kinds)


@dataclass(frozen=True, slots=True)
class _Heard:
    """A sentence with what it names, its place and its speaker."""

    sentence: Sentence
    names: tuple[Substance, ...]
    cues: _Cues
    allergic: frozenset[Substance]
    "Those of the names that an allergy is told of."
    turn: Turn
    certainty: float
    "Factor on the confidence: of the speaker's role and of the recognised words."

    @property
    def tokens(self) -> Sequence[Token]:
        """Of the sentence."""
        return self.sentence.tokens

    def span(self, first: int, last: int) -> Span:
        """Where these tokens are in the turn."""
        return Span(self.turn.id, self.tokens[first].word, self.tokens[last].word)

    def nearest(self, name: Substance, labels: Iterable[str]) -> str:
        """The label of the cue that ends nearest before a name; of two the longer. '' if none."""
        before = [
            (last, label == "stopped", last - first, label)
            for label in labels
            for first, last in self.cues.get(label, ())
            if last < name.first and name.first - last <= _REACH
        ]
        return max(before)[-1] if before else ""

    def ends_with(self, label: str) -> bool:
        """Whether such a cue is near the end, where a run of speech asks."""
        return any(len(self.tokens) - last <= _QUESTION for _, last in self.cues.get(label, ()))

    def conditional(self, name: Substance) -> bool:
        """Whether an 'if' stands before a name."""
        return self.nearest(name, ("condition",)) != ""

    def has(self, label: str) -> bool:
        """Whether a cue of that label occurs."""
        return bool(self.cues.get(label))

    def changes(self, detail: Detail) -> bool:
        """Whether a dose is one to change to or from."""
        before = [
            (last, label == "change")
            for label in ("change", "report", "taking")
            for first, last in self.cues.get(label, ())
            if 0 < detail.first - last <= _REACH
        ]
        return bool(before) and max(before)[1]

    def follows(self, name: Substance, label: str) -> bool:
        """Whether such a cue comes after a name and before the next one."""
        following = min(
            (one.first for one in self.names if one.first > name.last), default=len(self.tokens)
        )
        return any(
            name.last < first <= name.last + _OVER and last < following
            for first, last in self.cues.get(label, ())
        )


# --- the extractor -------------------------------------------------------------------------------


class MedicationExtractor:
    """Medicines and allergies, across turns. Not safe for use from several threads."""

    def __init__(self, pharmacy: Pharmacy, rules: Rules) -> None:
        self._pharmacy = pharmacy
        self._rules = rules
        self._histories: dict[tuple[FindingKind, str, Experiencer], _History] = {}
        self._open: list[_Question] = []
        self._topic: _Topic | None = None
        self._last: list[_History] = []
        self._last_turn = 0
        self._detail_asked = False
        self._reacting = False
        self._relative_turn = 0
        self._proxy = False
        self._turns = 0

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn and return all findings so far, in order of first mention.

        Attributes of medicines: `dose` and `unit`, `frequency` ('2/d', '1/wk', 'as needed'),
        `route`, `reason` and `since`; of allergies: `reaction`.
        """
        if not turn.to_assistant:
            self._turns += 1
            for words in split(tokens(word.text for word in turn.words), self._rules):
                self._hear(words, turn)
        return tuple(f for history in self._histories.values() for f in history.findings())

    def _hear(self, words: Sequence[Token], turn: Turn) -> None:
        names = self._pharmacy.names(words)
        cues = self._pharmacy.cues(words)
        spoken = "allergy before" in cues or "allergy after" in cues or "allergy makes" in cues
        if spoken or (self._topic and not self._topic.kinds <= {"medication", "tried"}):
            names = _longest([*names, *self._pharmacy.allergens(words)])
        sentence = self._rules.read(words, [name.mention for name in names])
        self._proxy |= self._turns <= _OPENING_TURNS and sentence.has("proxy")
        if sentence.has("other"):
            self._relative_turn = turn.id
        doctor = self._is_doctor(turn.speaker, sentence, cues) and not (names and "own" in cues)
        certainty = _UNKNOWN_SPEAKER if _role(turn.speaker) is None else 1.0
        allergic = _allergic(words, names, cues)
        if self._topic and self._topic.allergic and not allergic:
            taking = "stopped" in cues or "plan" in cues or _takes(words)
            taking = taking and not {"cant", "cannot"} & {token.text for token in words}
            if len(words) <= _ECHO or (len(words) <= _ANSWER and not taking and not doctor):
                allergic = frozenset(one for one in names if not _is_followed_by_for(one, words))
        if doctor:
            echo = len(words) <= _ECHO or "asked effect" in cues
            allergic |= {one for one in names if echo and self._known_allergy(one)}
        names = [one for one in names if one in allergic or self._is_medicine(one, words)]
        heard = _Heard(sentence, tuple(names), cues, allergic, turn, certainty)
        if doctor:
            self._hear_doctor(heard)
        else:
            self._hear_patient(heard)

    def _known_allergy(self, name: Substance) -> bool:
        """Whether it was only spoken of as an allergy."""
        found = [history.kind for history in self._histories.values() if history.name == name.name]
        return FindingKind.ALLERGY in found and FindingKind.MEDICATION not in found

    def _is_medicine(self, name: Substance, words: Sequence[Token]) -> bool:
        """Whether it is one at all, and not only an allergen where no allergy is told of."""
        return any(
            one.name == name.name and one.first == name.first for one in self._pharmacy.names(words)
        )

    def _is_doctor(self, speaker: str, sentence: Sentence, cues: _Cues) -> bool:
        """By the label, else by the words: who asks, or says 'you', is taken for the doctor."""
        role = _role(speaker)
        if role is not None:
            return role == "doctor"
        words = {token.text for token in sentence.tokens}
        if "plan" in cues and words & _YOU and not words & {"me", "my"}:
            return True  # 'I'll give you some antibiotics'
        if words & _FIRST_PERSON:
            return False
        if sentence.reply is not None and not sentence.rising and (self._open or self._topic):
            return False
        return sentence.asked or bool(words & _YOU)

    # The doctor

    def _hear_doctor(self, heard: _Heard) -> None:
        asks = heard.sentence.asked and not _states(heard.tokens)
        asked = asks or (len(heard.tokens) <= _SHORT and self._asks_generally(heard))
        if heard.names:
            hear = self._ask if asks else self._report
            told = [hear(heard, name) for name in heard.names]
            self._describe(heard, [one for one in told if one is not None])
        elif not asks:
            self._deny_generally(heard, weak=True)
            self._describe(heard, [])
        if asked and not (heard.has("no allergy") and not asks):
            self._open_topic(heard)

    def _asks_generally(self, heard: _Heard) -> bool:
        return any(heard.has(f"asked {kind}") for kind in _GENERAL)

    def _open_topic(self, heard: _Heard) -> None:
        """Remember what a question is about, and forget what the one before it was about."""
        self._detail_asked = heard.has("asked detail")
        effect = heard.has("asked effect")
        if heard.has("asked illicit"):
            self._open = []
        if effect and self._last and self._last[-1].kind is FindingKind.ALLERGY:
            self._reacting = True
            return
        kinds = {kind for kind in _TOPICS if heard.ends_with(f"asked {kind}")}
        if heard.ends_with("asked help"):
            kinds.add("tried")
        if {"drug allergy", "food allergy"} & kinds:
            kinds &= {"drug allergy", "food allergy"}
        if heard.allergic:
            kinds -= {"allergy", "drug allergy", "food allergy"}
        if (
            kinds & {"medication", "tried"}
            and len(heard.tokens) <= _ECHO
            and self._asked_allergy(heard)
        ):
            kinds = {"drug allergy"}  # 'Any allergies? Medications?'
        if heard.has("asked help") and "medication" in kinds:
            kinds = kinds - {"medication"} | {"tried"}
        if heard.has("asked other") or heard.has("asked illicit"):
            kinds -= {"medication", "tried"}
        if heard.has("asked still") and self._last and not heard.names:
            last = self._last[-1]
            span = heard.span(0, len(heard.tokens) - 1)
            self._open = [
                _Question(last.kind, last.name, last.experiencer, span, False, True, False)
            ]
            return
        if kinds:
            self._open = [one for one in self._open if one.span.turn == heard.turn.id]
            self._topic = _Topic(
                frozenset(kinds),
                heard.span(0, len(heard.tokens) - 1),
                heard.has("asked further"),
                heard.has("stopped"),
                any(heard.has(f"no {kind}") for kind in kinds),
                last_turn=heard.turn.id,
            )
            self._reacting = False
        elif not heard.names and self._topic and self._topic.replies:
            self._topic = None
            self._reacting = False
            if not self._detail_asked:
                self._open = []

    def _asked_allergy(self, heard: _Heard) -> bool:
        """Whether the same turn asked after allergies just before."""
        topic = self._topic
        return topic is not None and topic.last_turn == heard.turn.id and "allergy" in topic.kinds

    def _ask(self, heard: _Heard, name: Substance) -> _History | None:
        """A question that names a medicine or allergy; its history, if it is taken for granted."""
        kind = _kind(name, heard)
        person = self._experiencer(heard, name)
        history = self._histories.get((kind, name.name, person))
        known = history is not None and history.status is Status.PRESENT
        label = heard.nearest(name, ("plan", "report", "taking"))
        if kind is FindingKind.MEDICATION:
            if label == "plan" or heard.conditional(name):
                return None if known else self._note(heard, name, Status.HYPOTHETICAL, weak=True)
            if heard.nearest(name, ("stopped", "report", "taking")) == "stopped":
                return self._note(heard, name, Status.PAST, weak=False)
            if heard.has("presumed") or heard.sentence.act in (Act.OPEN, Act.HOW_IS):
                open_ended = heard.sentence.act is Act.OPEN and not heard.has("presumed")
                if open_ended and label not in ("report", "taking"):
                    return history if known else None
                return self._note(heard, name, Status.PRESENT, weak=True)
        if known:
            self._remember([history] if history else [])
            if kind is FindingKind.ALLERGY:
                return history
        span = heard.span(name.first, name.last)
        denied = heard.sentence.negated(name.mention)
        still = any(token.text == "still" for token in heard.tokens[: name.first])
        if person is Experiencer.PATIENT or heard.names:
            if self._open and self._open[0].span.turn != span.turn:
                self._open = []
            past = heard.has("ago") or heard.has("ever")
            self._open.append(_Question(kind, name.name, person, span, denied, still, past))
        return None

    def _report(self, heard: _Heard, name: Substance) -> _History | None:
        """A doctor's statement: what is known to be taken, else advice or a plan."""
        kind = _kind(name, heard)
        history = self._histories.get((kind, name.name, self._experiencer(heard, name)))
        known = history is not None and history.status is Status.PRESENT
        negated = heard.sentence.negated(name.mention)
        label = heard.nearest(name, ("plan", "report", "stopped", "taking"))
        label = "" if label == "taking" else label
        if kind is FindingKind.ALLERGY:
            if heard.conditional(name) or label == "plan":
                return None
            return self._note(heard, name, Status.ABSENT if negated else Status.PRESENT, weak=True)
        if negated:
            reported = label in ("report", "stopped") and not heard.conditional(name)
            return self._note(heard, name, Status.ABSENT, weak=True) if reported else None
        if heard.conditional(name) or label in ("plan", ""):
            if known or (history is not None and label == ""):
                self._remember([history] if history else [])
                return None
            return self._note(heard, name, Status.HYPOTHETICAL, weak=True)
        if label == "stopped" or heard.follows(name, "ago"):
            return self._note(heard, name, Status.PAST, weak=True)
        return self._note(heard, name, Status.PRESENT, weak=True)

    # The patient

    def _hear_patient(self, heard: _Heard) -> None:
        sentence = heard.sentence
        topic = self._topic
        if topic and topic.last_turn != heard.turn.id:
            topic.replies, topic.last_turn = topic.replies + 1, heard.turn.id
            if topic.replies > _TOPIC_TURNS:
                self._topic = topic = None
        told = [self._tell(heard, name) for name in heard.names]
        kept = [history for history in told if history is not None]
        if not heard.names and heard.has("stopped_it") and self._recent(heard):
            self._stop_last(heard)
        self._reply(heard)
        if heard.names:
            self._withdraw()
        elif (topic is None or not topic.told) and not self._deny_topic(heard):
            self._deny_generally(heard, weak=False)
        if sentence.reply is not None or heard.names:
            self._open = []
        self._describe(heard, kept)

    def _tell(self, heard: _Heard, name: Substance) -> _History | None:
        """Note what a patient says of a medicine or allergy that they name."""
        if _kind(name, heard) is FindingKind.ALLERGY:
            status = self._told_allergy(heard, name)
        else:
            status = self._told_medicine(heard, name)
        if status is None:
            return None
        return self._note(heard, name, status, weak=False)

    def _told_allergy(self, heard: _Heard, name: Substance) -> Status | None:
        sentence = heard.sentence
        if sentence.rising and not self._topic:
            return None
        if sentence.negated(name.mention):
            spoken = any(heard.has(f"allergy {label}") for label in ("before", "after"))
            return Status.ABSENT if spoken else None
        if heard.nearest(name, ("uncertain",)):
            return Status.UNCERTAIN
        if heard.conditional(name):
            return None
        return Status.PAST if heard.nearest(name, ("stopped",)) else Status.PRESENT

    def _told_medicine(self, heard: _Heard, name: Substance) -> Status | None:
        sentence = heard.sentence
        label = heard.nearest(name, ("taking", "stopped", "plan"))
        ongoing = {"start", "began", "since", "been", "still"} & {
            token.stem for token in heard.tokens[: name.first]
        }
        if heard.nearest(name, ("uncertain",)):
            return Status.UNCERTAIN
        if label == "stopped" and not heard.sentence.asked:
            return Status.PAST
        if sentence.negated(name.mention):
            return Status.ABSENT
        if heard.follows(name, "over") or (heard.follows(name, "ago") and not ongoing):
            return Status.PAST
        if self._topic and not label:
            return Status.PAST if self._topic.past else Status.PRESENT
        asks = sentence.rising and heard.tokens[0].text in _MODALS
        possible = heard.conditional(name) and label != "taking"
        habit = heard.has("habit") and _takes(heard.tokens)
        if asks or (label == "plan" and not habit) or possible:
            history = self._histories.get(
                (FindingKind.MEDICATION, name.name, self._experiencer(heard, name))
            )
            known = history is not None and history.status is Status.PRESENT
            return None if known else Status.HYPOTHETICAL
        return Status.PRESENT

    def _stop_last(self, heard: _Heard) -> None:
        """'I stopped it.'"""
        for history in self._last[-1:]:
            if history.kind is FindingKind.MEDICATION and history.status is Status.PRESENT:
                span = heard.span(0, len(heard.tokens) - 1)
                confidence = _ANSWERED * heard.certainty
                history.evidence.append(_Evidence(Status.PAST, confidence, [span], weak=False))

    def _reply(self, heard: _Heard) -> None:
        """Answer the questions after single medicines that the sentence did not name."""
        reply = heard.sentence.reply
        named = {name.name for name in heard.names}
        if reply not in (Reply.YES, Reply.NO, Reply.UNSURE):
            return
        for question in self._open:
            if question.name in named or (named and reply is Reply.YES):
                continue
            status = {Reply.YES: Status.PRESENT, Reply.UNSURE: Status.UNCERTAIN}.get(reply)
            if status is None or question.denied:
                status = Status.PAST if question.over else Status.ABSENT
            elif status is Status.PRESENT and question.past:
                status = Status.PAST
            key = question.kind, question.name, question.experiencer
            history = self._histories.setdefault(key, _History(*key))
            spans = [question.span, heard.span(0, len(heard.tokens) - 1)]
            confidence = _ANSWERED * heard.certainty
            history.evidence.append(_Evidence(status, confidence, spans, weak=False))
            if status is Status.PRESENT:
                self._remember([history])

    def _deny_topic(self, heard: _Heard) -> bool:
        """A 'no' to '... any medication?' denies all; returns whether it did."""
        topic, reply = self._topic, heard.sentence.reply
        if topic is None or topic.further or topic.told or topic.replies > 1:
            return False
        if not (reply is Reply.NO or (topic.denied and reply is Reply.YES)):
            return False
        named = {kind for kind in topic.kinds if heard.has(f"no {kind}")}
        for kind in (named or topic.kinds) - {"tried"}:
            spans = [topic.span, heard.span(0, len(heard.tokens) - 1)]
            topic.generic.append(self._deny(kind, spans, _ANSWERED * heard.certainty, weak=False))
        return bool(topic.generic)

    def _deny_generally(self, heard: _Heard, *, weak: bool) -> None:
        """'I don't take any medication', 'no known drug allergies'."""
        kinds = [kind for kind in _GENERAL if heard.has(f"no {kind}")]
        if heard.has("condition") or heard.has("asked further") or (weak and heard.has("plan")):
            return
        for kind in kinds[:1]:
            ((first, last), *_) = heard.cues[f"no {kind}"]
            confidence = (_WEAK if weak else _STATED) * heard.certainty
            self._deny(kind, [heard.span(first, last)], confidence, weak=weak)

    def _deny(
        self, name: str, spans: list[Span], confidence: float, *, weak: bool
    ) -> tuple[FindingKind, str]:
        kind = FindingKind.MEDICATION if name == "medication" else FindingKind.ALLERGY
        key = kind, name, Experiencer.PATIENT
        history = self._histories.setdefault(key, _History(*key))
        history.evidence.append(_Evidence(Status.ABSENT, confidence, spans, weak))
        return kind, name

    def _withdraw(self) -> None:
        """'No. Well, just the ramipril.': the general no is taken back."""
        if self._topic:
            self._topic.told = True
            for kind, name in self._topic.generic:
                self._histories.pop((kind, name, Experiencer.PATIENT), None)
            self._topic.generic.clear()

    # What both share

    def _note(self, heard: _Heard, name: Substance, status: Status, *, weak: bool) -> _History:
        key = _kind(name, heard), name.name, self._experiencer(heard, name)
        history = self._histories.setdefault(key, _History(*key))
        words = [heard.turn.words[heard.tokens[at].word] for at in range(name.first, name.last + 1)]
        certainty = heard.certainty * sum(word.probability for word in words) / len(words)
        certainty *= _MISHEARD if name.misheard else 1.0
        confidence = (_WEAK if weak else _STATED) * certainty
        spans = [heard.span(name.first, name.last)]
        history.evidence.append(_Evidence(status, confidence, spans, weak))
        self._remember([history])
        self._last_turn = heard.turn.id
        return history

    def _remember(self, histories: Sequence[_History]) -> None:
        self._last = list(histories)

    def _recent(self, heard: _Heard) -> bool:
        return bool(self._last) and heard.turn.id - self._last_turn <= _LAST_TURNS

    def _experiencer(self, heard: _Heard, name: Substance) -> Experiencer:
        sentence = heard.sentence
        if self._proxy and (sentence.has("child") or not sentence.has("other")):
            return Experiencer.PATIENT
        if _role(heard.turn.speaker) == "doctor":
            yours = [first for first, _ in sentence.cues["other"] if 0 < first < name.first]
            their = any(heard.tokens[first - 1].text in _YOUR for first in yours)
            return sentence.experiencer(name.mention) if their else Experiencer.PATIENT
        before = {token.text for token in heard.tokens[: name.first]}
        told_of = self._relative_turn == heard.turn.id
        if told_of and before & _THIRD_PERSON and not before & _FIRST_PERSON:
            return Experiencer.OTHER
        return sentence.experiencer(name.mention)

    def _describe(self, heard: _Heard, told: Sequence[_History]) -> None:
        """Give the details of a sentence to the names beside them, or to the one named last."""
        by_name = {history.name: history for history in told}
        details = self._pharmacy.details(heard.tokens, heard.names)
        for detail in details:
            name = _owner(detail, heard.names)
            history = by_name.get(name.name) if name else None
            if history is None and not heard.names and self._continues(heard, details):
                history = self._last[-1]
            if history is None or history.kind is not FindingKind.MEDICATION:
                continue
            latest = history.evidence[-1]
            if latest.status is Status.ABSENT:
                continue
            now = latest.status is Status.PRESENT
            if now and "dose" in detail.values and heard.changes(detail):
                continue  # 'I'll increase it to 40' does not say what is taken now
            if "since" in detail.values and not now:
                continue
            for key, value in detail.values.items():
                latest.attributes.setdefault(key, value)
            if not heard.names:
                latest.spans.append(heard.span(detail.first, detail.last))
        self._react(heard, told)

    def _continues(self, heard: _Heard, details: Sequence[Detail]) -> bool:
        """Whether a sentence without a name tells more of the medicine named last."""
        if not self._recent(heard):
            return False
        covered = {at for one in details for at in range(one.first, one.last + 1)}
        pure = 2 * len(covered) >= len(heard.tokens)
        asked = self._detail_asked and len(heard.tokens) <= _ANSWER
        return pure or asked or _takes(heard.tokens)

    def _react(self, heard: _Heard, told: Sequence[_History]) -> None:
        """Note what an allergy does."""
        allergies = [one for one in told if one.kind is FindingKind.ALLERGY]
        if not allergies:
            last = self._last[-1:] if self._recent(heard) and self._reacting else []
            allergies = [one for one in last if one.kind is FindingKind.ALLERGY]
        if told:
            self._reacting = bool(allergies)
        for history in allergies[-1:]:
            latest = history.evidence[-1]
            if history.status is Status.ABSENT:
                continue
            for detail in self._pharmacy.reactions(heard.tokens):
                place = tuple(range(detail.first, detail.last + 1))
                mention = Mention(Concept("", "", ""), Kind.SYMPTOM, place, len(place))
                known = latest.attributes.get("reaction", "")
                new = detail.values["reaction"]
                if not heard.sentence.negated(mention) and new not in known.split(", "):
                    latest.attributes["reaction"] = f"{known}, {new}" if known else new
                    latest.spans.append(heard.span(detail.first, detail.last))


def _kind(name: Substance, heard: _Heard) -> FindingKind:
    return FindingKind.ALLERGY if name in heard.allergic else FindingKind.MEDICATION


def _is_followed_by_for(name: Substance, words: Sequence[Token]) -> bool:
    """'Claritin for the allergies'."""
    return name.last + 1 < len(words) and words[name.last + 1].text == "for"


def _states(words: Sequence[Token]) -> bool:
    """Whether it only looks like a question: 'No known allergies.'"""
    return words[0].text in ("no", "not") and words[-1].mark == "."


def _takes(words: Sequence[Token]) -> bool:
    """Whether the sentence is about taking something."""
    return any(token.stem in _TAKING for token in words)


_FIRST_PERSON = frozenset({"i", "im", "ive", "me", "my"})
_YOU = frozenset({"you", "your", "youre", "youve", "youll"})
_THIRD_PERSON = frozenset({"he", "hes", "she", "shes"})
_MODALS = frozenset(["should", "can", "could", "would", "will", "shall", "is", "do", "may"])
_YOUR = frozenset({"your", "his", "her"})
_TAKING = frozenset(token.stem for token in tokenize(["take", "taking", "use", "using", "dose"]))


def _role(speaker: str) -> str | None:
    """doctor or patient; None where the label does not tell."""
    known = {"doctor": "doctor", "clinician": "doctor", "patient": "patient", "parent": "patient"}
    return known.get(speaker.lower())


def _owner(detail: Detail, names: Sequence[Substance]) -> Substance | None:
    """The name that a detail goes with: '500 mg of X', else the one before it."""
    before = [one for one in names if one.first <= detail.last]
    if "dose" in detail.values and not (before and detail.first - before[-1].last <= _ADJACENT):
        for name in names:
            if 0 < name.first - detail.last <= _ADJACENT:
                return name
    reach = _ADJACENT if "route" in detail.values else _DETAIL_REACH
    if before and detail.first - before[-1].last <= reach:
        return before[-1]
    return None


def _allergic(
    words: Sequence[Token], names: Sequence[Substance], cues: _Cues
) -> frozenset[Substance]:
    """Those of the names that an allergy is told of."""
    found: set[Substance] = set()
    for _, last in cues.get("allergy before", ()):
        found |= _listed(last + 1, words, names, cues)
    for first, _ in cues.get("allergy after", ()):
        found |= {one for one in names if first - 1 <= one.last + 1 <= first}
    for first, _ in cues.get("allergy makes", ()):
        before = [one for one in names if 0 < first - one.last <= _LIST_GAP]
        found |= {*before[-1:]}
    return frozenset(found)


def _listed(
    start: int, words: Sequence[Token], names: Sequence[Substance], cues: _Cues
) -> set[Substance]:
    """The names of a list that begins at a token, up to a word that ends it."""
    ends = [first for first, _ in cues.get("allergy ends", ()) if first >= start]
    end = min(ends, default=len(words))
    found: set[Substance] = set()
    reached = start
    for name in names:
        if start <= name.first < end and name.first - reached <= _LIST_GAP:
            found.add(name)
            reached = name.last
    return found
