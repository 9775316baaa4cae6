"""Chinese text: characters made comparable, the phrases among them, and what a sentence says.

    words -> Script (simplified characters, each with its word) -> sentences -> Phrases -> Mentions

Chinese is written without spaces, so nothing here cuts it into words: phrases are looked for at
each character, and the longest wins. Whisper writes it with little punctuation, in simplified or
traditional characters; `read_script` evens this out, and folds questions such as 'ache-not-ache' to
the verb. Phrases and cues are data (voicemed/data/phrases_zh.toml and assertion_zh.toml).
`symptoms_zh.py` joins the sentences of a conversation.
"""

from __future__ import annotations

import csv
import re
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from voicemed.assertion import Status
from voicemed.lexicon import Concept, Kind, Mention, load_lexicon

_DATA = files("voicemed.data")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_LETTERS = re.compile(r"[^\W\d_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_WORD_LENGTH = 1.5
"""Mean characters of a Chinese word."""
_STOP, _ASK, _PAUSE, _LIST = ".", "?", ",", "、"
_MARKS = _STOP + _ASK + _PAUSE + _LIST
_SPACED_WORD = 2.5
"""Mean characters between spaces up to which the spaces stand between words, not clauses."""
_CHOICE = re.compile(r"(?<!差)([\u4e00-\u9fff]{1,2})[不没](?=\1)")
"""'ache-not-ache', 'cough-not-cough': the verb is asked after."""
_ASKING = re.compile(r"吗(?!啡|丁|替)(?=[^.?])")
_LONGEST_GAP = 4
_ADVERBIAL = 8
"""Characters up to which a clause only says when: 'last year in winter, I coughed'."""
_OWNER = re.compile("^(?:我们?家|我|俺家?|咱家?)")
_ADVERBS = re.compile(
    "(?:已经|也|都|基本|就|现在|又|自己|慢慢|差不多|全|今天|今早|昨天|后来|的?症状)*"
)

Label = TypeVar("Label")


@dataclass(slots=True)
class Scripts:
    """Which script a consultation is in, text by text."""

    han: int = 0
    "Chinese characters."
    kana: int = 0
    words: int = 0
    "Words of letters."

    def add(self, text: str) -> None:
        """Count another text."""
        self.han += len(_HAN.findall(text))
        self.kana += len(_KANA.findall(text))
        self.words += len(_LETTERS.findall(text))

    @property
    def chinese(self) -> bool:
        """Whether most is Chinese; Japanese (with kana) is not."""
        return self.kana * 10 <= self.han and self.han > _WORD_LENGTH * self.words


@dataclass(frozen=True, slots=True)
class Script:
    """Comparable characters and where each comes from."""

    text: str
    "Simplified characters, lower case letters, digits, and the marks . ? , and the list comma."
    words: tuple[int, ...]
    "Index of the word of each character."
    asked: frozenset[int]
    "Characters before which a 'ache-not-' was folded away: their sentence asks."

    def sentences(self) -> Iterator[Script]:
        """Cut after each full stop and question mark, and after a question particle."""
        start = 0
        for end, char in enumerate(self.text, 1):
            if char in (_STOP, _ASK) or end == len(self.text):
                if self.text[start:end].strip(_MARKS):
                    yield self.part(start, end)
                start = end

    def part(self, start: int, end: int) -> Script:
        """The characters from start up to end."""
        asked = frozenset(at - start for at in self.asked if start <= at < end)
        return Script(self.text[start:end], self.words[start:end], asked)


def read_script(words: Iterable[str]) -> Script:
    """Make the characters of recognised words comparable."""
    found = [pair for index, word in enumerate(words) for pair in _characters(word, index)]
    found = _without_spaces(found)
    kept: list[tuple[str, int]] = []
    for char, word in found:
        if char in _MARKS and kept and kept[-1][0] in _MARKS:
            if char == _ASK:
                kept[-1] = (char, kept[-1][1])
        elif kept or char not in _MARKS:
            kept.append((char, word))
    return _fold_choices(_end_questions(kept))


def _characters(word: str, index: int) -> Iterator[tuple[str, int]]:
    for written in word:
        for char in unicodedata.normalize("NFKC", written).lower():
            simple = _simplified().get(char, char)
            if mark := _mark(simple):
                yield mark, index
            elif simple.isalnum() or simple in "%-":
                yield simple, index


def _mark(char: str) -> str:
    """The mark that a character counts as; a space for white space, empty if it is none."""
    if char.isspace():
        return " "
    for mark, written in ((_STOP, "。.!！"), (_ASK, "?"), (_LIST, "、/")):
        if char in written:
            return mark
    return _PAUSE if char in ",;:()[]…~—" else ""


def _without_spaces(found: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Spaces between Chinese words say nothing; those between clauses are pauses."""
    text = "".join(char for char, _ in found)
    runs = [len(run) for part in re.split(rf"[{_MARKS}]", text) for run in part.split()]
    spaced = len(runs) > 1 and sum(runs) / len(runs) <= _SPACED_WORD
    kept: list[tuple[str, int]] = []
    for at, (char, word) in enumerate(found):
        before = found[at - 1][0] if at else ""
        after = found[at + 1][0] if at + 1 < len(found) else ""
        if char == " ":
            if not spaced and _HAN.match(before) and _HAN.match(after):
                kept.append((_PAUSE, word))
        elif before.isdigit() and after.isdigit():
            kept.append(({_STOP: "点", "-": "到"}.get(char, char), word))  # 37.6, 3-4
        elif char != "-":
            kept.append((char, word))
    return kept


def _end_questions(found: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """A question mark after each question particle that stands without one."""
    text = "".join(char for char, _ in found)
    ends = {match.start() for match in _ASKING.finditer(text)}
    kept: list[tuple[str, int]] = []
    for at, (char, word) in enumerate(found):
        if at - 1 in ends:
            kept.append((_ASK, found[at - 1][1]))
            if char in _MARKS:
                continue
        kept.append((char, word))
    return kept


def _fold_choices(found: Sequence[tuple[str, int]]) -> Script:
    text = "".join(char for char, _ in found)
    dropped: set[int] = set()
    asking: set[int] = set()
    for match in _CHOICE.finditer(text):
        if match.group() not in _FIXED_CHOICES and match.start() not in dropped:
            dropped |= set(range(match.start(), match.end()))
            asking.add(match.end())
    places = [at for at in range(len(found)) if at not in dropped]
    asked = frozenset(new for new, at in enumerate(places) if at in asking)
    return Script("".join(text[at] for at in places), tuple(found[at][1] for at in places), asked)


_FIXED_CHOICES = frozenset({"有没", "是不", "会不", "能不", "要不", "好不", "对不", "可不", "行不"})
"""Choices that are cues themselves, so they stay."""


@dataclass(frozen=True, slots=True)
class Found(Generic[Label]):
    """A phrase in a text."""

    label: Label
    at: tuple[int, ...]
    "Indices of the characters that it names, ascending; never empty."

    @property
    def first(self) -> int:
        """Index of its first character."""
        return self.at[0]

    @property
    def last(self) -> int:
        """Index of its last character."""
        return self.at[-1]


class Phrases(Generic[Label]):
    """Finds the phrases of several labels in a text, indexed by the first character of each."""

    def __init__(
        self,
        patterns: Iterable[tuple[Label, str]],
        classes: Mapping[str, Sequence[str]] = MappingProxyType({}),
        gap: Sequence[str] = (),
    ) -> None:
        self._classes = classes
        words = "|".join(sorted(map(re.escape, gap), key=len, reverse=True))
        self._gap = f"((?:{words}){{0,{_LONGEST_GAP}}}?)"
        self._plain: dict[str, list[tuple[str, Label]]] = defaultdict(list)
        self._patterns: dict[str, list[tuple[re.Pattern[str], Label]]] = defaultdict(list)
        for label, pattern in patterns:
            self._add(label, pattern)

    def find(self, text: str) -> list[Found[Label]]:
        """All phrases, each pattern at most once at each start, in order of their start."""
        found: list[Found[Label]] = []
        for start, char in enumerate(text):
            for phrase, label in self._plain.get(char, ()):
                if text.startswith(phrase, start):
                    found.append(Found(label, tuple(range(start, start + len(phrase)))))
            for pattern, label in self._patterns.get(char, ()):
                if match := pattern.match(text, start):
                    gaps = {at for span in match.regs[1:] for at in range(*span)}
                    at = tuple(i for i in range(*match.span()) if i not in gaps)
                    found.append(Found(label, at))
        return found

    def _add(self, label: Label, pattern: str) -> None:
        pieces = re.findall(r"\([^)]*\)\??|[^\s?]+\??", pattern)
        if len(pieces) == 1:
            for phrase in self._choices(pieces[0]):
                self._plain[phrase[0]].append((phrase, label))
            return
        compiled = re.compile("".join(map(self._element, pieces)))
        for first in self._firsts(pieces):
            self._patterns[first].append((compiled, label))

    def _firsts(self, pieces: Sequence[str]) -> set[str]:
        firsts: set[str] = set()
        for piece in pieces:
            firsts |= {choice[0] for choice in self._choices(piece)}
            if not piece.endswith("?"):
                break
        return firsts

    def _element(self, piece: str) -> str:
        if piece == "..":
            return self._gap
        choices = "|".join(sorted(map(re.escape, self._choices(piece)), key=len, reverse=True))
        group = f"({choices})" if piece.startswith("(") else f"(?:{choices})"
        return group + ("?" if piece.endswith("?") else "")

    def _choices(self, piece: str) -> list[str]:
        choices: list[str] = []
        for text in piece.removesuffix("?").strip("()").split("|"):
            named = text.startswith("{") and text.endswith("}")
            choices += self._classes[text[1:-1]] if named else [text]
        return choices


class ChineseLexicon:
    """The concepts and the Chinese phrases that name them."""

    def __init__(
        self, concepts: Mapping[str, Concept], names: Mapping[str, str], data: Mapping[str, Any]
    ) -> None:
        """`names`: the Chinese name of each concept; several stand with a slash between them."""
        classes: dict[str, Sequence[str]] = dict(data["classes"])
        kinds = {"phrases": Kind.SYMPTOM, "normal": Kind.NORMAL, "topic": Kind.TOPIC}
        kinds["denial"] = Kind.DENIAL
        patterns: list[tuple[tuple[Concept, Kind] | None, str]]
        patterns = [(None, pattern) for pattern in data["ignore"]]
        for name, concept in concepts.items():
            patterns += [((concept, Kind.SYMPTOM), one) for one in names[name].split("/")]
            for key, values in data["concepts"][name].items():
                if key in kinds:
                    patterns += [((concept, kinds[key]), value) for value in values]
                    continue
                site = f"{key}-of-{name.replace(' ', '-')}"
                classes[site] = values
                patterns += [
                    ((concept, Kind.SYMPTOM), template.replace("SITE", f"{{{site}}}"))
                    for template in data["templates"][key]
                ]
        self._phrases = Phrases(patterns, classes, data["gap"])

    def mentions(self, text: str) -> list[Mention]:
        """The longest mentions in a sentence, in order; overlapping ones where both hold."""
        found = [
            one  # but no 'without strength' in 'with or without strength?'
            for one in self._phrases.find(text)
            if not (text[one.first] == "没" and text[max(one.first - 1, 0)] == "有")
        ]
        kept = [one for one in found if not any(_hides(other, one) for other in found)]
        unique: dict[tuple[Concept, Kind, tuple[int, ...]], Mention] = {}
        for one in kept:
            if one.label is not None:
                concept, kind = one.label
                mention = Mention(concept, kind, one.at, len(one.at))
                unique.setdefault((concept, kind, one.at), mention)
        return sorted(unique.values(), key=lambda mention: (mention.first, mention.last))


def _hides(other: Found[Any], one: Found[Any]) -> bool:
    """Whether `other` says the same characters and more, or the same less doubtfully."""
    mine, theirs = {*one.at}, {*other.at}
    if other.label is None:
        return bool(mine & theirs) and one.label is not None and len(theirs) >= len(mine)
    if one.label is None:
        return False
    if mine & theirs and (other.first, other.last) != (one.first, one.last):
        if other.first <= one.first and one.last <= other.last:
            return True
        if one.first <= other.first and other.last <= one.last:
            return False
    if other.label[0] == one.label[0] and mine & theirs:
        if len(mine) != len(theirs):
            return len(theirs) > len(mine)
        order = (Kind.SYMPTOM, Kind.DENIAL, Kind.NORMAL, Kind.TOPIC)
        ranks = order.index(other.label[1]), order.index(one.label[1])
        return ranks[0] < ranks[1] or (ranks[0] == ranks[1] and other.at < one.at)
    # 'head dizzy belly aches': what begins inside another and is shorter took a word of it
    return bool(mine & theirs) and len(theirs) > len(mine)


# --- what a sentence says -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its mentions and the cues around them."""

    script: Script
    mentions: tuple[Mention, ...]
    cues: Mapping[str, tuple[tuple[int, int], ...]]
    "First and last character of each cue, by its label in the data file."
    fillers: frozenset[str]
    "What may stand between a negation and what it denies."

    @property
    def text(self) -> str:
        """Its comparable characters."""
        return self.script.text

    @property
    def asks(self) -> bool:
        """Whether it asks at all."""
        return self.text.endswith(_ASK) or bool(self.script.asked) or self.has("asks")

    @property
    def open(self) -> bool:
        """Whether it asks for more than yes or no: since when, where, how, what."""
        return self.has("open") and not (self.has("choice") or self.script.asked)

    def has(self, label: str) -> bool:
        """Whether a cue of that label occurs."""
        return bool(self.cues[label])

    def words_of(self, label: str) -> list[str]:
        """The characters of each such cue, without a 'my' before them."""
        return [_OWNER.sub("", self.text[first : last + 1]) for first, last in self.cues[label]]

    def before(self, label: str, place: int) -> bool:
        """Whether such a cue ends before a character."""
        return any(last < place for _, last in self.cues[label])

    def asked_mentions(self) -> list[Mention]:
        """What a question for yes or no asks after: in 'a cough with phlegm or not?' the phlegm."""
        choices = [first for first, _ in self.cues["choice"]]
        after = [one for one in self.mentions if choices and one.first > choices[0]]
        if after:
            return after
        folded = [one for one in self.mentions if self._near_fold(one)]
        return folded or list(self.mentions)

    def _near_fold(self, mention: Mention) -> bool:
        return any(mention.first <= at <= mention.last for at in self.script.asked)

    def excepted(self, mention: Mention) -> bool:
        """Whether a question is after something else: 'besides the headache, ...'."""
        starts = [first for first, _ in self.cues["besides"] if first < mention.first]
        after = any(mention.last < first <= mention.last + 4 for first, _ in self.cues["besides"])
        return bool(starts) and (after or _PAUSE in self.text[mention.last :] or self.has("choice"))

    def tells_past(self, mention: Mention) -> bool:
        """Whether it is told, or asked after, as of before."""
        return self._in_clause("past", mention) and not self._now(mention)

    def status(self, mention: Mention) -> Status | None:
        """What the sentence says of the mention if a patient says it; None if nothing of now."""
        denied = self.denied(mention) or self._over(mention)
        if self._supposed(mention):
            return Status.HYPOTHETICAL
        if denied and self._asked_in_clause(mention) and not self.before("negation", 2):
            return None  # 'does one not get a cough from it?'
        past = self.tells_past(mention)
        if mention.kind in (Kind.NORMAL, Kind.DENIAL):
            denied = not denied
        if denied:
            return None if past else Status.ABSENT
        if self._in_clause("uncertain", mention) or self._doubted_after(mention):
            return Status.UNCERTAIN
        return Status.PAST if past else Status.PRESENT

    def denied(self, mention: Mention) -> bool:
        """Whether a negation stands before the mention, inside it, or right after it."""
        inside = any(mention.first < first < mention.last for first, _ in self.cues["negation"])
        return inside or self._denied_before(mention) or self._denied_after(mention)

    def resolved(self, mention: Mention) -> bool:
        """Whether it is told as over, or as never before: 'aches no more', 'never ached'."""
        tail = self.text[mention.last : mention.last + 2]
        return self._over(mention) or (self.denied(mention) and bool({"了", "过"} & {*tail}))

    def _over(self, mention: Mention) -> bool:
        """'The fever is gone.'"""
        return any(
            first > mention.last and _ADVERBS.fullmatch(self.text[mention.last + 1 : first])
            for first, _ in self.cues["resolved"]
        )

    def subject(self, mention: Mention) -> str:
        """Who else than the speaker has it by the words of this sentence ('mother'); else empty."""
        nearest = max((cue for cue in self.cues["other"] if cue[1] < mention.first), default=None)
        own = max((last for _, last in self.cues["self"] if last < mention.first), default=-1)
        if nearest is None or nearest[1] <= own:
            return ""
        return _OWNER.sub("", self.text[nearest[0] : nearest[1] + 1])

    @property
    def speaks_of_self(self) -> bool:
        """Whether the speaker names themself, other than in 'my mother'."""
        others = {at for first, last in self.cues["other"] for at in range(first, last + 1)}
        return any(first not in others for first, _ in self.cues["self"])

    def _denied_before(self, mention: Mention) -> bool:
        """A negation reaches over a list and words of no weight, not over anything else."""
        for first, last in self.cues["negation"]:
            if last >= mention.first or self._is_answer(first, last):
                continue
            between = self._unnamed(last + 1, mention.first)
            if _made_of(between, self.fillers) and self._carries(last + 1, mention):
                return True
        return False

    def _carries(self, start: int, mention: Mention) -> bool:
        """Over a comma a negation carries only to what stands bare: 'no fever, cough'."""
        if _PAUSE not in self.text[start : mention.first]:
            return True
        clause_end = min(
            (at for at in range(mention.last, len(self.text)) if self.text[at] in _MARKS),
            default=len(self.text),
        )
        clause_start = self.text.rfind(_PAUSE, 0, mention.first) + 1
        rest = self._unnamed(clause_start, mention.first) + self._unnamed(
            mention.last + 1, clause_end
        )
        return bool(
            re.fullmatch(r"[也或和及跟还]*(?:这些|什么|之类|症状|情况|的|都没有|等)*", rest)
        )

    def _unnamed(self, start: int, end: int) -> str:
        named = {at for one in self.mentions for at in one.tokens}
        return "".join(self.text[at] for at in range(start, end) if at not in named)

    def _is_answer(self, first: int, last: int) -> bool:
        """Whether this 'no' answers, with a pause after it, rather than denies what follows."""
        return first == 0 and self.text[last + 1 : last + 2] == _PAUSE

    def _denied_after(self, mention: Mention) -> bool:
        """'Fever and cough, none.'"""
        for first, last in self.cues["denied_after"]:
            if mention.last < first and not self._continues(last + 1):
                between = self._unnamed(mention.last + 1, first)
                if re.fullmatch(
                    r"[、,和跟或及都也倒是的还]*|(?:这些|等|症状|情况|现在|目前|都|也|的|、|,)*",
                    between,
                ):
                    return True
        return False

    def _continues(self, start: int) -> bool:
        """Whether the words go on, so that a 'no' before them denies those."""
        rest = self.text[start:]
        return (
            bool(rest) and rest[0] not in _MARKS and not rest.startswith(("了", "的", "啊", "过"))
        )

    def _asked_in_clause(self, mention: Mention) -> bool:
        end = self.text.find(_PAUSE, mention.last)
        if end < 0 and self.text.endswith(_ASK):
            return True
        return any(self._same_clause(first, mention) for first, _ in self.cues["asks"])

    def _same_clause(self, place: int, mention: Mention) -> bool:
        low, high = sorted((place, mention.first))
        return _PAUSE not in self.text[low:high]

    def _supposed(self, mention: Mention) -> bool:
        """Whether a fear, a condition or a general question stands before it."""
        for label in ("hypothetical", "choice", "purpose"):
            for first, last in self.cues[label]:
                between = self.text[last + 1 : mention.first]
                if first > mention.first or "就" in between or self._turned(last, mention):
                    continue
                if any(last < at < mention.first for at, _ in self.cues["given"]):
                    continue  # 'is it cancer that causes the cough?'
                if label == "hypothetical" or _PAUSE not in between:
                    return True
        after = any(first == mention.last + 1 for first, _ in self.cues["supposed"])
        return after and not self._denied_before(mention)

    def _in_clause(self, label: str, mention: Mention) -> bool:
        """Whether such a cue stands before it, in its clause or alone in the clause before."""
        for first, last in self.cues[label]:
            if first >= mention.first or self._turned(last, mention):
                continue
            head, _, tail = self.text[last + 1 : mention.first].partition(_PAUSE)
            if not tail and _PAUSE not in self.text[last + 1 : mention.first]:
                return True
            if len(head) <= _ADVERBIAL and _PAUSE not in tail and not self._names(first, mention):
                return True
        return False

    def _names(self, start: int, mention: Mention) -> bool:
        return any(start < one.first < mention.first for one in self.mentions)

    def _turned(self, last: int, mention: Mention) -> bool:
        return any(last < at < mention.first for at, _ in self.cues["turn"])

    def _doubted_after(self, mention: Mention) -> bool:
        return any(0 < first - mention.last <= 2 for first, _ in self.cues["uncertain_after"])

    def _now(self, mention: Mention) -> bool:
        return any(self._same_clause(first, mention) for first, _ in self.cues["now"])


def _made_of(text: str, words: frozenset[str]) -> bool:
    """Whether a text is nothing but these words, one after the other."""
    ends = {0}
    for end in range(1, len(text) + 1):
        if any(text[start:end] in words for start in ends):
            ends.add(end)
    return len(text) in ends


class ChineseRules:
    """The cues of the data file, ready to read sentences."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        classes: Mapping[str, Sequence[str]] = data["classes"]

        def phrases(section: str) -> Phrases[str]:
            return Phrases(
                ((label, pattern) for label, said in data[section].items() for pattern in said),
                classes,
            )

        self._cues, self._replies = phrases("cues"), phrases("reply")
        self._said, self._asked = phrases("said"), phrases("asked")
        self._fillers = frozenset(data["fillers"])

    def read(self, script: Script, mentions: Sequence[Mention]) -> Sentence:
        """The sentence of these characters, which hold these mentions."""
        cues: dict[str, list[tuple[int, int]]] = defaultdict(list)
        named = {at for mention in mentions for at in mention.tokens}
        for found in _longest(self._cues.find(script.text)):
            last = found.last
            if found.label in _PLACED:
                if last > found.first and last in named and script.text[last] == "有":
                    last -= 1  # of 'not have phlegm' the 'have' may be part of the mention
                if not named.isdisjoint(range(found.first, last + 1)):
                    continue
            cues[found.label].append((found.first, last))
        for label, mask in _MASKS.items():
            masked = {at for first, last in cues[mask] for at in range(first, last + 1)}
            cues[label] = [cue for cue in cues[label] if cue[0] not in masked]
        return Sentence(
            script,
            tuple(mentions),
            defaultdict(tuple, {label: tuple(spans) for label, spans in cues.items()}),
            self._fillers,
        )

    def reply(self, text: str) -> tuple[str, int]:
        """What the beginning of a text answers, and how many characters say it; '' if nothing."""
        start = 0
        for found in self._replies.find(text):
            if found.label == "listening" and found.first == start:
                start = found.last + 1
                while text[start : start + 1] in (_PAUSE, _STOP):
                    start += 1
        here = [one for one in self._replies.find(text) if one.first == start]
        here = [one for one in here if one.label != "listening"]
        if not here:
            return "", start
        best = max(here, key=lambda one: len(one.at))
        return best.label, best.last + 1

    def attributes(self, text: str, asked: str = "") -> dict[str, tuple[str, int]]:
        """Attributes in a text, each with its words and the place of the first; longest wins."""
        found: dict[str, tuple[str, int]] = {}
        for one in self._said.find(text):
            name = one.label
            if name == "time":
                if asked not in ("onset", "duration"):
                    continue
                name = asked
            value = text[one.first : one.last + 1]
            if name not in found or len(value) > len(found[name][0]):
                found[name] = value, one.first
        return found

    def asked_attribute(self, text: str) -> str:
        """The attribute after which a question asks; empty if none."""
        labels = [one.label for one in self._asked.find(text)]
        return "" if "elsewhere" in labels or not labels else labels[0]


_MASKS = MappingProxyType(
    {
        "negation": "pseudo",
        "hypothetical": "given",
        "purpose": "given",
        "doctor": "greeting",
        "past": "ago",
        "asks": "amount",
        "open": "amount",
    }
)
"""Cues that are none where one of another label covers them."""
_PLACED = frozenset(
    "negation denied_after other self past hypothetical purpose uncertain turn".split()
)
"""Cues that are none inside a mention: the 'not' of 'sleeps not well' denies nothing."""


def _longest(found: Sequence[Found[str]]) -> list[Found[str]]:
    """Of one label, only those that no longer one covers."""
    return [
        one for one in found if not any(o.label == one.label and {*one.at} < {*o.at} for o in found)
    ]


@cache
def load_chinese_lexicon() -> ChineseLexicon:
    """The Chinese lexicon of the package; loaded once."""
    return ChineseLexicon(load_lexicon().concepts, _names(), _phrases())


@cache
def load_chinese_rules() -> ChineseRules:
    """The Chinese rules of the package; loaded once."""
    text = _DATA.joinpath("assertion_zh.toml").read_text(encoding="utf-8")
    return ChineseRules(tomllib.loads(text))


@cache
def _phrases() -> Mapping[str, Any]:
    return tomllib.loads(_DATA.joinpath("phrases_zh.toml").read_text(encoding="utf-8"))


@cache
def _simplified() -> Mapping[str, str]:
    """Simplified form of the traditional characters that the data files' words have."""
    groups: str = _phrases()["characters"]["groups"]
    return {old: group[0] for group in groups.split() for old in group[1:]}


def _names() -> Mapping[str, str]:
    text = _DATA.joinpath("concepts.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return {row["name"]: row["zh"] for row in rows}
