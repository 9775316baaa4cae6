from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed.note import Dictation
from voicemed.transcript import Turn, Word


def turn(text: str, *, gap_after: dict[int, float] | None = None) -> Turn:
    """Words of 0.3 s without gaps, but for those after the words of that index."""
    words, now = [], 0.0
    for i, part in enumerate(re.findall(r"\S+", text)):
        words.append(Word(" " + part, now, now + 0.3, 0.9))
        now += 0.3 + (gap_after or {}).get(i, 0.0)
    return Turn(1, "", tuple(words))


def dictate(*utterances: str) -> str:
    note = Dictation()
    for utterance in utterances:
        note.feed(turn(utterance))
    return note.text


@pytest.mark.parametrize(
    ("utterances", "note"),
    [
        (["The chest is clear.", "No wheeze."], "The chest is clear. No wheeze."),
        (["Wound clean, new line, no redness."], "Wound clean\nNo redness."),
        (["Wound clean.", "New line.", "No redness."], "Wound clean.\nNo redness."),
        (["History. New paragraph. She is 70."], "History.\n\nShe is 70."),
        (["New paragraph.", "She is 70."], "She is 70."),
        (["History.", "New line.", "New paragraph.", "Plan."], "History.\n\nPlan."),
        (["Fever. Scratch that. No fever."], "No fever."),
        (["Cough. Fever.", "Scratch that.", "No fever."], "Cough. No fever."),
        (["One. Two. Three.", "Scratch that.", "Scratch that."], "One."),
        (["Seen by Dr. Lee today.", "Scratch that."], ""),
        (["Take 2.5 mg daily.", "Scratch that.", "Take 5 mg."], "Take 5 mg."),
        (["Scratch that."], ""),
    ],
)
def test_commands_between_punctuation_are_carried_out(utterances: list[str], note: str) -> None:
    assert dictate(*utterances) == note


@pytest.mark.parametrize(
    "text",
    [
        "We placed a new line in the left arm.",
        "He started a new line of treatment.",
        "She did scratch that spot.",
        "A new paragraph of the guideline applies.",
    ],
)
def test_the_same_words_inside_a_sentence_stay(text: str) -> None:
    assert dictate(text) == text


def test_a_pause_sets_a_command_apart_without_punctuation() -> None:
    note = Dictation()
    note.feed(turn("Chest clear new line no wheeze", gap_after={1: 0.3, 3: 0.25}))
    assert note.text == "Chest clear\nNo wheeze"


def test_the_note_is_on_disk_after_save(tmp_path: Path) -> None:
    note = Dictation()
    note.feed(turn("Chest clear."))
    note.save(tmp_path / "note.md")
    assert (tmp_path / "note.md").read_text() == "Chest clear.\n"


def says_no_command(utterances: list[str]) -> bool:
    return "new" not in "".join(utterances)


@given(st.lists(st.text("ab.,? nelwi", min_size=1), max_size=6).filter(says_no_command))
def test_without_commands_no_word_is_lost_or_added(utterances: list[str]) -> None:
    spoken = [w for u in utterances for w in re.findall(r"\S+", u)]
    expected = re.findall(r"\w+", " ".join(spoken).casefold())
    assert re.findall(r"\w+", dictate(*utterances).casefold()) == expected
