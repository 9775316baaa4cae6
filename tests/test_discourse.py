"""Who speaks, about whom, and to what end."""

from __future__ import annotations

import pytest

from voicemed.assertion import Experiencer, Sentence, load_rules, split
from voicemed.discourse import Persons, Roles, Stance, Stances
from voicemed.history import speaker_role
from voicemed.lexicon import load_lexicon, tokenize
from voicemed.transcript import Turn, Word


def turn(number: int, speaker: str, text: str) -> Turn:
    return Turn(number, speaker, tuple(Word(f" {word}", 0.0, 0.0, 1.0) for word in text.split()))


def read(text: str) -> list[Sentence]:
    rules, lexicon = load_rules(), load_lexicon()
    return [
        rules.read(tokens, lexicon.mentions(tokens))
        for tokens in split(tokenize(text.split()), rules)
    ]


@pytest.mark.parametrize(
    ("label", "expected"),
    [("Clinician", "doctor"), ("parent", "patient"), ("speaker 1", None), ("", None)],
)
def test_role(label: str, expected: str | None) -> None:
    assert speaker_role(label) == expected


@pytest.mark.parametrize(
    ("text", "doctor"),
    [
        ("Have you had any chest pain?", True),
        ("I have a cough.", False),
        ("I'm going to prescribe a cream.", True),
        ("If you get a fever I want you to come back.", True),
        ("No fever.", False),
    ],
)
def test_unlabelled_speakers_are_told_by_their_words(text: str, doctor: bool) -> None:
    (sentence,) = read(text)
    assert Roles().is_doctor(turn(1, "", text), sentence, awaited=False) is doctor


def test_labels_hold_against_a_single_odd_sentence() -> None:
    roles = Roles()
    for number, text in enumerate(["Have you seen this rash?", "I have a cough."], 1):
        (sentence,) = read(text)
        assert not roles.is_doctor(turn(number, "patient", text), sentence, awaited=False)


def test_relatives_own_symptoms_are_not_the_patients() -> None:
    persons = Persons()
    for number, (speaker, text, person) in enumerate(
        [
            ("patient", "I'm ringing about my brother.", None),
            ("patient", "He has a fever.", Experiencer.PATIENT),
            ("doctor", "Is he coughing?", Experiencer.PATIENT),
            ("patient", "I've had a headache myself.", Experiencer.OTHER),
        ],
        1,
    ):
        (sentence,) = read(text)
        doctor = speaker == "doctor"
        persons.hear(sentence, turn(number, speaker, text), doctor=doctor, turns=number)
        for mention in sentence.mentions:
            assert persons.experiencer(sentence, mention) is person


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("To summarise, a cough. And a fever.", [Stance.RECAP, Stance.RECAP]),
        ("On your skin exam there is a rash. Some tenderness.", [Stance.EXAM, Stance.EXAM]),
        ("On exam you have a rash. I'd like you to order a test. A fever is possible.",
         [Stance.EXAM, Stance.ADVICE]),
        ("To summarise, a cough. If you get a fever, come back.", [Stance.RECAP, Stance.ADVICE]),
        ("A cough.", [Stance.REMARK]),
    ],
)  # fmt: skip
def test_stance(text: str, expected: list[Stance]) -> None:
    stances, found = Stances(), []
    said = turn(1, "doctor", text)
    for sentence in read(text):
        stances.hear(sentence, said)
        found += [stances.of(sentence, mention, said) for mention in sentence.mentions]
    assert found == expected
