"""What one sentence says of its symptoms, asks or answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed.assertion import Act, Experiencer, Reply, Sentence, Status, load_rules, split
from voicemed.lexicon import load_lexicon, tokenize


def read(text: str) -> Sentence:
    tokens = tokenize(text.split())
    return load_rules().read(tokens, load_lexicon().mentions(tokens))


def said(text: str) -> dict[str, Status]:
    sentence = read(text)
    return {one.concept.display: sentence.assertion(one).status for one in sentence.mentions}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I have a cough", {"cough": Status.PRESENT}),
        ("no fever, chills, or rash",
         {"fever": Status.ABSENT, "chills": Status.ABSENT, "rash": Status.ABSENT}),
        ("No, I have a fever", {"fever": Status.PRESENT}),
        ("no I have a fever", {"fever": Status.PRESENT}),
        ("fever, no.", {"fever": Status.ABSENT}),
        ("I haven't, I felt a bit hot", {"fever": Status.PRESENT}),
        ("I don't have a fever but I have a cough",
         {"fever": Status.ABSENT, "cough": Status.PRESENT}),
        ("the cough won't go away", {"cough": Status.PRESENT}),
        ("I can't stop coughing", {"cough": Status.PRESENT}),
        ("not sure if I have a fever", {"fever": Status.UNCERTAIN}),
        ("I had seizures when I was a child", {"seizure": Status.PAST}),
        ("what if I get chest pain", {"chest pain": Status.HYPOTHETICAL}),
        ("no pain except when I walk", {"pain": Status.PRESENT}),
        ("my appetite is not good", {"poor appetite": Status.PRESENT}),
        ("no no numbness and i do n't think i 've had any tingling or anything like that",
         {"numbness": Status.ABSENT, "tingling": Status.ABSENT}),
        ("I ca n't stop coughing", {"cough": Status.PRESENT}),
        ("nothing helps the headache", {"headache": Status.PRESENT}),
        ("it is a dry cough", {"cough": Status.PRESENT, "sputum production": Status.ABSENT}),
    ],
)  # fmt: skip
def test_status(text: str, expected: dict[str, Status]) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("my mum had chest pain", Experiencer.OTHER),
        ("is anyone else at home vomiting", Experiencer.OTHER),
        ("my wife says I snore", Experiencer.PATIENT),
        ("when my dad visited I had chest pain", Experiencer.PATIENT),
    ],
)
def test_experiencer(text: str, person: Experiencer) -> None:
    sentence = read(text)
    assert sentence.assertion(sentence.mentions[0]).experiencer is person


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("Any fever?", Act.CLOSED),
        ("OK, and have you had a cough", Act.CLOSED),
        ("You're not feeling breathless?", Act.CLOSED),
        ("Can you tell me if you have any fever?", Act.CLOSED),
        ("Tremors or paralysis or", Act.CLOSED),
        ("So you're tired and dizzy.", Act.STATEMENT),
        ("and your lungs are clear on both sides without any wheezing", Act.STATEMENT),
        ("How's your sleep?", Act.HOW_IS),
        ("When did the cough start?", Act.OPEN),
        ("Tell me about the pain.", Act.OPEN),
        ("I will examine you now.", Act.STATEMENT),
    ],
)
def test_act(text: str, act: Act) -> None:
    assert read(text).act is act


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("No.", Reply.NO),
        ("Uh, not really.", Reply.NO),
        ("Mmm, no, don't think so.", Reply.NO),
        ("Yeah, no.", Reply.NO),
        ("Nope", Reply.NO),
        ("Yes.", Reply.YES),
        ("No, yeah.", Reply.YES),
        ("A wee bit.", Reply.YES),
        ("Mm-hmm.", Reply.YES),
        ("I'm not sure.", Reply.UNSURE),
        ("I haven't measured it.", Reply.UNSURE),
        ("Just at night.", Reply.DETAIL),
        ("It's fine.", Reply.GOOD),
        ("Not great.", Reply.BAD),
        ("Okay.", None),
        ("Right.", None),
        ("Thank you, doctor.", None),
        ("Touch wood, no.", Reply.NO),
        ("Not that I've noticed.", Reply.NO),
        ("I wouldn't say more than usual, no.", Reply.NO),
        ("No, well, a bit.", Reply.YES),
        ("No, but I have had a cough.", Reply.NO),
        ("Yes, it's not severe.", Reply.YES),
        ("Yeah, I don't think so.", Reply.NO),
        ("My thighs, actually, yeah.", Reply.YES),
        ("I can hardly tell, I don't know", Reply.UNSURE),
        ("Same as ever.", Reply.WELL),
        ("That's great.", Reply.WELL),
        ("Only when I lie down.", Reply.DETAIL),
        ("He says it's fine.", Reply.GOOD),
    ],
)
def test_reply(text: str, reply: Reply | None) -> None:
    assert read(text).reply is reply


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Any fever? No. Any cough? Yes.", ["any fever", "no", "any cough", "yes"]),
        ("ANY FEVER NO ANY COUGH YES A DRY ONE", ["any fever", "no", "any cough",
                                                  "yes a dry one"]),
        ("I HAVE NO FEVER AND NO CHILLS", ["i have no fever and no chills"]),
        ("HOW LONG HAVE YOU HAD IT OK AND HAVE YOU HAD CHEST PAIN NO I HAVENT",
         ["how long have you had it", "ok", "and have you had chest pain", "no", "i havent"]),
        ("okay so your vitals look good on your heart exam i hear no murmur but i see some "
         "swelling so let me talk about the plan",
         ["okay", "so your vitals look good", "on your heart exam", "i hear no murmur",
          "but i see some swelling", "so let me talk about the plan"]),
    ],
)  # fmt: skip
def test_split(text: str, expected: list[str]) -> None:
    sentences = split(tokenize(text.split()), load_rules())
    assert [" ".join(token.text for token in one) for one in sentences] == expected


@given(st.lists(st.sampled_from("any fever no yes okay . ? I you have how is a if".split())))
def test_split_loses_no_token(words: list[str]) -> None:
    tokens = tokenize(words)
    sentences = split(tokens, load_rules())
    assert [token for one in sentences for token in one] == tokens
    assert all(sentences)
