"""Files of a conversation, or of a patient's own words -> Turns.

    .json  a transcript of ours (docs/transcript-format.md), or a list of {id, speaker, text}
    .txt   most lines begin with a speaker ("D: …", "Dr Smith: …", "[patient] …"): a dialogue;
           otherwise a diary, a letter or a note, in which everything is the patient's

In a .txt each line is an utterance, but for blank lines, which do not count, and lines that go on:
those of a text that was wrapped to a width, those that break off ("I have no"), and in a dialogue
those without a speaker. Ids count the utterances from 1. Which labels are whose is data
(voicemed/data/speakers.toml).
"""

from __future__ import annotations

import codecs
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from voicemed.errors import TranscriptError
from voicemed.transcript import SCHEMA, Turn, Word, from_json

SUFFIXES = (".txt", ".json")
"""Of the files that are read, in lower case."""

_WIDTHS = range(40, 121)
"""Columns to which texts are wrapped; with a longer line somewhere it was not wrapped."""
_KNOWN_SHARE = 0.2
"""Of the lines; from there on other labels in the same place are taken for speakers too."""
_NAMED_SHARE = 0.1
"""Of the lines that a label has to have which is nobody's known one."""
_LABELLED_SHARE = 0.5
"""Of the lines of a dialogue that begin with a speaker; and a third of the text stands in them."""
_LONGEST_LABEL = 4
"""Words of a known label: "Dr Anna van Dyk"."""
_LEAST_OF_A_NAME = 3
"""Lines of each of two speakers of whom only the names are given."""


def read_turns(path: Path) -> tuple[Turn, ...]:
    """The turns of a file; words have no times where the file has none.

    Raises TranscriptError for what cannot be read or is in none of the formats, and where two
    utterances have the same id.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise TranscriptError(
            f"{path}: neither .txt nor .json; save a text as .txt, and for a recording use "
            "`voicemed transcribe`"
        )
    text = _text(path)
    turns = _turns_of_json(text, str(path)) if suffix == ".json" else turns_of_text(text)
    if not any(turn.words for turn in turns):
        raise TranscriptError(f"{path}: no words in it")
    times = Counter(turn.id for turn in turns)
    if twice := next((number for number, count in times.items() if count > 1), None):
        raise TranscriptError(f"{path}: two utterances have the id {twice}")
    return tuple(turns)


def is_transcript(path: Path) -> bool:
    """Whether this is a .json that voicemed wrote, by its beginning."""
    try:
        with path.open(encoding="utf-8") as file:
            return SCHEMA.rpartition("/")[0] in file.read(100)
    except (OSError, UnicodeDecodeError):
        return False


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TranscriptError(f"{path}: cannot be read ({error.strerror})") from error
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as Notepad may save
    if not wide and b"\0" in content:
        raise TranscriptError(f"{path}: not a text file")
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise TranscriptError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    if not text.strip():
        raise TranscriptError(f"{path}: it is empty")
    return text


# --- words ---------------------------------------------------------------------------------------

_HAN = r"\u2e80-\u2fdf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORDS = re.compile(rf"\s*(?:[{_HAN}][^\s\w]*|[^\s{_HAN}]+)")


def words_of(text: str) -> tuple[Word, ...]:
    """The words of a written text as a recogniser spells them: Chinese ones character by character.

    They have no times, and no doubt.
    """
    written = (match.group() for match in _WORDS.finditer(f" {text}"))
    return tuple(Word(_spelt(word), 0.0, 0.0, 1.0) for word in written)


def _spelt(word: str) -> str:
    bare = word.lstrip()
    return f" {bare}" if bare != word and not re.match(f"[{_HAN}]", bare) else bare


# --- text ----------------------------------------------------------------------------------------


def turns_of_text(text: str) -> list[Turn]:
    """The utterances of a dialogue, or of a text that is all the patient's."""
    lines = _whole_lines(text)
    said = _dialogue(lines) or [_Said("patient", line) for line in lines]
    return [Turn(number, one.speaker, words_of(one.text)) for number, one in enumerate(said, 1)]


def _whole_lines(text: str) -> list[str]:
    """The lines that are not blank, those that go on joined."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    width = max(map(len, lines), default=0)
    parts: list[list[str]] = []
    before = ""
    for line in lines:
        if before and line and _goes_on(before, line, width):
            parts[-1].append(line)
        elif line:
            parts.append([line])
        before = line
    return [" ".join(part) for part in parts]


def _goes_on(before: str, line: str, width: int) -> bool:
    """Whether a line continues the one before it."""
    if re.search(r"[.?!:;…。？！：；]['\"”’)\]]*$", before) or _is_labelled(line):
        return False
    first, last = line.split()[0], before.split()[-1].lower().replace("’", "'")
    if not first[0].isalnum():  # an item of a list
        return False
    full = width in _WIDTHS and len(before) + 1 + len(first) > width
    broken_off = last.endswith(",") or last in _speakers().open_words
    return full or (broken_off and not first[0].isupper())


# --- speakers ------------------------------------------------------------------------------------

_TIME = r"[\[(]?\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d{1,3})?[\])]?"
_LABEL = re.compile(
    rf"[\"“]?(?:{_TIME}\s+)?(?:\[(?P<boxed>[^\[\]:]{{1,30}})\]\s*[:：]?"
    r"|(?P<plain>[^\W\d][\w .'-]{0,29}?)\s*[:：])\s*(?P<said>.*)"
)
_SLOPPY = re.compile(r"(?P<plain>[DP])[\"'.,;]?\s+(?P<said>[A-Z].*)")
"""'P No.' among lines that begin with 'D:' and 'P:'."""


@dataclass(frozen=True, slots=True)
class _Said:
    """A line with the one who says it."""

    speaker: str
    "A label; empty where there is none."
    text: str


class _Speakers:
    """Known labels of speakers."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._roles = {label: role for role, said in data["roles"].items() for label in said}
        self._others = frozenset(data["others"]["labels"])
        self.open_words = frozenset(data["lines"]["open"])
        "Words at which no sentence ends."

    def knows(self, label: str) -> bool:
        """Whether this label is a speaker's wherever it stands."""
        words = _words(label)
        if not 1 <= len(words) <= _LONGEST_LABEL:
            return False
        return self.named(label) in self._roles.values() or not self._others.isdisjoint(words)

    def named(self, label: str) -> str:
        """doctor, clinician, patient or parent where the label tells; otherwise the label."""
        words = _words(label)
        role = self._roles.get(" ".join(words)) or self._roles.get(words[0] if words else "")
        return role or label


def _words(label: str) -> list[str]:
    return re.findall(r"[^\W_]+", label.lower())


@cache
def _speakers() -> _Speakers:
    text = files("voicemed.data").joinpath("speakers.toml").read_text(encoding="utf-8")
    return _Speakers(tomllib.loads(text))


def _labelled(line: str, pattern: re.Pattern[str] = _LABEL) -> _Said:
    """The line with what may be its speaker's label."""
    match = pattern.match(line)
    if match is None:
        return _Said("", line)
    return _Said(match.groupdict().get("boxed") or match["plain"], match["said"])


def _is_labelled(line: str) -> bool:
    return _speakers().knows(_labelled(line).speaker)


def _dialogue(lines: Sequence[str]) -> list[_Said]:
    """The utterances of a dialogue; none if it is not one."""
    maybe = [_labelled(line) for line in lines]
    labels = _labels_of_speakers(maybe)
    spoken = [one for one in maybe if one.speaker.casefold() in labels]
    others = sum(len(one.text) for one in maybe if one.speaker.casefold() not in labels)
    enough = len(spoken) > _LABELLED_SHARE * len(lines)
    if not enough or 2 * sum(len(one.text) for one in spoken) < others:
        return []  # 'Patient: Jane Doe' also stands above a letter
    return list(_utterances(lines, labels))


def _labels_of_speakers(maybe: Iterable[_Said]) -> frozenset[str]:
    """Which labels are speakers', casefolded: known ones, and others that stand among them."""
    lines = list(maybe)
    counts = Counter(one.speaker.casefold() for one in lines if one.speaker)
    known = {label for label in counts if _speakers().knows(label)}
    if sum(counts[label] for label in known) >= _KNOWN_SHARE * len(lines):
        named = {label for label in counts if counts[label] >= max(2, _NAMED_SHARE * len(lines))}
        return frozenset(known | named)
    names = {label for label in counts if counts[label] >= _LEAST_OF_A_NAME}
    asked = sum(one.text.endswith("?") for one in lines if one.speaker.casefold() in names)
    two_talk = len(counts) == len(names) == 2 and asked >= _KNOWN_SHARE * len(lines)
    return frozenset(names if two_talk else ())


def _utterances(lines: Iterable[str], labels: frozenset[str]) -> Iterator[_Said]:
    """Each label begins an utterance; what has none belongs to the one before."""
    sloppy = labels & {"d", "p"}
    current: _Said | None = None
    for line in lines:
        one = _labelled(line)
        if one.speaker.casefold() not in labels and sloppy:
            one = _labelled(line, _SLOPPY)
        if one.speaker.casefold() in labels:
            if current is not None:
                yield current
            current = _Said(_speakers().named(one.speaker), one.text)
        elif current is not None:
            current = _Said(current.speaker, f"{current.text} {line}")
        else:
            current = _Said("", line)
    if current is not None:
        yield current


# --- JSON ----------------------------------------------------------------------------------------


def _turns_of_json(text: str, name: str) -> Sequence[Turn]:
    """Of a transcript of ours, or of a list of utterances."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TranscriptError(f"{name}: not JSON, or cut short") from error
    if isinstance(data, dict) and "schema" in data:
        return from_json(text, name).turns
    if isinstance(data, list):
        return [_turn(row, f"{name}: utterance {number}") for number, row in enumerate(data, 1)]
    raise TranscriptError(
        f"{name}: neither a transcript of voicemed nor a list of {{id, speaker, text}}"
    )


def _turn(row: object, place: str) -> Turn:
    """An utterance of a list; who speaks may be left out."""
    if not isinstance(row, dict):
        raise TranscriptError(f"{place} is not an object with id, speaker and text")
    number, speaker, text = row.get("id"), row.get("speaker") or "", row.get("text")
    if type(number) is not int:
        raise TranscriptError(f"{place} has no id, or one that is not a whole number")
    if not isinstance(speaker, str):
        raise TranscriptError(f"{place} has a speaker that is not a text")
    if not isinstance(text, str):
        raise TranscriptError(f"{place} has no text")
    return Turn(number, _speakers().named(speaker), words_of(text))
