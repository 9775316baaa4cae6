"""Annotated consultations: reading, checking, near-duplicates, other kinds of text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed.annotations import (
    Annotated,
    flattened,
    read_annotations,
    without_duplicates,
    without_speakers,
)
from voicemed.errors import TranscriptError
from voicemed.transcript import Turn, Word

SAID = [
    {"id": 1, "speaker": "doctor", "text": "Any fever, or chills?"},
    {"id": 2, "speaker": "patient", "text": "No. My wife has a cough."},
]
ROWS = [
    {"symptom": "fever", "status": "absent", "experiencer": "patient", "evidence": [1, 2]},
    {"symptom": "cough", "status": "present", "experiencer": "other", "evidence": [2]},
    {"symptom": "other: cold feet about it", "status": "present", "evidence": [2]},
]


def write(folder: Path, name: str = "visit", rows: object = ROWS, said: object = SAID) -> None:
    folder.mkdir(exist_ok=True, parents=True)
    (folder / f"{name}.json").write_text(json.dumps(said), encoding="utf-8")
    lines = [json.dumps(row) for row in rows] if isinstance(rows, list) else [str(rows)]
    (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")


def consultation(name: str, text: str) -> Annotated:
    words = tuple(Word(f" {word}", 0.0, 0.0, 1.0) for word in text.split())
    return Annotated(name, (Turn(1, "patient", words),), ())


def test_rows_and_turns_are_read_side_by_side(tmp_path: Path) -> None:
    write(tmp_path / "clinic")
    (one,) = read_annotations([tmp_path / "clinic"])
    assert one.name == "clinic/visit"
    assert [turn.speaker for turn in one.turns] == ["doctor", "patient"]
    assert [(row.symptom, row.is_scored, row.is_trap) for row in one.rows] == [
        ("fever", True, False),
        ("cough", False, True),
    ]
    assert one.rows[0].evidence == {1, 2}


def test_gold_and_transcripts_in_folders_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "set" / "gold")
    (tmp_path / "set" / "transcripts").mkdir()
    (tmp_path / "set" / "gold" / "visit.json").rename(
        tmp_path / "set" / "transcripts" / "visit.json"
    )
    (one,) = read_annotations([tmp_path / "set"])
    assert one.name == "set/visit"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{not json", "not a finding"),
        ('["fever", "absent"]', "not a finding"),
        ('{"symptom": "fever"}', "not a finding"),
        ('{"symptom": "fever", "status": "maybe"}', "not a finding"),
        ('{"symptom": "fever", "status": "absent", "evidence": ["x"]}', "not a finding"),
        ('{"symptom": "dragon pox", "status": "absent"}', "not in the inventory"),
    ],
)
def test_a_row_that_is_not_understood_names_its_line(tmp_path: Path, row: str, said: str) -> None:
    write(tmp_path, rows=f"\n{row}")
    with pytest.raises(TranscriptError, match=rf"visit\.jsonl:2: .*{said}"):
        read_annotations([tmp_path])


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match="no such folder"):
        read_annotations([tmp_path / "nowhere"])
    with pytest.raises(TranscriptError, match="no annotations"):
        read_annotations([tmp_path])
    write(tmp_path)
    (tmp_path / "visit.json").unlink()
    with pytest.raises(TranscriptError, match=r"transcript visit\.json or \.txt is missing"):
        read_annotations([tmp_path])


def test_near_duplicates_are_left_out_and_the_first_stays() -> None:
    text = " ".join(f"word{n}" for n in range(60))
    first = consultation("a", text)
    nearly = consultation("b", text.replace("word30", "another").upper())
    unlike = consultation("c", " ".join(f"word{n}" for n in reversed(range(60))))
    assert without_duplicates([first, nearly, unlike]) == [first, unlike]


@given(st.lists(st.text("ab ", min_size=1).filter(str.strip), min_size=1, max_size=6))
def test_one_of_each_text_stays(texts: list[str]) -> None:
    given_ = [consultation(str(n), text) for n, text in enumerate(texts)]
    kept = without_duplicates(given_)
    assert kept[0] == given_[0]
    assert [one for one in given_ if one in kept] == kept


def test_other_kinds_of_text() -> None:
    one = consultation("a", "Well, I don't - um - know.")
    assert without_speakers(one).turns[0].speaker == ""
    assert flattened(one).turns[0].text == "WELL I DONT UM KNOW"
