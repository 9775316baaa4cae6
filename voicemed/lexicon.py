"""The symptom concepts, their names and codes, and how they are said in everyday speech.

    words of a turn --tokenize--> tokens --Lexicon.mentions--> mentions of concepts

`PhraseMatcher` finds word patterns in tokens; the lexicon uses it for symptoms, `assertion.py` for
the words around them. The patterns are data (voicemed/data/phrases.toml), where their syntax is
described.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Generic, TypeVar

HPO = "http://purl.obolibrary.org/obo/hp.owl"
"""FHIR's name for the Human Phenotype Ontology as a code system."""
OWN_CODES = "urn:voicemed:symptom"
"""The code system of the concepts that HPO lacks; the code is the name with hyphens."""

_DATA = files("voicemed.data")
_WORD = re.compile(r"[a-z0-9]+")
_HUMMED_YES = re.compile(r"\b(?:m+[ -]?h+m+|uh[ -]?huh)\b")
_HUMMED_NO = re.compile(r"\b(?:n?uh-uh|mm-mm)\b")
_SCOTS_NOT = re.compile(r"\b(have|has|had|did|does|is|was|were|are|could|would|ca)nae\b")
_FILLERS = frozenset({"um", "uh", "er", "erm", "umm", "uhm", "like", "kinda", "sorta"})
_FILLER_PAIRS = frozenset({("kind", "of"), ("sort", "of"), ("you", "know")})
_LITTLE = frozenset(
    "bit while lump rash spot cough pain lad boy girl skip turn twinge ache flutter drop nap walk "
    "sleep drink one man thing dizzy sore stroke tickle".split()
)
"""After these 'wee' is Scots for little: 'a wee bit'."""
_GAP_STOPS = frozenset({"but", "no", "yes", "yeah", "if"})
_GAP = 3
_ANSWERS = frozenset({"no", "yes", "yeah"})
_AUXILIARIES = ["do", "did", "does", "have", "has", "had", "is", "are", "was", "were", "would"]
_CLITICS: Mapping[tuple[str, str], str] = MappingProxyType(
    {(verb, "nt"): f"{verb}nt" for verb in [*_AUXILIARIES, "could", "should", "ca", "wo", "ai"]}
    | {("gon", "na"): "gonna", ("wan", "na"): "wanna", ("got", "ta"): "gotta"}
    | {("can", "not"): "cannot"}
)
"""Words that some transcripts write in two: 'do n't', 'gon na'."""
_STEMS = frozenset({"youre", "here"})
"""Words that lose no ending: without it they would be other words ('your', 'her')."""

Label = TypeVar("Label")


@dataclass(frozen=True, slots=True)
class Concept:
    """A symptom of the inventory, as a FHIR Coding, with its names in other systems."""

    system: str
    "HPO's URI where the concept has an HPO id, else this project's own code system."
    code: str
    display: str
    "The `name` of the inventory (voicemed/data/concepts.tsv)."
    icd10: str = field(default="", compare=False)
    "ICD-10-CM (April 2026), of chapter R where one fits; empty where none does."
    display_zh: str = field(default="", compare=False)
    "The name in Chinese; empty if unknown."


@dataclass(frozen=True, slots=True)
class Token:
    """A word made comparable: lower case, no apostrophe, one form for all its inflections."""

    text: str
    "Lower case letters and digits only."
    stem: str
    word: int
    "Index in the turn's words; one written word may hold several tokens."
    mark: str = ""
    "The punctuation that follows: '.', '?', '!', ',' or nothing."


class Kind(StrEnum):
    """What a phrase says of its concept."""

    SYMPTOM = "symptom"
    "Names the symptom: 'short of breath'."
    NORMAL = "normal"
    "Says that the function is well: 'eating fine'. Its affirmation is the symptom's denial."
    TOPIC = "topic"
    "Names the function only, which counts where somebody asks how it is: 'your sleep'."
    DENIAL = "denial"
    "Rules the symptom out by itself: 'a dry cough' has no phlegm."


@dataclass(frozen=True, slots=True)
class Mention:
    """A phrase of a concept among the tokens of a sentence."""

    concept: Concept
    kind: Kind
    tokens: tuple[int, ...]
    "Indices of the tokens that name it, ascending and not always adjacent."
    weight: int
    "How many tokens the pattern took, context included: the larger, the more specific."
    referred: bool = False
    "A general word ('any blood?') that names its concept only of what is talked about."

    @property
    def first(self) -> int:
        """Index of the first token."""
        return self.tokens[0]

    @property
    def last(self) -> int:
        """Index of the last token."""
        return self.tokens[-1]


def tokenize(words: Iterable[str]) -> list[Token]:
    """The tokens of written words, without fillers (um, like, you know) and stammered repeats."""
    tokens: list[Token] = []
    for index, word in enumerate(words):
        text = _HUMMED_YES.sub("mhm", word.lower().replace("’", "'"))
        text = _HUMMED_NO.sub("no", text)
        parts = _WORD.findall(_without_contraction(text))
        mark = _mark(text)
        if not parts and tokens and mark and not tokens[-1].mark:
            parts, tokens[-1:] = [], [_marked(tokens[-1], mark)]
        if parts and tokens and (whole := _CLITICS.get((tokens[-1].text, parts[0]))):
            parts, tokens[-1:] = parts[1:], [Token(whole, stem(whole), tokens[-1].word, mark)]
        for place, part in enumerate(parts):
            _append(tokens, Token(part, stem(part), index, mark if place == len(parts) - 1 else ""))
    return tokens


def _without_contraction(text: str) -> str:
    if text.startswith("we're"):
        return "we"  # "were" is another word
    text = _SCOTS_NOT.sub(r"\1nt", text)
    return re.sub(r"^\s*\w+'ll\b", "will", text).replace("'", "")  # so is "ill"


def _mark(text: str) -> str:
    tail = re.search(r"[.?!,;:…-]+[^a-z0-9]*$", text)
    if tail is None:
        return ""
    found = tail.group()
    return next((mark for mark in "?!" if mark in found), "." if {".", "…"} & {*found} else ",")


def _marked(token: Token, mark: str) -> Token:
    return Token(token.text, token.stem, token.word, mark)


def _append(tokens: list[Token], token: Token) -> None:
    """Add the token unless it is a filler, or repeats the last one as a stammer does."""
    previous = tokens[-1] if tokens else None
    dropped = token.text in _FILLERS
    if previous and (previous.text, token.text) in _FILLER_PAIRS and not previous.mark:
        tokens.pop()
        previous, dropped = (tokens[-1] if tokens else None), True
    if previous and previous.text == "wee" and token.text in _LITTLE:
        previous = tokens[-1] = Token("little", stem("little"), previous.word, previous.mark)
    stammer = previous is not None and previous.text == token.text and previous.mark in ("", ",")
    stammer = stammer and token.text not in _ANSWERS  # 'No, no fever' says two things
    if [one.text for one in tokens[-3:]] == [_last(tokens), token.text, _last(tokens)]:
        tokens.pop()  # 'when I, when I use'
        stammer = True
    if not dropped and not stammer:
        tokens.append(token)
    elif previous and token.mark and previous.mark in ("", ","):
        tokens[-1] = _marked(previous, token.mark)


def _last(tokens: Sequence[Token]) -> str:
    return tokens[-1].text if tokens else ""


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """One form for the inflections of a word, not always a word itself (aching, aches: 'ach')."""
    if word in _STEMS:
        return word
    word = _irregular().get(word) or _corrected(word)
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 4 and word.endswith(("ses", "xes", "zes", "ches", "shes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        root = word.removesuffix(ending)
        if root != word and len(root) > 2 and root[-1] != "e" and re.search("[aeiouy]", root):
            double = root[-1] == root[-2] and root[-1] not in "flsz"
            word = root[:-1] if double else root
            break
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def _corrected(word: str) -> str:
    """The long medical word of which this is a misrecognition, else the word itself."""
    if len(word) < 6:
        return word
    for known in _phrases()["misheard"]["words"]:
        allowed = 1 if len(known) < 9 else 2
        if word[0] == known[0] and _distance(word, known, allowed) <= allowed:
            return str(known)
    return word


def _distance(left: str, right: str, limit: int) -> int:
    """Levenshtein distance, or some number above the limit."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    row = list(range(len(right) + 1))
    for index, letter in enumerate(left, 1):
        diagonal, row[0] = row[0], index
        for column, other in enumerate(right, 1):
            cost = min(row[column] + 1, row[column - 1] + 1, diagonal + (letter != other))
            diagonal, row[column] = row[column], cost
    return row[-1]


@dataclass(frozen=True, slots=True)
class _Element:
    """One step of a pattern: a choice of word sequences, or a gap."""

    choices: tuple[tuple[str, ...], ...] = ()
    optional: bool = False
    context: bool = False
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Match(Generic[Label]):
    """Where a pattern was found."""

    label: Label
    tokens: tuple[int, ...]
    "Indices of the tokens that it names; never empty."
    weight: int
    "How many tokens it took, context included."


@dataclass(frozen=True, slots=True)
class _Pattern(Generic[Label]):
    label: Label
    elements: tuple[_Element, ...]
    needs: frozenset[str]
    "Stems, one of which must be in the sentence: those that can begin the last required element."


class PhraseMatcher(Generic[Label]):
    """Finds the patterns of several labels in tokens, indexed by the first word of each."""

    def __init__(
        self,
        patterns: Iterable[tuple[Label, str]],
        classes: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self._by_first: dict[str, list[_Pattern[Label]]] = defaultdict(list)
        parse = _PatternParser(classes)
        for label, pattern in patterns:
            self._add(label, parse(pattern))

    def _add(self, label: Label, elements: tuple[_Element, ...]) -> None:
        required = [one for one in elements if one.choices and not one.optional]
        needs = frozenset(choice[0] for choice in required[-1].choices) if required else frozenset()
        for first in {choice[0] for choice in elements[0].choices}:
            self._by_first[first].append(_Pattern(label, elements, needs))
        if elements[0].optional:
            self._add(label, elements[1:])

    def find(self, tokens: Sequence[Token]) -> Iterator[Match[Label]]:
        """All matches, each pattern at most once at each start, in order of their start."""
        stems = [token.stem for token in tokens]
        present = frozenset(stems)
        for start, first in enumerate(stems):
            for pattern in self._by_first.get(first, ()):
                if pattern.needs.isdisjoint(present):
                    continue  # most patterns end here, cheaply
                found = _match(stems, start, pattern.elements, 0)
                if found and (named := tuple(at for at, context in found if not context)):
                    yield Match(pattern.label, tuple(sorted(named)), len(found))


def _match(
    stems: Sequence[str], at: int, elements: tuple[_Element, ...], step: int
) -> tuple[tuple[int, bool], ...] | None:
    """The (index, is context) of what elements[step:] take from stems[at:], or None."""
    if step == len(elements):
        return ()
    element = elements[step]
    if element.gap:
        for skip in range(element.gap + 1):
            rest = _match(stems, at + skip, elements, step + 1)
            if rest is not None:
                return rest
            if at + skip >= len(stems) or stems[at + skip] in _GAP_STOPS:
                return None
        return None
    for choice in element.choices:
        end = at + len(choice)
        if tuple(stems[at:end]) == choice:
            rest = _match(stems, end, elements, step + 1)
            if rest is not None:
                return tuple((index, element.context) for index in range(at, end)) + rest
    return _match(stems, at, elements, step + 1) if element.optional else None


class _PatternParser:
    """Turns the notation of the data files into elements."""

    def __init__(self, classes: Mapping[str, Sequence[str]]) -> None:
        self._classes = {
            name: tuple(filter(None, (self._phrase(entry) for entry in entries)))
            for name, entries in classes.items()
        }

    @staticmethod
    def _phrase(text: str) -> tuple[str, ...]:
        return tuple(token.stem for token in tokenize(text.split()))

    def __call__(self, pattern: str) -> tuple[_Element, ...]:
        pieces = re.findall(r"\([^)]*\)\??|\S+", pattern)
        return tuple(element for piece in pieces if (element := self._element(piece)))

    def _element(self, piece: str) -> _Element | None:
        optional, piece = piece.endswith("?"), piece.removesuffix("?")
        context = piece.startswith("(")
        piece = piece.strip("()")
        if piece.startswith(".."):
            return _Element(gap=int(piece[2:] or _GAP))
        choices: list[tuple[str, ...]] = []
        for text in piece.split("|"):
            named = text.startswith("{") and text.endswith("}")
            choices += self._classes[text[1:-1]] if named else [self._phrase(text)]
        kept = tuple(sorted(filter(None, choices), key=len, reverse=True))
        return _Element(kept, optional, context) if kept else None


class Lexicon:
    """The concepts and the phrases that name them."""

    def __init__(self, concepts: Mapping[str, Concept], phrases: Mapping[str, Any]) -> None:
        self.concepts = concepts
        "By name, in the order of the inventory."
        classes: dict[str, list[str]] = dict(phrases["classes"])
        patterns: list[tuple[tuple[Concept, Kind], str]] = []
        kinds = {
            "phrases": Kind.SYMPTOM,
            "normal": Kind.NORMAL,
            "topic": Kind.TOPIC,
            "denial": Kind.DENIAL,
        }
        for name, said in phrases["concepts"].items():
            for key, values in said.items():
                label = concepts[name], kinds.get(key, Kind.SYMPTOM)
                if key not in kinds:  # then the values are places, and the key names a template
                    site = f"{key}-of-{name.replace(' ', '-')}"
                    classes[site] = values
                    values = [
                        template.replace("SITE", f"{{{site}}}")
                        for template in phrases["templates"][key]
                    ]
                patterns += [(label, value) for value in values]
        self._ignore = PhraseMatcher((("", pattern) for pattern in phrases["ignore"]), classes)
        self._phrases = PhraseMatcher(patterns, classes)

    def readable(self, tokens: Sequence[Token]) -> list[Token]:
        """The tokens, blank where they belong to what is no symptom: 'blood pressure'."""
        ignored = {at for match in self._ignore.find(tokens) for at in match.tokens}
        return [
            Token("", "", token.word, token.mark) if at in ignored else token
            for at, token in enumerate(tokens)
        ]

    def mentions(self, tokens: Sequence[Token]) -> list[Mention]:
        """The most specific mentions in a sentence, in order; overlapping ones where both hold.

        'chest pain' hides 'pain'; 'chest or back pain' gives both, and so does 'hot and cold'.
        """
        readable = self.readable(tokens)
        found: dict[tuple[Concept, Kind, tuple[int, ...]], Mention] = {}
        for match in self._phrases.find(readable):
            concept, kind = match.label
            key = concept, kind, match.tokens
            if key not in found or found[key].weight < match.weight:
                found[key] = Mention(concept, kind, match.tokens, match.weight)
        kept = [one for one in found.values() if not any(_hides(o, one) for o in found.values())]
        kept = [one for one in kept if not _is_stitched(one, kept)]
        return sorted(kept, key=lambda mention: (mention.first, mention.last))


def _hides(other: Mention, mention: Mention) -> bool:
    """Whether `other` says the same words more specifically ('not sleeping' in 'sleeping well')."""
    shared = {*mention.tokens} & {*other.tokens}
    if mention.concept == other.concept and shared and mention.kind is not other.kind:
        if _rules_out(other, mention):
            return True  # 'temperature is normal' says more than 'temperature'
        order = (Kind.SYMPTOM, Kind.DENIAL, Kind.NORMAL, Kind.TOPIC)
        first = order.index(other.kind) < order.index(mention.kind)
        return first and not _rules_out(mention, other)
    return other.weight > mention.weight and shared == {*mention.tokens}


def _is_stitched(mention: Mention, others: Sequence[Mention]) -> bool:
    """Whether it only joins words of two others: no sore eyes in 'sore throat or itchy eyes'."""
    if mention.last - mention.first < len(mention.tokens):
        return False
    around = [one for one in others if one.concept != mention.concept]
    left = any(one.first == mention.first < one.last < mention.last for one in around)
    right = any(mention.first < one.first < mention.last == one.last for one in around)
    return left and right


def _rules_out(mention: Mention, symptom: Mention) -> bool:
    """Whether a well function or a denial holds all words of a symptom, and more."""
    ruling = mention.kind in (Kind.NORMAL, Kind.DENIAL) and symptom.kind is Kind.SYMPTOM
    return ruling and {*mention.tokens} > {*symptom.tokens}


@cache
def load_lexicon() -> Lexicon:
    """The lexicon of the package; loaded once."""
    return Lexicon(_load_concepts(), _phrases())


@cache
def _phrases() -> Mapping[str, Any]:
    return tomllib.loads(_DATA.joinpath("phrases.toml").read_text(encoding="utf-8"))


@cache
def _irregular() -> Mapping[str, str]:
    table: Mapping[str, str] = _phrases()["irregular"]
    return table


def _load_concepts() -> Mapping[str, Concept]:
    text = _DATA.joinpath("concepts.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return {
        row["name"]: Concept(
            HPO if row["hpo"] else OWN_CODES,
            row["hpo"] or row["name"].replace(" ", "-"),
            row["name"],
            row["icd10"],
            row["zh"],
        )
        for row in rows
    }
