"""Dialogues, diaries and JSON as turns; what cannot be read is one line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import SHARED
from hypothesis import given
from hypothesis import strategies as st

from voicemed.errors import TranscriptError
from voicemed.transcript import Transcript, Turn, Word, to_json
from voicemed.transcript_reader import read_turns, turns_of_text, words_of


def spoken(text: str) -> list[tuple[str, str]]:
    """Speaker and words of each utterance."""
    turns = turns_of_text(text)
    assert [turn.id for turn in turns] == list(range(1, len(turns) + 1))
    return [(turn.speaker, turn.text) for turn in turns]


# --- a dialogue ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "D: Any fever?\n\nP: No.\n",
        "Doctor: Any fever?\nPatient: No.",
        "[doctor] Any fever?\r\n[patient] No.\r\n",
        "DR SMITH: Any fever?\nPT: No.",
        "Dr. Anna Smith: Any fever?\nPatient 1: No.",
        "[00:01] doctor: Any fever?\n[00:04] patient: No.",
        "00:01 GP: Any fever?\n00:04 Client: No.",
        "doctor : Any fever?\npatient:No.",
        '"Doctor: Any fever?\nPatient: No.',
        "医生：Any fever?\n患者：No.",
    ],
)
def test_speakers_are_known_by_their_labels(text: str) -> None:
    assert spoken(text) == [("doctor", "Any fever?"), ("patient", "No.")]


def test_labels_of_other_speakers_are_kept() -> None:
    text = (
        "Nurse: Any fever?\nMother: He was hot.\nGuest_family: He was.\nSpeaker 2: Yes.\nMum: Yes."
    )
    assert [speaker for speaker, _ in spoken(text)] == [
        "clinician",
        "parent",
        "Guest_family",
        "Speaker 2",
        "parent",
    ]


def test_lines_without_a_speaker_go_on_over_breaks() -> None:
    text = "D: Any cough or\nfever?\n\nP: A cough so I thought it might be a\n\nchest infection."
    assert spoken(text) == [
        ("doctor", "Any cough or fever?"),
        ("patient", "A cough so I thought it might be a chest infection."),
    ]


def test_mistyped_labels_between_right_ones() -> None:
    text = 'D: Any fever?\nP No.\nD; A cough?\np: No.\nD" A rash?\nP. No.\nD: Pain?\nP: No.\nD: OK.'
    said = spoken(text)
    assert [speaker for speaker, _ in said] == ["doctor", "patient"] * 4 + ["doctor"]
    assert [text for speaker, text in said if speaker == "patient"] == ["No."] * 4


def test_a_single_line_of_the_doctor_is_not_the_patients() -> None:
    assert spoken("Doctor: Take it if you get a fever.") == [
        ("doctor", "Take it if you get a fever.")
    ]


def test_what_stands_before_the_first_speaker_is_nobodys() -> None:
    text = "Visit of Monday\nD: Any fever?\nP: No.\nD: Any cough?\nP: No."
    assert spoken(text)[0] == ("", "Visit of Monday")


def test_names_among_known_labels_are_speakers() -> None:
    text = "Dr Lee: Any fever?\nAnna: No.\nDr Lee: Any cough?\nAnna: Yes."
    assert [speaker for speaker, _ in spoken(text)] == ["doctor", "Anna"] * 2


def test_two_names_that_ask_and_answer_are_speakers() -> None:
    text = "Tom: Any fever?\nAnna: No.\n" * 3
    assert [speaker for speaker, _ in spoken(text)] == ["Tom", "Anna"] * 3


def test_a_dialogue_wrapped_to_a_width() -> None:
    text = (
        "Doctor: Good morning, what can I do for\nyou today and how have you been since we\n"
        "spoke?\nPatient: I have had a terrible headache\nsince Monday and I do not have any\n"
        "fever.\n"
    )
    assert spoken(text) == [
        (
            "doctor",
            "Good morning, what can I do for you today and how have you been since we spoke?",
        ),
        ("patient", "I have had a terrible headache since Monday and I do not have any fever."),
    ]


# --- what is the patient's -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Monday: headache.\nTuesday: fever.\nWednesday: nothing.",
        "Pain: 7\nSleep: bad\nMood: low\nPain: 6\nSleep: bad\nMood: low\nPain: 5",
        "Pain: 7\nSleep: bad\nPain: 6\nSleep: bad\nPain: 5\nSleep: good",
        "Father died at 81; mother lives.",
        "12:30 headache\n14:00 fever\n",
        "[sick] today\n[well] today\n",
    ],
)
def test_other_labels_are_the_patients_words(text: str) -> None:
    assert spoken(text) == [("patient", line) for line in text.strip().split("\n")]


def test_a_letter_with_a_head_is_the_patients() -> None:
    text = (
        "Patient: Jane Doe\nDoctor: Dr Smith\n\nDear Dr Smith,\nI have had a headache for a week "
        "now, and it does not go away with what you gave me.\n"
    )
    assert {speaker for speaker, _ in spoken(text)} == {"patient"}


@pytest.mark.parametrize(
    ("text", "utterances"),
    [
        ("headache all day\nno fever\n\ncough", ["headache all day", "no fever", "cough"]),
        ("I have no\nfever", ["I have no fever"]),
        ("I have headache,\nfever and\nchills.", ["I have headache, fever and chills."]),
        ("Symptoms\nno fever\ncough", ["Symptoms", "no fever", "cough"]),
        ("No\nFever since Monday", ["No", "Fever since Monday"]),
        ("I have no\n\nfever", ["I have no", "fever"]),
        ("- cough, and\n- no fever", ["- cough, and", "- no fever"]),
        (
            "For a week I have had a dull headache that\ndoes not go away. I do not have a\n"
            "fever.\nIt is worse in the morning.",
            [
                "For a week I have had a dull headache that does not go away. I do not have a "
                "fever.",
                "It is worse in the morning.",
            ],
        ),
    ],
)
def test_lines_of_a_text(text: str, utterances: list[str]) -> None:
    assert spoken(text) == [("patient", one) for one in utterances]


# --- words ---------------------------------------------------------------------------------------


def test_words_are_spelt_as_by_the_recogniser() -> None:
    assert [word.text for word in words_of("I'm  hot, 140/90.")] == [" I'm", " hot,", " 140/90."]
    assert [word.text for word in words_of("我发烧，ok 吗？")] == [
        "我", "发", "烧，", "ok", "吗？"
    ]  # fmt: skip


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_letter_of_a_text_is_lost(text: str) -> None:
    written = "".join(word.text for word in words_of(text))
    assert "".join(written.split()) == "".join(text.split())
    assert all(word.text.strip() for word in words_of(text))


LINES = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=50),
        st.sampled_from(
            ["", "I have no", "fever.", "D: Any fever?", "P: No.", "P No.", "[doctor]"]
        ),
    )
)


@given(LINES)
def test_no_word_of_any_text_is_lost_but_labels(lines: list[str]) -> None:
    said = "".join("".join(turn.text.split()) for turn in turns_of_text("\n".join(lines)))
    left = "".join("\n".join(lines).split())
    for char in said:  # what was said is a subsequence of what was written
        place = left.find(char)
        assert place >= 0
        left = left[place + 1 :]
    if not any(mark in line for line in lines for mark in ":：["):
        assert said == "".join("\n".join(lines).split())


# --- JSON ----------------------------------------------------------------------------------------


def test_a_list_of_utterances(tmp_path: Path) -> None:
    path = tmp_path / "visit.JSON"
    rows = [
        {"id": 4, "speaker": "Doctor", "start": 1.0, "text": "Any fever?"},
        {"id": 7, "speaker": None, "text": "No fever."},
        {"id": 9, "text": ""},
    ]
    path.write_text(json.dumps(rows), "utf-8")
    turns = read_turns(path)
    assert [(turn.id, turn.speaker, turn.text) for turn in turns] == [
        (4, "doctor", "Any fever?"),
        (7, "", "No fever."),
        (9, "", ""),
    ]


def test_a_transcript_of_ours_keeps_words_and_times(tmp_path: Path) -> None:
    turn = Turn(3, "patient", (Word(" Cough.", 1.0, 1.5, 0.75),), to_assistant=True)
    now = datetime(2026, 3, 1, tzinfo=UTC)
    told = Transcript("a.wav", "0" * 64, now, 2.0, "en", "m", {}, (turn,), (), {})
    path = tmp_path / "a.json"
    path.write_text(to_json(told), "utf-8")
    assert read_turns(path) == (turn,)


# --- what cannot be read -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b"", "it is empty"),
        ("a.txt", b"\xef\xbb\xbf \n\t\n", "it is empty"),
        ("a.txt", b"D:\nP:\nD:\nP:\n", "no words in it"),
        ("a.txt", b"caf\xe9", "not UTF-8 text"),
        ("a.txt", b"\x89PNG\0\0", "not a text file"),
        ("a.json", b"[{", "not JSON, or cut short"),
        ("a.json", b"[" * 100_000, "not JSON, or cut short"),
        ("a.json", b"[]", "no words in it"),
        ("a.json", b"3", "neither a transcript of voicemed nor a list"),
        ("a.json", b'{"turns": []}', "neither a transcript of voicemed nor a list"),
        ("a.json", b'{"schema": "other/7"}', "reads voicemed-transcript/1"),
        ("a.json", b"[1]", "utterance 1 is not an object"),
        ("a.json", b'[{"text": "cough"}]', "utterance 1 has no id"),
        ("a.json", b'[{"id": true, "text": "cough"}]', "utterance 1 has no id"),
        ("a.json", b'[{"id": 1, "text": "a"}, {"id": 2}]', "utterance 2 has no text"),
        ("a.json", b'[{"id": 1, "text": "a", "speaker": 2}]', "utterance 1 has a speaker that"),
        ("a.json", b'[{"id": 5, "text": "a"}, {"id": 5, "text": "b"}]', "have the id 5"),
        ("a.wav", b"RIFF", "neither .txt nor .json"),
        ("a.jsonl", b"{}", "neither .txt nor .json"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TranscriptError) as error:
        read_turns(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert reason in message
    assert "\n" not in message
    assert "cough" not in message


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match=r"a\.txt: cannot be read \(No such file"):
        read_turns(tmp_path / "a.txt")
    (tmp_path / "b.txt").mkdir()
    with pytest.raises(TranscriptError, match=r"b\.txt: cannot be read \(Is a directory"):
        read_turns(tmp_path / "b.txt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_tell_themselves(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Très mal à la tête.", encoding)
    assert [turn.text for turn in read_turns(path)] == ["Très mal à la tête."]


# --- real ones -----------------------------------------------------------------------------------


@pytest.mark.shared_data
def test_real_dialogues_are_of_a_doctor_and_a_patient() -> None:
    paths = [*SHARED.glob("osce/transcripts/*.txt"), *SHARED.glob("primock57/transcripts/*.json")]
    assert paths
    for path in paths[:80]:
        turns = read_turns(path)
        assert {turn.speaker for turn in turns} == {"doctor", "patient"}, path.name
        doctor = sum(turn.speaker == "doctor" for turn in turns)
        assert 0.3 < doctor / len(turns) < 0.7, path.name
