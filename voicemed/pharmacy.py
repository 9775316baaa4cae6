"""Medicines and allergens: their names, and the words said around them.

    tokens --Pharmacy.names----> drugs and kinds of drugs ('the ramipril', 'water tablets')
           --Pharmacy.cues-----> what decides status, kind and topic
           --Pharmacy.details--> dose, frequency, route, reason, since

All of it is data (voicemed/data/drugs.tsv, medications.toml). A long name that was misheard by a
letter or two is understood only where no other drug is nearly as close.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

from voicemed.attributes import load_attributes
from voicemed.lexicon import Concept, Kind, Match, Mention, PhraseMatcher, Token, load_lexicon
from voicemed.quantities import Number, numbers, plain, said

MEDICINES, ALLERGIES = "urn:voicemed:medicine", "urn:voicemed:allergy"
"""The code systems of medicines and allergies; the code is the name with hyphens."""
ADJACENT = 3
"""Tokens between a name and a dose or route that belong together: '500 mg of the metformin'."""
DETAIL_REACH = 10
"""Tokens between a name and the other details after it."""

_SINCE_REACH = 5
_LIST_GAP = 5
"""Tokens between the substances of a list: 'allergic to penicillin and I think also latex'."""
_LONG, _LONGER = 8, 10
"""Letters from which a name may be off by one, by two."""

Cues = Mapping[str, Sequence[tuple[int, int]]]
"""First and last token of each cue, by label."""


@dataclass(frozen=True, slots=True)
class Substance:
    """A drug, a kind of drugs or an allergen among tokens."""

    name: str
    first: int
    last: int
    "Its last token, included."
    misheard: bool = False
    allergen: bool = False
    "No medicine, so that it counts only where an allergy is told of."

    @property
    def mention(self) -> Mention:
        """As the rules of assertion.py take it."""
        place = tuple(range(self.first, self.last + 1))
        return Mention(Concept(MEDICINES, "", self.name), Kind.SYMPTOM, place, len(place))


@dataclass(frozen=True, slots=True)
class Detail:
    """A detail of a medicine or allergy in the words of a sentence."""

    values: Mapping[str, str]
    "By attribute; a dose has its unit with it."
    first: int
    last: int


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
        return longest(kept)

    def allergens(self, sentence: Sequence[Token]) -> list[Substance]:
        """What else one can be allergic to, in order."""
        found = [_substance(match) for match in self._allergens.find(sentence)]
        return longest([replace(one, allergen=True) for one in found])

    def cues(self, sentence: Sequence[Token]) -> Cues:
        """The cues of a sentence."""
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for match in self._cues.find(sentence):
            found[match.label].append((match.tokens[0], match.tokens[-1]))
        for label in {"taking", "report"} & found.keys():  # 'she can use' plans
            found[label] = [
                (first, last)
                for first, last in found[label]
                if not any(first < start <= end < last for start, end in found["plan"])
            ]
        found = defaultdict(list, {label: places for label, places in found.items() if places})
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
            if 0 < number.first - name.last <= ADJACENT and number.value in strengths:
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
                0 < at - name.last <= DETAIL_REACH
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
        near = any(0 < found.first - name.last <= _SINCE_REACH for name in names)
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


def longest(found: Sequence[Substance]) -> list[Substance]:
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
    """The names and cues of the package; loaded once, in about 0.5 s."""
    text = files("voicemed.data").joinpath("drugs.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return Pharmacy({row["name"]: row for row in rows}, load_words())


@cache
def load_words() -> Mapping[str, Any]:
    """The content of medications.toml; loaded once."""
    text = files("voicemed.data").joinpath("medications.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def allergic(
    words: Sequence[Token], names: Sequence[Substance], cues: Cues
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
    start: int, words: Sequence[Token], names: Sequence[Substance], cues: Cues
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
