"""Annotated consultations: what careful readers found in a transcript, a row for each finding.

    {"symptom": "fever", "status": "absent", "experiencer": "patient", "evidence": [5, 6]}

A folder holds NAME.jsonl beside its transcript NAME.json or NAME.txt (transcript_reader.py), or the
first in `gold` and the second in `transcripts`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from voicemed.assertion import Experiencer, Status
from voicemed.errors import TranscriptError
from voicemed.lexicon import load_lexicon
from voicemed.transcript import Turn
from voicemed.transcript_reader import SUFFIXES, read_turns

SCORED = ("present", "absent")
"""Statuses that count; the others are traps."""
OTHER = "other:"
"""Begins the name of a symptom that the inventory lacks."""
_NEAR = 0.7
"""Share of five-word sequences in common from which on two consultations are near-duplicates."""
_SHINGLE = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One annotated finding."""

    symptom: str
    status: str
    experiencer: str
    evidence: frozenset[int]
    "Ids of utterances."

    @property
    def is_scored(self) -> bool:
        """Whether an extractor has to find it."""
        return self.experiencer == Experiencer.PATIENT and self.status in SCORED

    @property
    def is_trap(self) -> bool:
        """Whether reporting it as the patient's present or absent symptom would be wrong."""
        return not self.is_scored and self.status != Status.UNCERTAIN


@dataclass(frozen=True, slots=True)
class Annotated:
    """A consultation and its findings."""

    name: str
    turns: tuple[Turn, ...]
    rows: tuple[Row, ...]
    "Without those that the inventory lacks."

    @property
    def words(self) -> list[str]:
        """All that is said, in lower case without punctuation."""
        return re.findall(r"\w+", " ".join(turn.text for turn in self.turns).casefold())


def read_annotations(folders: Iterable[Path]) -> list[Annotated]:
    """The annotated consultations of folders, in order of their names.

    Raises TranscriptError for a row that is not understood, an annotation without a transcript, and
    a folder without annotations.
    """
    found: list[Annotated] = []
    for folder in folders:
        if not folder.is_dir():
            raise TranscriptError(f"{folder}: no such folder of annotated consultations")
        gold = folder / "gold" if (folder / "gold").is_dir() else folder
        paths = sorted(gold.glob("*.jsonl"))
        if not paths:
            raise TranscriptError(f"{gold}: no annotations (NAME.jsonl) in this folder")
        found += [_read(path, folder) for path in paths]
    return found


def _read(path: Path, folder: Path) -> Annotated:
    places = [path.parent, folder / "transcripts"]
    texts = [place / f"{path.stem}{suffix}" for place in places for suffix in SUFFIXES]
    text = next((one for one in texts if one.is_file()), None)
    if text is None:
        raise TranscriptError(f"{path}: its transcript {path.stem}.json or .txt is missing")
    rows = tuple(_rows(path))
    return Annotated(f"{folder.name}/{path.stem}", read_turns(text), rows)


def _rows(path: Path) -> Iterator[Row]:
    known = load_lexicon().concepts
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TranscriptError(f"{path}: cannot be read as UTF-8 text") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _row(line, f"{path}:{number}")
        if row.symptom.startswith(OTHER):
            continue
        if row.symptom not in known:
            raise TranscriptError(
                f"{path}:{number}: this symptom is not in the inventory; write '{OTHER} ...'"
            )
        yield row


def _row(line: str, place: str) -> Row:
    try:
        data = json.loads(line)
        row = Row(
            str(data["symptom"]),
            Status(data["status"]).value,
            Experiencer(data.get("experiencer", "patient")).value,
            frozenset(map(int, data.get("evidence", ()))),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TranscriptError(
            f"{place}: not a finding; it needs symptom, status (present, absent, uncertain, past, "
            "hypothetical), experiencer (patient, other) and evidence (ids)"
        ) from error
    return row


def without_duplicates(consultations: Sequence[Annotated]) -> list[Annotated]:
    """The consultations without those that nearly repeat an earlier one.

    By the share of five-word sequences in common (Broder 1997), of the shorter text.
    """
    kept: list[Annotated] = []
    known: list[frozenset[tuple[str, ...]]] = []
    for one in consultations:
        shingles = _shingles(one.words)
        if not any(_overlap(shingles, other) >= _NEAR for other in known):
            kept.append(one)
            known.append(shingles)
    return kept


def _shingles(words: Sequence[str]) -> frozenset[tuple[str, ...]]:
    count = max(1, len(words) - _SHINGLE + 1)
    return frozenset(tuple(words[k : k + _SHINGLE]) for k in range(count))


def _overlap(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    return len(one & other) / min(len(one), len(other))


def without_speakers(one: Annotated) -> Annotated:
    """The same with nobody's name on what was said."""
    return replace(one, turns=tuple(replace(turn, speaker="") for turn in one.turns))


def flattened(one: Annotated) -> Annotated:
    """The same in upper case without punctuation, as some recognisers write."""
    return replace(one, turns=tuple(_flat(turn) for turn in one.turns))


def _flat(turn: Turn) -> Turn:
    words = (replace(w, text=re.sub(r"[^\w\s]", "", w.text).upper()) for w in turn.words)
    return replace(turn, words=tuple(word for word in words if word.text.strip()))
