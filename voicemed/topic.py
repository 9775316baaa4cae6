"""What is talked about, and the symptom that a general word then names.

    tokens + mentions --Topic.read--> mentions, 'any blood?' among them as 'coughing up blood'

Nobody repeats the organ: after a cough "Any blood in it?" is coughing up blood, after diarrhoea it
is blood in stool. `Topic` remembers the organ or function that was named last, with a symptom or
without one ("How are your waterworks?"), until another is named, the subject changes or some turns
have gone by. What each general word means of each is data (voicemed/data/topics.toml).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from voicemed.history import GENERIC
from voicemed.lexicon import (
    Concept,
    Kind,
    Lexicon,
    Match,
    Mention,
    PhraseMatcher,
    Token,
    load_lexicon,
)

_FADES = 4
"""Turns after which a topic that nobody came back to is over."""
_BESIDE = 4
"""Tokens after a symptom within which a place only says where it is: 'a rash on my arm'."""
_AHEAD = 8
"""Tokens before another subject within which a word may belong to that one."""
_LONG = 14
"""Tokens of a sentence from which on a common word may be of something else in it."""
_RUN_ON = 30
"""Tokens of a sentence from which on it is several, so that its last subject is not known."""
_BARE = 3
"""Tokens of a question that goes on about the topic without a verb: 'And painful?'"""
_POINTING = frozenset("it its they theyre them that thats this is are does do did".split())
"Words by which a general one goes on about the topic: 'is it painful?'"
_POINTED_AT = frozenset({"it", "them", "there", "that"})
"Words that are the topic after 'in', 'of', 'with': 'any swelling in it?'"
_DEFINITE = frozenset({"the", "this", "that", "your", "my", "his", "her"})
_PLACING = frozenset({"in", "from", "of", "on", "with", "around", "during", "when", "while"})
_SOMEWHERE = frozenset({"in", "on", "around", "across", "down", "along", "behind", "under", "near"})
_ASKING = frozenset("is are does do did was any has have".split())


@dataclass(frozen=True, slots=True)
class _Predicate:
    """A general word: a symptom only of something."""

    name: str
    concepts: frozenset[str]
    "Names of concepts that say no more than this word."
    weak: bool
    "A list of symptoms ('rash, pain, swelling?') does not give it a place."
    unless: frozenset[str]
    "Words of a sentence that asks of everywhere."


@dataclass(frozen=True, slots=True)
class _Subject:
    """An organ or a function."""

    name: str
    means: Mapping[str, Concept]
    "By the name of the predicate."
    like: str
    "The more general subject that it is one of ('joint' of a knee), or empty."
    unless: frozenset[str]
    "Words of a sentence that is not of it."
    aside: bool
    "Asked after beside an organ ('does it affect your sleep?'), which stays the topic."


@dataclass(frozen=True, slots=True)
class _Naming:
    """Where a sentence brings up a subject; None ends the one before."""

    subject: _Subject | None
    first: int
    last: int
    place: bool
    "Named without a symptom."


class TopicRules:
    """The table of general words and subjects, ready to read sentences."""

    def __init__(self, data: Mapping[str, Any], lexicon: Lexicon) -> None:
        classes: Mapping[str, Sequence[str]] = data["classes"]
        self._lexicon = lexicon
        self._ignore = PhraseMatcher((("", one) for one in data["ignore"]), classes)
        self._ignored_words = frozenset(data["ignore_words"])
        self._predicates = {
            name: _Predicate(
                name,
                frozenset(said.get("concepts", ())),
                said.get("weak", False),
                frozenset(said.get("unless", ())),
            )
            for name, said in data["predicates"].items()
        }
        self._of_concept = {
            concept: one for one in self._predicates.values() for concept in one.concepts
        }
        self._phrases = PhraseMatcher(_phrases(data["predicates"]), classes)
        topics: Mapping[str, Mapping[str, Any]] = data["topics"]
        subjects = {
            name: _Subject(
                name,
                self._means(topics, name),
                said.get("like", ""),
                frozenset(said.get("unless", ())),
                said.get("aside", False),
            )
            for name, said in topics.items()
        }
        self._subjects = {
            concept: subjects[name] for name, said in topics.items() for concept in said["concepts"]
        }
        places: list[tuple[_Subject | None, str]] = [
            (subjects[name], one) for name, said in topics.items() for one in said["places"]
        ]
        places += [(None, one) for one in data["ends"]]
        self._places = PhraseMatcher(places, classes)

    def _means(self, topics: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Concept]:
        said = topics[name]
        own = {
            predicate: self._lexicon.concepts[concept]
            for predicate, concept in said["means"].items()
            if concept
        }
        if unknown := said["means"].keys() - self._predicates.keys():
            raise KeyError(f"topics.toml, {name}: no predicate {sorted(unknown)}")
        inherited = self._means(topics, said["like"]) if "like" in said else {}
        return {one: inherited[one] for one in inherited.keys() - said["means"].keys()} | own

    def readable(self, tokens: Sequence[Token]) -> list[Token]:
        """The tokens, blank where they are something else: the blood of a 'blood test'."""
        blank = {at for match in self._ignore.find(tokens) for at in match.tokens}
        blank |= {at for at, one in enumerate(tokens) if one.text in self._ignored_words}
        return [
            replace(one, text="", stem="") if at in blank else one
            for at, one in enumerate(self._lexicon.readable(tokens))
        ]

    def places(self, readable: Sequence[Token]) -> list[_Naming]:
        """The subjects that a sentence, of readable tokens, names without a symptom."""
        return [
            _Naming(match.label, match.tokens[0], match.tokens[-1], place=True)
            for match in self._places.find(readable)
        ]

    def named(self, places: Sequence[_Naming], mentions: Sequence[Mention]) -> list[_Naming]:
        """The subjects that a sentence with these places brings up, in order."""
        by_symptom = [
            _Naming(subject, one.first, one.last, place=False)
            for one in mentions
            if (subject := self._subjects.get(one.concept.display))
        ]
        by_place = [
            one
            for one in places
            if not any(
                other.first <= one.first <= other.last + _BESIDE and one.subject
                for other in by_symptom
            )
        ]
        return sorted(by_symptom + by_place, key=lambda one: (one.last, one.first))

    def is_of(self, mention: Mention, subject: _Subject) -> bool:
        """Whether a symptom is one of the subject."""
        return self._subjects.get(mention.concept.display) is subject

    def general(
        self,
        tokens: Sequence[Token],
        readable: Sequence[Token],
        mentions: Sequence[Mention],
    ) -> list[tuple[_Predicate, Mention]]:
        """The general words of a sentence, as mentions of no concept in particular yet.

        A mention of the lexicon that names something in particular keeps its words.
        """
        words = {token.text for token in tokens}
        found = [
            (predicate, one)
            for one in mentions
            if (predicate := self._of_concept.get(one.concept.display))
            and any(readable[at].stem for at in one.tokens)
            and not self._is_placed(one, mentions)
        ]
        matches = list(self._phrases.find(readable))
        held = [one for one in mentions if not any(_replaces(match, one) for match in matches)]
        taken = {at for one in held for at in one.tokens}
        for match in matches:
            name, kind = match.label
            if taken.isdisjoint(match.tokens):
                none = Mention(_NOTHING, kind, match.tokens, match.weight)
                found.append((self._predicates[name], none))
        return [
            (predicate, one)
            for predicate, one in found
            if not words & predicate.unless and not _is_within(predicate, one, found)
        ]

    def _is_placed(self, mention: Mention, mentions: Sequence[Mention]) -> bool:
        """Whether a symptom of a place shares its words: 'swelling in my legs or arms'."""
        return any(
            one.concept.display not in self._of_concept and {*one.tokens} & {*mention.tokens}
            for one in mentions
        )


_NOTHING = Concept("", "", "")


def _says(concept: Concept, mention: Mention, mentions: Iterable[Mention]) -> bool:
    """Whether the concept is already named by some of the same words."""
    return any(one.concept == concept and {*one.tokens} & {*mention.tokens} for one in mentions)


def _replaces(match: Match[tuple[str, Kind]], mention: Mention) -> bool:
    """Whether it takes all words of a mention, and more: 'blood or mucus' is no phlegm here."""
    longer = len(match.tokens) > 1 and match.weight >= mention.weight
    return longer and {*mention.tokens} <= {*match.tokens}


def _is_within(
    predicate: _Predicate, mention: Mention, found: Iterable[tuple[_Predicate, Mention]]
) -> bool:
    """Whether a longer one of the same word, or with all of its words, is there, too."""
    return any(
        {*mention.tokens} <= {*other.tokens}
        and (other.weight, len(other.tokens)) > (mention.weight, len(mention.tokens))
        and (predicate is one or other.weight > mention.weight)
        for one, other in found
        if other is not mention
    )


def _narrower(subject: _Subject | None, named: _Subject | None) -> _Subject | None:
    """The subject after another is named: 'the joint' goes on about the knee."""
    goes_on = subject is not None and named is not None and subject.like == named.name
    return subject if goes_on else named


def _phrases(
    predicates: Mapping[str, Mapping[str, Any]],
) -> Iterable[tuple[tuple[str, Kind], str]]:
    for name, said in predicates.items():
        for key, kind in (("phrases", Kind.SYMPTOM), ("normal", Kind.NORMAL)):
            yield from (((name, kind), one) for one in said.get(key, ()))


class Topic:
    """What one conversation is about at the moment."""

    def __init__(self, rules: TopicRules) -> None:
        self._rules = rules
        self._subject: _Subject | None = None
        self._aside: _Subject | None = None
        "The function that was asked after since, which does not end the topic."
        self._aside_turn = 0
        self._turn = 0
        "The last that named the subject or asked after something of it."
        self._by_place = False
        "It was named without a symptom."
        self._left = False
        "A symptom of the whole body was named since: 'any pain?' may be of anywhere."
        self._named: set[Concept] = set()

    def read(
        self, tokens: Sequence[Token], mentions: Sequence[Mention], turn: int
    ) -> list[Mention]:
        """The mentions of a sentence, with what its general words mean here; learns its subject."""
        if turn - self._turn > _FADES:
            self._subject = None
        if turn - self._aside_turn > _FADES:
            self._aside = None
        readable = self._rules.readable(tokens)
        places = self._rules.places(readable)
        general_words = self._rules.general(tokens, readable, mentions)
        particular = [
            one
            for one in mentions
            if not any({*one.tokens} <= {*general.tokens} for _, general in general_words)
        ]
        namings = self._rules.named(places, particular)
        read = list(mentions)
        used = False
        for predicate, general in general_words:
            concept = self._meaning(tokens, predicate, general, namings, particular)
            if concept is None or _says(concept, general, read):
                continue
            used = True
            said = {*general.tokens}
            read = [one for one in read if one.referred or not {*one.tokens} <= said]
            read.append(replace(general, concept=concept, referred=True))
        plain = [one for one in read if not one.referred]
        if len(tokens) <= _RUN_ON:
            self._learn(plain, self._rules.named(places, plain), turn, used=used)
        else:
            self._subject = None
        self._named |= {one.concept for one in read}
        return sorted(read, key=lambda one: (one.first, one.last))

    def _meaning(
        self,
        tokens: Sequence[Token],
        predicate: _Predicate,
        mention: Mention,
        namings: Sequence[_Naming],
        particular: Sequence[Mention],
    ) -> Concept | None:
        """The symptom that a general word names; None if that is not known."""
        if self._aside is not None and (concept := self._aside.means.get(predicate.name)):
            return concept
        namings = [one for one in namings if one.subject is None or not one.subject.aside]
        subject, left = self._subject, self._left
        by_place, carried = self._by_place, True
        for naming in namings:
            away = naming.first - mention.last
            between = {token.text for token in tokens[mention.last + 1 : naming.first]}
            if naming.first in mention.tokens:  # 'my hand is swollen'
                subject, left, by_place, carried = naming.subject, False, True, False
                break
            if naming.last < mention.first or (0 < away <= _BESIDE and between & _PLACING):
                subject = _narrower(subject, naming.subject)
                left, by_place = predicate.weak and not naming.place, naming.place
                carried = False
            elif 0 < away <= _AHEAD and naming.subject is not subject:
                return None  # 'any blood, or burning when you pee?'
        concept = subject.means.get(predicate.name) if subject is not None else None
        if subject is None or concept is None or concept == mention.concept:
            return None
        words = {token.text for token in tokens}
        if words & subject.unless:
            return None
        if not predicate.weak:
            return concept
        following = [token.text for token in tokens[mention.last + 1 : mention.last + 3]]
        in_it = len(following) > 1 and following[0] in _PLACING and following[1] in _POINTED_AT
        points = in_it or bool({one.text for one in tokens[: mention.last + 1]} & _POINTING)
        elsewhere = carried and not in_it and {*following} & _SOMEWHERE  # 'a pain in my side'
        if (left and not points) or elsewhere or (carried and len(tokens) > _LONG):
            return None
        if mention.concept.display not in GENERIC:
            listed = any(
                0 < one.first - mention.last <= _AHEAD and not self._rules.is_of(one, subject)
                for one in particular
            )
            return None if listed and not points else concept  # 'any itching or heartburn?'
        asks_of_it = points and {token.text for token in tokens[:3]} & _ASKING
        bare = len(tokens) <= _BARE and tokens[-1].mark == "?" and "any" not in words
        sure = by_place or bool(asks_of_it) or bare
        return None if self._is_known(tokens, mention, concept, sure=sure) else concept

    def _is_known(
        self, tokens: Sequence[Token], mention: Mention, concept: Concept, *, sure: bool
    ) -> bool:
        """Whether 'the pain' is, or may be, one that was named before."""
        before = tokens[max(mention.first - 1, 0) : mention.first]
        definite = any(token.text in _DEFINITE for token in before)
        endings = GENERIC[mention.concept.display]
        named = any(one.display.endswith(endings) for one in self._named)
        return concept in self._named or (named and (definite or not sure))

    def _learn(
        self, mentions: Sequence[Mention], namings: Sequence[_Naming], turn: int, *, used: bool
    ) -> None:
        """Remember the last subject of a sentence."""
        for naming in namings:
            self._aside = None
            if naming.subject is not None and naming.subject.aside:
                self._aside, self._aside_turn = naming.subject, turn
                continue
            kept = _narrower(self._subject, naming.subject)
            self._by_place = naming.place or (self._by_place and kept is self._subject)
            self._subject, self._left = kept, False
        if mentions and not used and not namings:
            self._left, self._aside = True, None
        if namings or used:
            self._turn = turn


@cache
def load_topics() -> TopicRules:
    """The table of the package; loaded once."""
    text = files("voicemed.data").joinpath("topics.toml").read_text(encoding="utf-8")
    return TopicRules(tomllib.loads(text), load_lexicon())
