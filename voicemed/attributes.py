"""What is said about a symptom: since when, how bad, where, what it is like, what eases it.

    sentence --AttributeReader.read--> attributes with their places
             --owners--> the symptoms named beside them, or none: then the one that is talked about
             --Description.add--> values of a symptom, with times in ISO 8601 beside the words

The patterns are data (voicemed/data/attributes.toml). Most values are words that stand in a
pattern; those of what makes it better or worse are the clause that the pattern begins or ends. What
is denied ("nothing makes it worse", "it doesn't go anywhere") is no attribute, and where it is not
plain whose an attribute is, it is nobody's: a wrong one is worse than a missing one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from voicemed import quantities
from voicemed.lexicon import Kind, Mention, PhraseMatcher, Token
from voicemed.times import date_of, duration

NAMES = (
    "onset", "duration", "frequency", "severity", "character", "location", "side", "radiation",
    "aggravating", "relieving", "trend", "amount",
)  # fmt: skip
"""All attributes; of two that take the same words, the earlier is meant."""
_LISTS = frozenset({"character", "location", "radiation", "aggravating", "relieving", "frequency"})
"""Attributes of which a symptom may have several."""
_MOST_LISTED = 3
_TIMES = frozenset({"onset", "duration"})
_MEASURES = _TIMES | {"frequency", "amount"}
"""Attributes that other things than symptoms have too: 'ibuprofen for three days'."""
_CAPTURED = frozenset({"aggravating", "relieving"})
_LONGEST = 10
"""Words of a clause that is an attribute's value."""
_LONGEST_REPLY = 9
"""Words of a reply that as a whole is what the doctor asked after."""
_NEGATION_REACH = 6
_FARTHEST = 12
"""Words, with the cost of clauses, over which an attribute still belongs to a symptom."""
_MARK_COST = 4
"""How many words the end of a clause counts for, when the nearest symptom is sought."""
_ALLOWED_INSIDE = frozenset({("side", "location"), ("location", "side")})
_LABEL = re.compile(r"(?P<name>\w+)(?P<place>[<>+?]?)(?::(?P<kind>\w+))?")


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute in the words of a sentence."""

    name: str
    "One of NAMES."
    value: str
    "Nearly as said, in lower case: 'two days ago', '7 out of 10'."
    first: int
    "Index of its first token in the sentence."
    last: int
    "Index of its last token, included."
    kind: str = ""
    "The kind of symptom that the words suit; empty for any."
    beside: bool = False
    "Counts only right beside its symptom, or as the answer to a question after it."
    place: str = ""
    "'<' where it must stand before its symptom, '>' where after it."
    adds: bool = False
    "May stand beside another value: 'two days ago, suddenly'."

    def distance(self, first: int, last: int) -> int:
        """Tokens between it and those from first to last; 0 if they touch or overlap."""
        return max(self.first - last, first - self.last, 0)


@dataclass(frozen=True, slots=True)
class _Label:
    """What a pattern of the data file stands for, and where it must stand."""

    name: str
    place: str
    kind: str

    @staticmethod
    def of(text: str) -> _Label:
        """The label that the data file writes as 'severity<', 'onset+' or 'amount:fluid'."""
        found = _LABEL.fullmatch(text)
        if found is None:
            raise ValueError(text)
        return _Label(found["name"], found["place"], found["kind"] or "")


@dataclass(frozen=True, slots=True)
class _Found:
    """An attribute with how many tokens its pattern took: the more, the likelier it is meant."""

    attribute: Attribute
    weight: int


@dataclass(frozen=True, slots=True)
class _Text:
    """The tokens of a sentence with each number as one, and where they are in the sentence."""

    tokens: tuple[Token, ...]
    spans: tuple[tuple[int, int], ...]
    "Of each token, the first and last in the sentence."
    negations: frozenset[int]
    stops: frozenset[int]
    "Tokens that begin a clause, by their word."
    likened: frozenset[int] = frozenset()
    "Tokens before which 'like' or 'as if' was said."

    def place(self, first: int) -> int:
        """Index of the token that holds a token of the sentence."""
        after = (at for at, (_, last) in enumerate(self.spans) if last >= first)
        return next(after, len(self.spans) - 1)

    def clause_start(self, at: int) -> int:
        """Index of the first token of the clause that holds a token."""
        while at > 0 and at not in self.stops and not self.tokens[at - 1].mark:
            at -= 1
        return at + (at in self.stops)

    def clause_end(self, at: int) -> int:
        """Index after the last token of the clause that holds a token."""
        while at < len(self.tokens) and not self.tokens[at].mark:
            at += 1
            if at in self.stops:
                return at
        return min(at + 1, len(self.tokens))


class AttributeReader:
    """Finds attributes by the patterns of voicemed/data/attributes.toml."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        classes: Mapping[str, Sequence[str]] = data["classes"]

        def matcher(section: str) -> PhraseMatcher[_Label]:
            return PhraseMatcher(
                (
                    (_Label.of(label), pattern)
                    for label, said in data[section].items()
                    for pattern in said
                ),
                classes,
            )

        self._said, self._beside, self._answer = map(matcher, ("said", "beside", "answer"))
        self._after, self._before = matcher("after"), matcher("before")
        self._asked, self._elsewhere = matcher("asked"), matcher("elsewhere")
        self._clause = {name: frozenset(words) for name, words in data["clause"].items()}
        self._trim = {name: frozenset(words) for name, words in data["trim"].items()}
        self._sites = {site: frozenset(stems) for site, stems in data["sites"].items()}
        self._kinds = {name: tuple(ends) for name, ends in data["kinds"].items()}
        self._spelling: Mapping[str, str] = data["spelling"]

    # What the doctor asks

    def asked(self, tokens: Sequence[Token]) -> frozenset[str]:
        """The attributes after which a question asks ('how long': duration); none if of others.

        Beside them 'all' where it asks of all symptoms ('when did your symptoms start?'), and
        'tried' where it asks what was done about one.
        """
        names = {match.label.name for match in self._asked.find(self._text(tokens, ()).tokens)}
        elsewhere = "elsewhere" in names and "tried" not in names
        return frozenset() if names <= {"all"} or elsewhere else frozenset(names)

    def asks_elsewhere(self, tokens: Sequence[Token]) -> bool:
        """Whether a question is after something else than a symptom: drugs, work."""
        return any(match.label.name == "elsewhere" for match in self._asked.find(tokens))

    def earlier(self, tokens: Sequence[Token]) -> bool:
        """Whether a sentence tells of an earlier illness: 'I had a similar one last year'."""
        return any(match.label.name == "earlier" for match in self._elsewhere.find(tokens))

    # What somebody says

    def read(
        self,
        tokens: Sequence[Token],
        asked: Collection[str] = (),
        words: Sequence[str] = (),
        mentions: Sequence[Mention] = (),
    ) -> list[Attribute]:
        """Attributes in the words of a sentence, in order; none of them overlap.

        asked: the attributes after which the doctor asked; the answer may then be the bare value
        ('three days', 'a seven', 'leaning forward').
        words: those of the turn, to which the tokens point; without them '1.5' and '7/10' are two
        numbers.
        mentions: of symptoms, whose own negation ('not sleeping') denies no attribute.
        """
        text = self._text(tokens, words)
        named = {at for mention in mentions for at in mention.tokens}
        found = [*self._matched(text, asked), *self._captured(text), *self._compared(text, named)]
        found = [
            one
            for one in found
            if not self._negated(text, one.attribute, named)
            and not self._misread(text, one.attribute)
        ]
        kept: list[_Found] = []
        for one in sorted(found, key=_priority):
            if not any(_excludes(other.attribute, one.attribute) for other in kept):
                kept.append(one)
        attributes = sorted((one.attribute for one in kept), key=lambda one: one.first)
        whole = self._whole_reply(text, asked, attributes)
        return [self._placed(text, one) for one in ([whole] if whole else attributes)]

    def owners(
        self, found: Attribute, tokens: Sequence[Token], mentions: Sequence[Mention]
    ) -> list[Mention] | None:
        """The mentions in a sentence that an attribute belongs to; None if it is of none of them.

        An empty list where it belongs to no symptom, or it is not plain to which.
        """
        rivals = [one for one in mentions if one.kind is Kind.SYMPTOM]
        if found.name in _CAPTURED:
            rivals = [one for one in rivals if not _inside(one, found)]
        if not rivals:
            return None
        text = self._text(tokens, ())
        nearest = min(rivals, key=lambda one: self._cost(tokens, found, one))
        referred = None if found.beside else self._referred(text, found, rivals)
        if referred == []:
            return None
        if self._cost(tokens, found, nearest) > _FARTHEST:
            if not referred:
                return []
            nearest = referred[0]
        if not self.suits(found, nearest.concept.display):
            return []
        if found.beside and not self._touches(tokens, found, nearest, mentions):
            return []
        if self._of_something_else(text, found, nearest) or self._repeats(tokens, found, nearest):
            return []
        group = self._coordinated(tokens, nearest, rivals)
        if found.name in ("location", "side") and found.first > nearest.first:
            placed = self._kinds["placed"]
            return [
                one for one in group if one is nearest or one.concept.display.endswith(placed)
            ]  # 'pain and swelling in my left knee'
        return group if found.name in _TIMES else [nearest]

    @staticmethod
    def free(mentions: Sequence[Mention], found: Sequence[Attribute]) -> list[Mention]:
        """The mentions that are no part of an attribute: not the cough of 'worse when I cough'."""
        causes = [one for one in found if one.name in _CAPTURED and not one.beside]
        return [one for one in mentions if not any(_inside(one, cause) for cause in causes)]

    def suits(self, found: Attribute, symptom: str) -> bool:
        """Whether a symptom of that name can have the attribute: a cough is dry, a rash is not."""
        if found.kind and not symptom.endswith(self._kinds[found.kind]):
            return False
        if found.name == "aggravating" and "night" in found.value:
            return symptom not in self._kinds["nightly"]
        if found.name in ("location", "side"):
            return not symptom.endswith(self._kinds["unplaced"])
        return found.name != "radiation" or symptom.endswith(self._kinds["pain"])

    def follows(
        self,
        found: Attribute,
        tokens: Sequence[Token],
        asked: Collection[str],
        *,
        answers: bool = False,
    ) -> bool:
        """Whether it is of the symptom that is talked about, in a sentence that names none.

        answers: whether the sentence says that there is such a symptom: 'any pain?' 'In my foot.'
        """
        text = self._text(tokens, ())
        if self._of_something_else(text, found, None):
            return False
        if found.name in asked or answers:
            return True
        start = text.clause_start(text.place(found.first))
        start = text.spans[start][0] if start < len(text.spans) else found.first
        if found.beside:
            return found.place != "<" and self._beside_pronoun(tokens[start : found.first])
        about = {token.text for token in tokens[start : found.last + 1]} & self._clause["about"]
        return bool(about) or len(tokens) <= _LONGEST_REPLY - 4

    def _beside_pronoun(self, before: Sequence[Token]) -> bool:
        """Whether 'it' and small words are all that stands before: 'it's mostly in my neck'."""
        texts = [token.text for token in before]
        pronouns = [at for at, text in enumerate(texts) if text in self._clause["pronoun"]]
        if not pronouns or len(texts) - pronouns[0] > _LONGEST_REPLY - 3:
            return False
        return {*texts} <= self._clause["glue"] | self._clause["pronoun"]

    # The tokens

    def _text(self, tokens: Sequence[Token], words: Sequence[str]) -> _Text:
        pieces, spans = _whole_numbers(tokens, words)
        joined: list[Token] = []
        places: list[tuple[int, int]] = []
        starts = {number.first: number for number in quantities.numbers(pieces)}
        at = 0
        while at < len(pieces):
            number = starts.get(at)
            last = number.last if number else at
            token = pieces[at]
            if number and token.text != "one":
                text = quantities.said(pieces[at : last + 1])
                token = Token(text, _number_stem(number.value, text), token.word, pieces[last].mark)
            elif number:
                last = at
            joined.append(token)
            places.append((spans[at][0], spans[last][1]))
            at = last + 1
        texts = [token.text for token in joined]
        stops = {
            at
            for at, text in enumerate(texts)
            if text in self._clause["stop"] and not self._joins(joined, at)
        }
        negations = {at for at, text in enumerate(texts) if text in self._clause["negation"]}
        likened = {at for at in range(len(joined)) if _likened(joined, at, words)}
        return _Text(
            tuple(joined),
            tuple(places),
            frozenset(negations),
            frozenset(stops),
            frozenset(likened),
        )

    @staticmethod
    def _joins(tokens: Sequence[Token], at: int) -> bool:
        """Whether an 'and' joins two words ('loose and watery') rather than clauses."""
        texts = [token.text for token in tokens]
        if texts[at] != "and" or not 0 < at < len(texts) - 1:
            return False
        alike = all(texts[side].endswith("ing") for side in (at - 1, at + 1))
        alike |= at + 2 == len(texts) or tokens[at + 1].mark != ""
        return alike or at == 1 or texts[at : at + 3] == ["and", "a", "half"]

    def _value(self, text: _Text, first: int, last: int) -> str:
        """The words from a token to another, as they are written."""
        said: list[str] = []
        for at in range(first, last + 1):
            token = text.tokens[at]
            said.append(self._spelling.get(token.text, token.text))
        return re.sub(r"(\d) over (?=\d)", r"\1/", " ".join(said))

    def _placed(self, text: _Text, found: Attribute) -> Attribute:
        """The attribute with its place in the sentence's own tokens."""
        return Attribute(
            found.name,
            found.value,
            text.spans[found.first][0],
            text.spans[found.last][1],
            found.kind,
            found.beside,
            found.place,
            found.adds,
        )

    # Values that stand in a pattern

    def _matched(self, text: _Text, asked: Collection[str]) -> Iterator[_Found]:
        for match in self._said.find(text.tokens):
            first = text.tokens[match.tokens[0]].text
            if match.label.name == "character" and first in self._trim["verb"]:
                continue  # 'when I press on it' is not 'pressing'
            yield self._of_match(text, match.label, match.tokens, match.weight)
        for match in self._beside.find(text.tokens):
            answers = match.label.name in asked and not match.label.place
            yield self._of_match(text, match.label, match.tokens, match.weight, beside=not answers)
        if not asked:
            return
        for match in self._answer.find(text.tokens):
            name = match.label.name
            start, end = text.clause_start(match.tokens[0]), text.clause_end(match.tokens[0])
            if match.weight == 1 and end - start > (4 if name in _TIMES else _LONGEST_REPLY):
                continue
            if name == "when" and _TIMES & {*asked}:
                name = "onset"
            if name not in asked and match.label.name != "when":
                continue
            if name == "when":
                continue
            one = self._of_match(
                text, _Label(name, "", match.label.kind), match.tokens, match.weight
            )
            if name == "severity" and (score := _bare_score(one.attribute.value)):
                attribute = one.attribute
                one = _Found(
                    Attribute(name, score, attribute.first, attribute.last, adds=True), one.weight
                )
            elif name == "severity" and quantities.numbers(
                quantities.tokens([one.attribute.value])
            ):
                continue
            yield one

    def _of_match(
        self,
        text: _Text,
        label: _Label,
        tokens: Sequence[int],
        weight: int,
        *,
        beside: bool = False,
    ) -> _Found:
        first, last = tokens[0], tokens[-1]
        adds = label.place == "+" or label.name in _LISTS
        if label.name == "location":
            while first < last and text.tokens[first].text in _ARTICLES:
                first += 1
        while first < last and text.tokens[first].text in ("lasts", "lasted", "lasting"):
            first += 1
        while first < last and text.tokens[last].text in ("or", "so"):
            if text.tokens[last - 1].text == "or":
                break  # 'three days or so'
            last -= 1
        value = self._value(text, first, last)
        if label.name == "amount":
            value = value.removesuffix(" of")
        if label.name == "severity" and severity_score(value):
            adds = True
        place = label.place.strip("+?")
        return _Found(
            Attribute(label.name, value, first, last, label.kind, beside, place, adds), weight
        )

    # Values that are the clause beside a pattern

    def _captured(self, text: _Text) -> Iterator[_Found]:
        for match in self._after.find(text.tokens):
            first = match.tokens[0]
            last = self._forward(text, match.tokens[-1])
            yield from self._trimmed(text, match.label, first, last, match.weight)
        for match in self._before.find(text.tokens):
            clause = self._backward(text, match.tokens[0] - 1)
            if clause is not None:
                first, last = clause
                yield from self._trimmed(text, match.label, first, last, match.weight, denied=True)

    def _compared(self, text: _Text, named: Collection[int]) -> Iterator[_Found]:
        """What the symptom is said to be like: 'it's like a band', 'as if I'd swallowed glass'."""
        for first in text.likened:
            before, said = text.tokens[max(first - 1, 0)], text.tokens[first].text
            opens = first == 0 or before.mark or before.text in self._trim["alike"]
            acts = before.text in self._trim["as_if"] and said in self._clause["subject"]
            if not opens or not (acts or said in self._trim["picture"]):
                continue
            last = min(text.clause_end(first), first + _LONGEST) - 1
            while last > first + 1 and text.tokens[last].text in self._trim["tail"]:
                last -= 1
            picture = text.tokens[first : last + 1]
            places = {*range(text.spans[first][0], text.spans[last][1] + 1)}
            if places & {*named} and not said.endswith("ing"):
                continue  # 'it's like a cramp' names another symptom
            numbered = any(token.stem in ("num", "10", "anno") for token in picture)
            if numbered or {token.text for token in picture} & self._trim["no_picture"]:
                continue
            if len(picture) < (3 if said == "my" else 2):
                continue
            value = self._value(text, first, last)
            yield _Found(Attribute("character", value, first, last, adds=True), 0)

    def _forward(self, text: _Text, at: int) -> int:
        """Index of the last token of the clause that goes on from a token."""
        end = min(text.clause_end(at), at + _LONGEST)
        for place in range(at + 3, end):
            said = text.tokens[place].text
            verb = text.tokens[place + 1].text if place + 1 < end else ""
            if said in self._clause["subject"] or (said == "it" and verb.endswith("s")):
                return place - 1  # 'when I lie down | I take', 'when I stand | it hurts'
        return end - 1

    def _backward(self, text: _Text, at: int) -> tuple[int, int] | None:
        """First and last token of what stands before a pattern; None if there is nothing."""
        if at < 0 or text.tokens[at].mark in (".", "?", "!"):
            return None
        first, last = text.clause_start(at), at
        purpose = text.tokens[at].text == "to" and text.tokens[at - 1].text not in _SEEM
        if at in text.stops or purpose:
            return None  # 'I use it to help'
        if text.tokens[at].mark:
            first = at + 1
        only = {text.tokens[place].text for place in range(first, last + 1)}
        if only <= self._trim["pronoun"] and first > 0:
            last = first - 1 - (first - 1 in text.stops)
            first = max(text.clause_start(last), 0)
            if text.tokens[first].text not in self._trim["occasion"]:
                return self._taken(text, last)  # else 'if I lie down, it helps'
        return (first, last) if 0 <= last - first < _LONGEST else None

    def _taken(self, text: _Text, last: int) -> tuple[int, int] | None:
        """The medicine in 'I took some ibuprofen, and it helped'; None if there is none."""
        for at in range(last, max(last - _LONGEST, -1), -1):
            if text.tokens[at].text in self._trim["medicine"] and at < last:
                return at + 1, last
        return None

    def _trimmed(
        self,
        text: _Text,
        label: _Label,
        first: int,
        last: int,
        weight: int,
        *,
        denied: bool = False,
    ) -> Iterator[_Found]:
        """The attribute of a captured clause, if that says anything."""
        texts = [token.text for token in text.tokens]
        if denied and any(at in text.negations for at in range(first, last + 1)):
            return
        while first <= last and texts[first] in self._trim["lead"]:
            first += 1
        while last >= first and label.name != "onset" and texts[last] in self._trim["tail"]:
            if texts[last] == "it" and texts[last - 1] in self._trim["occasion"]:
                break  # 'when I press on it'
            last -= 1
        said = texts[first : last + 1]
        if not said or self._trim["empty"] & {*said}:
            return
        if label.place == "?" and said[0] not in self._trim["occasion"]:
            return
        if label.name == "character" and {*said[1:2]} & self._trim["slight"]:
            return
        if label.name in _CAPTURED and {*said[1:2]} & self._trim["pronoun"]:
            return  # 'when it hurts'
        if said[0] in self._trim["occasion"] | {"to"} and len(said) < 2 + (said[0] == "when"):
            return
        if label.name in _CAPTURED and label.place and {*said[1:4]} & self._trim["past"]:
            return  # 'the pain I had when I was in Spain'
        adds = label.place == "+" or label.name in _LISTS
        value = self._value(text, first, last)
        place = label.place.strip("+?")
        beside = place != ""
        found = Attribute(label.name, value, first, last, label.kind, beside, place, adds)
        yield _Found(found, weight if label.name == "onset" else weight + last - first)

    def _whole_reply(
        self, text: _Text, asked: Collection[str], found: Sequence[Attribute]
    ) -> Attribute | None:
        """A short reply that as a whole is what makes it better or worse."""
        wanted = _CAPTURED & {*asked}
        if len(wanted) != 1 or not 0 < len(text.tokens) <= _LONGEST_REPLY or text.negations:
            return None
        if any(not one.beside for one in found):
            return None
        texts = {token.text for token in text.tokens}
        if texts & self._trim["past"] or text.tokens[-1].mark == "?":
            return None
        label = _Label(next(iter(wanted)), "", "")
        for whole in self._trimmed(text, label, 0, len(text.tokens) - 1, 0):
            opening = text.tokens[whole.attribute.first].text
            action = opening.endswith("ing") or opening in self._trim["occasion"]
            short = whole.attribute.last - whole.attribute.first < 4
            return whole.attribute if action or short else None
        return None

    # Whose it is

    def _negated(self, text: _Text, found: Attribute, named: Collection[int]) -> bool:
        """Whether a negation before it in its clause denies it."""
        start = max(text.clause_start(found.first), found.first - _NEGATION_REACH)
        for at in range(found.first - 1, start - 1, -1):
            token = {*range(text.spans[at][0], text.spans[at][1] + 1)}
            if token & {*named}:
                return False  # a symptom between them is what is denied
            if at in text.negations:
                return True
            if text.tokens[at].text in ("just", "only", "except"):
                return False
        return False

    def _misread(self, text: _Text, found: Attribute) -> bool:
        """Whether the words around it give its words another meaning."""
        start = text.clause_start(found.first)
        before = [token.text for token in text.tokens[start : found.first]]
        after = {token.text for token in text.tokens[found.last + 1 : found.last + 2]}
        if text.tokens[found.last].mark:
            after = set()
        if found.name == "trend":  # 'if it gets worse', 'worse when', 'at the same time'
            other = self._trim["occasion"] | self._trim["after_trend"]
            plain = found.value.rpartition(" ")[2] in self._trim["positive"]  # 'it gets tight'
            return plain or bool({*before} & self._trim["condition"] or after & other)
        if found.name in _TIMES and " " not in found.value and found.value in _SINGULAR:
            return True  # 'since Labor Day'
        if found.name in _TIMES:  # 'worse today', 'an hour after lunch'
            before_time = {*before[-3:]} & self._trim["before_time"]
            later = after & self._trim["after_time"] and not found.value.endswith(("ago", "back"))
            return bool(before_time or later)
        return False

    def _cost(self, tokens: Sequence[Token], found: Attribute, mention: Mention) -> int:
        """How far a mention is: its words, and more for the clauses between."""
        between = _between(found, mention)
        marks = sum(
            tokens[at].mark != "" or tokens[at].text in self._clause["stop"] for at in between
        )
        if between and mention.last < found.first:
            marks += tokens[mention.last].mark != ""
        elif between:
            marks += tokens[found.last].mark != ""
        return len(between) + _MARK_COST * marks

    def _referred(
        self, text: _Text, found: Attribute, rivals: Sequence[Mention]
    ) -> list[Mention] | None:
        """What 'it' is where its clause has the attribute: the one mention before, in a list.

        An empty list where mentions come only in later clauses ('it's been a week, and my head
        hurts'), so that it is the symptom talked about; None where there is no 'it', or no telling.
        """
        at = text.clause_start(text.place(found.first))
        opening = {token.text for token in text.tokens[at : at + 2]}
        start = text.spans[at][0]
        before = [one for one in rivals if one.first < start]
        inside = any(start <= one.first < found.first for one in rivals)
        if not opening & self._clause["pronoun"] or inside or len(before) > 1:
            return None
        if before:
            return before
        end = text.clause_end(text.place(found.last))
        goes_on = end < len(text.tokens) and end in text.stops
        return [] if goes_on and min(one.first for one in rivals) > text.spans[end][0] else None

    def _touches(
        self,
        tokens: Sequence[Token],
        found: Attribute,
        mention: Mention,
        mentions: Sequence[Mention],
    ) -> bool:
        """Whether nothing but small words stands between it and the symptom."""
        inside = mention.first <= found.first and found.last <= mention.last
        inner = {token.text for token in tokens[mention.first : found.first]}
        inside = inside and not inner & self._clause["negation"]  # 'I can't really sleep'
        if found.place == "<" and found.first > mention.first and not inside:
            return False
        if found.place == ">" and found.last < mention.last:
            return False
        between = _between(found, mention)
        limit = 3 if found.place else 5
        degree = found.place == "<" and found.name != "location"
        glue = self._trim["degree_glue"] if degree else self._clause["glue"]
        named = {at for one in mentions for at in one.tokens}
        ends = tokens[min(found.last, mention.last)]
        return (
            len(between) <= limit
            and not (between and ends.mark)
            and all(
                at in named or (tokens[at].text in glue and not tokens[at].mark) for at in between
            )
        )

    def _of_something_else(self, text: _Text, found: Attribute, mention: Mention | None) -> bool:
        """Whether a time or a number belongs to a drug, a habit or the like in the same clause."""
        if found.name not in _MEASURES:
            return False
        at = text.place(found.first)
        start, end = text.clause_start(at), text.clause_end(at)
        for match in self._elsewhere.find(text.tokens):
            if match.label.name != "cue":
                continue
            place = match.tokens[0]
            if not start <= place < end:
                continue
            if mention is None or not place < mention.first < found.first:
                return True
        return False

    def _repeats(self, tokens: Sequence[Token], found: Attribute, mention: Mention) -> bool:
        """Whether the words only name the symptom again: 'itchy', the chest of a chest pain."""
        span = {*range(found.first, found.last + 1)}
        if found.name == "location":
            words = {at for at in span if tokens[at].text not in _ARTICLES}
            named = self._names_site(mention.concept.display, [tokens[at].stem for at in words])
            return bool(words & {*mention.tokens}) and named
        if found.name != "character" or not span & {*mention.tokens}:
            return False
        return all(tokens[at].stem[:4] in mention.concept.display for at in span)

    def _names_site(self, symptom: str, stems: Collection[str]) -> bool:
        """Whether the symptom's name already holds that part of the body."""
        sites = (words for site, words in self._sites.items() if site in symptom)
        own = frozenset({"left", "right"}).union(*sites)
        return all(stem in own or stem[:4] in symptom for stem in stems)

    def _coordinated(
        self, tokens: Sequence[Token], nearest: Mention, rivals: Sequence[Mention]
    ) -> list[Mention]:
        """The mention with those that are listed with it: 'nausea and vomiting since Monday'."""
        group = [nearest]
        ordered = sorted(rivals, key=lambda one: one.first)
        at = ordered.index(nearest)
        for step in (-1, 1):
            place = at + step
            while 0 <= place < len(ordered):
                left, right = sorted((ordered[place], ordered[place - step]), key=lambda m: m.first)
                between = [tokens[i].text for i in range(left.last + 1, right.first)]
                if not {*between} <= _LISTING or len(between) > 3:
                    break
                group.append(ordered[place])
                place += step
        return group


_SINGULAR = frozenset({"day", "week", "month", "year", "hour", "minute", "decade"})
_SEEM = frozenset({"seem", "seems", "seemed", "tend", "tends", "appears"})
_ARTICLES = frozenset({"this", "my", "the", "your", "in", "on", "of", "at", "to", "his", "her"})
_LISTING = frozenset({"and", "or", "a", "an", "some", "the", "with", "also", "this", "my"})


def _priority(one: _Found) -> tuple[bool, int, int, int]:
    found = one.attribute
    order = -one.weight, -(found.last - found.first), NAMES.index(found.name)
    return found.place != "", *order


def _excludes(kept: Attribute, other: Attribute) -> bool:
    """Whether an attribute takes the words of another."""
    if kept.first > other.last or other.first > kept.last:
        return False
    return (kept.name, other.name) not in _ALLOWED_INSIDE


def _inside(mention: Mention, found: Attribute) -> bool:
    """Whether a mention is part of an attribute's words."""
    return mention.first <= found.last and mention.last >= found.first


def _between(found: Attribute, mention: Mention) -> range:
    """The tokens between an attribute and a mention."""
    if mention.last < found.first:
        return range(mention.last + 1, found.first)
    return range(found.last + 1, mention.first)


def _whole_numbers(
    tokens: Sequence[Token], words: Sequence[str]
) -> tuple[list[Token], list[tuple[int, int]]]:
    """The tokens with '1.5' as one and '7/10' as three, and where each is among those given."""
    pieces: list[Token] = []
    spans: list[tuple[int, int]] = []
    at = 0
    while at < len(tokens):
        last = at
        while last + 1 < len(tokens) and tokens[last + 1].word == tokens[at].word:
            last += 1
        index = tokens[at].word
        if index < len(words) and re.search(r"\d[./–-]\d", words[index]):
            again = quantities.tokens([words[index]])
            pieces += [Token(one.text, one.stem, index, one.mark) for one in again]
            spans += [(at, last)] * len(again)
        else:
            pieces += tokens[at : last + 1]
            spans += [(place, place) for place in range(at, last + 1)]
        at = last + 1
    return pieces, spans


def _likened(tokens: Sequence[Token], at: int, words: Sequence[str]) -> bool:
    """Whether 'like' (which no token holds), 'as if' or 'as though' stands before a token."""
    said = [token.text for token in tokens[max(at - 2, 0) : at]]
    if said in (["as", "if"], ["as", "though"]):
        return True
    place = tokens[at].word - 1
    return 0 <= place < len(words) and words[place].strip().casefold() == "like"


def _number_stem(value: float, text: str) -> str:
    """What stands for a number in a pattern."""
    if value == 10:
        return "10"
    return "anno" if re.fullmatch(r"(19|20)\d\d", text) else "num"


def _bare_score(value: str) -> str:
    """The answer to 'from one to ten?' as '7/10' or '7-8/10'; empty if it is no such number."""
    found = [number.value for number in quantities.numbers(quantities.tokens(value.split()))]
    if not 0 < len(found) <= 2 or any(not 0 <= one <= 10 for one in found):
        return ""
    return "-".join(map(quantities.plain, found)) + "/10"


def severity_score(value: str) -> str:
    """The number from 0 to 10 in the words of a severity: '7', '7-8'; empty if there is none."""
    said = quantities.tokens(value.split())
    found = [number for number in quantities.numbers(said) if 0 <= number.value <= 10]
    texts = [token.text for token in said]
    for ten, before in zip(found[1:], found, strict=False):
        between = texts[before.last + 1 : ten.first]
        if ten.value == 10 and between in (["out", "of"], ["over"], ["of"]):
            lower = [
                one
                for one in found
                if one.last == before.first - 2 and texts[before.first - 1] in ("or", "to", "and")
            ]
            scores = [*lower, before]
            return "-".join(dict.fromkeys(quantities.plain(one.value) for one in scores))
    scaled = any(texts[at : at + 2] == ["on", "a"] for at in range(len(texts)))
    return quantities.plain(found[0].value) if scaled and found else ""


class Description:
    """What was said of one symptom of one person."""

    def __init__(self, visit: date | None) -> None:
        self._visit = visit
        self._said: dict[str, list[Attribute]] = {}
        self._weak: set[str] = set()

    def add(self, found: Attribute, *, weak: bool = False) -> None:
        """Take an attribute; a weak one (the doctor's recap) only until the patient says it.

        The latest trend counts, and the first of everything else that has only one value.
        """
        said = self._said.setdefault(found.name, [])
        if weak and said and found.name not in self._weak:
            return
        if not weak and found.name in self._weak:
            said.clear()
            self._weak.discard(found.name)
        if weak:
            self._weak.add(found.name)
        scored = any(severity_score(known.value) for known in said)
        again = any(found.value in known.value for known in said)
        if found.name == "trend":
            said[:] = [found]
        elif again or (scored and severity_score(found.value)):
            return
        elif all(known.adds for known in said):
            said[:] = [known for known in said if known.value not in found.value]
            said.insert(len(said) if found.adds else 0, found)
        elif found.adds and len(said) < _MOST_LISTED:
            said.append(found)
        del said[_MOST_LISTED:]

    def values(self) -> dict[str, str]:
        """The values by name, in the order of NAMES, and beside them those in standard form.

        `severity_score` is a number of 0 to 10 ('7', '7-8'), `duration_iso` an ISO 8601 duration,
        `onset_date` an ISO 8601 date, month or year, which needs the date of the visit.
        """
        told: dict[str, str] = {}
        for name in NAMES:
            if not self._said.get(name):
                continue
            told[name] = ", ".join(one.value for one in self._said[name])
            if companion := self._companion(name, told[name]):
                told[_COMPANIONS[name]] = companion
        return told

    def _companion(self, name: str, value: str) -> str:
        if name == "severity":
            return severity_score(value)
        if name == "duration":
            return duration(value)
        return date_of(value, self._visit) if name == "onset" and self._visit else ""


_COMPANIONS = {"severity": "severity_score", "duration": "duration_iso", "onset": "onset_date"}


@cache
def load_attributes() -> AttributeReader:
    """The reader of the package; loaded once."""
    text = files("voicemed.data").joinpath("attributes.toml").read_text(encoding="utf-8")
    return AttributeReader(tomllib.loads(text))
