"""Dialogue: who is addressed, and replies that say what the encounter says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemed.assertion import Assertion, Experiencer, Status
from voicemed.dialog import addressed_at, request_of, respond
from voicemed.encounter import Encounter
from voicemed.findings import Finding
from voicemed.lexicon import load_lexicon
from voicemed.transcript import Span

CONCEPTS = load_lexicon().concepts


def finding(
    name: str, status: Status, whose: Experiencer = Experiencer.PATIENT, **attributes: str
) -> Finding:
    return Finding(CONCEPTS[name], Assertion(status, whose), (Span(1, 0, 0),), attributes)


@pytest.fixture
def visit() -> Encounter:
    return Encounter(
        findings=[
            finding("headache", Status.PRESENT, onset="yesterday", severity="severe"),
            finding("cough", Status.PRESENT, duration="three days"),
            finding("nausea", Status.PRESENT),
            finding("fever", Status.ABSENT),
            finding("chills", Status.ABSENT),
            finding("rash", Status.UNCERTAIN),
            finding("palpitations", Status.PAST),
            finding("vomiting", Status.HYPOTHETICAL),
            finding("diarrhea", Status.PRESENT, Experiencer.OTHER),
        ]
    )


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("Assistant, did she mention fever?", "did she mention fever?"),
        ("assistant did she mention fever", "did she mention fever"),
        (" ASSISTANT: stop!", "stop!"),
        ("Assistant.", ""),
        ("Hey, assistant!", ""),
        ("Assistance, repeat that.", "repeat that."),
        ("Assistants, what are the symptoms?", "what are the symptoms?"),
        ("Okay assistant, repeat that.", "repeat that."),
        ("Take a deep breath. Assistant, read back the symptoms.", "read back the symptoms."),
        ("Let me see, hey assistant, any cough?", "any cough?"),
        ("Assistant? Assistant, stop.", "stop."),
        ("Please, assistant, stop.", "stop."),
        ("My assistant will call you.", None),
        ("The physician assistant said so.", None),
        ("Assistant nurses will see you.", None),
        ("Assistant's here.", None),
        ("Assistance with walking is what she needs.", None),
        ("She needs assistance. Thank you.", None),
        ("I work as an assistant.", None),
        ("I am a shop assistant, and my back hurts.", None),
        ("", None),
    ],
)
def test_request_of(text: str, request_: str | None) -> None:
    assert request_of(text, "assistant") == request_


def test_the_wake_word_is_configurable() -> None:
    assert request_of("Hey Doc Bot, stop", "doc bot") == "stop"
    assert request_of("Assistant, stop", "doc bot") is None
    assert request_of("Stop (now)", "stop (now") == ")"
    assert request_of("Anything", "  ") is None


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ("Did she mention fever?", "Denied: fever."),
        ("did he deny fever", "Denied: fever."),
        ("Any fever or cough?", "Denied: fever. Present: cough, for three days."),
        ("Does he have a cough?", "Yes: cough, for three days."),
        ("Has she had any headaches so far?", "Yes: headache, since yesterday, severe."),
        ("What about the nausea?", "Yes: nausea."),
        ("Fever?", "Denied: fever."),
        ("Is there a rash?", "Uncertain: rash."),
        ("Does she have palpitations?", "In the past: palpitations."),
        ("Any vomiting?", "Only as a possibility: vomiting."),
        ("Did they report diarrhea?", "Of somebody else: diarrhea."),
        ("Any chest pain?", "Not mentioned: chest pain."),
        ("Is there pain?", "Present: headache, since yesterday, severe."),
        ("Did she have a cough as a child?", "Present: cough, for three days."),
        ("Did she have no cough?", "Present: cough, for three days."),
        ("Did she not mention a cough?", "Present: cough, for three days."),
        ("How long has she had the cough?", "Cough, for three days."),
        ("Since when does he have the headache?", "Headache, since yesterday, severe."),
        ("When did the nausea start?", "Not said since when: nausea is present."),
        ("How long has she had a fever?", "Denied: fever."),
        ("What does she deny?", "Denied: fever; chills."),
        ("Which symptoms were denied?", "Denied: fever; chills."),
        (
            "List the current symptoms.",
            "Present: headache, since yesterday, severe; cough, for three days; nausea.",
        ),
        ("What's uncertain?", "Uncertain: rash."),
    ],
)
def test_answers(visit: Encounter, request_: str, text: str) -> None:
    reply = respond(request_, visit)
    assert (reply.text, reply.kind) == (text, "answer")


@pytest.mark.parametrize(
    "request_",
    [
        "Read back the symptoms.",
        "What are the symptoms so far?",
        "what symptoms does she have",
        "Could you summarize the findings, please?",
        "List all symptoms",
        "What did she complain of?",
    ],
)
def test_read_back_says_everything_by_status(visit: Encounter, request_: str) -> None:
    assert respond(request_, visit).text == (
        "Present: headache, since yesterday, severe; cough, for three days; nausea. "
        "Denied: fever; chills. Uncertain: rash. In the past: palpitations. "
        "Only as a possibility: vomiting. Of somebody else: diarrhea."
    )
    assert respond(request_, Encounter()).text == "No symptoms so far."


@pytest.mark.parametrize(
    "request_",
    [
        "What should I give for the cough?",
        "What are the symptoms of meningitis?",
        "Could the headache be a migraine?",
        "Is the cough dangerous?",
        "Does her cough get worse at night?",
        "What is the weather like?",
        "Prescribe amoxicillin.",
        "Stop the ibuprofen.",
        "Repeat prescription for the cough.",
        "",
        "?!",
    ],
)
def test_what_the_encounter_cannot_answer_is_not_answered(visit: Encounter, request_: str) -> None:
    reply = respond(request_, visit)
    assert reply.kind == "unknown"
    assert reply.text.startswith("I can't answer that. I can read back")


def test_a_symptom_without_a_name_here_is_not_called_unmentioned(visit: Encounter) -> None:
    reply = respond("Did she mention glossopyrosis?", visit)
    assert reply.kind == "unknown"
    assert reply.text.startswith("I don't know that symptom by name.")
    assert respond("Since when?", visit).text.startswith("Which symptom?")


@pytest.mark.parametrize("request_", ["Repeat that.", "say that again please", "Again?", "Pardon?"])
def test_repeat(visit: Encounter, request_: str) -> None:
    assert respond(request_, visit, "Yes: cough.").text == "Yes: cough."
    assert respond(request_, visit).kind == "repeat"
    assert respond(request_, visit).text == "I have not said anything yet."


@pytest.mark.parametrize("request_", ["Stop!", "stop talking", "Be quiet, please.", "Never mind."])
def test_stop(visit: Encounter, request_: str) -> None:
    reply = respond(request_, visit)
    assert (reply.text, reply.kind) == ("", "stop")


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"onset": "three days ago"}, "started three days ago"),
        ({"onset": "since Monday"}, "since Monday"),
        ({"onset": "this morning"}, "since this morning"),
        ({"duration": "last three days"}, "for the last three days"),
        ({"duration": "for a week"}, "for a week"),
    ],
)
def test_since_when_is_said_as_people_say_it(attributes: dict[str, str], said: str) -> None:
    visit = Encounter(
        findings=[finding("cough", Status.PRESENT, Experiencer.PATIENT, **attributes)]
    )
    assert respond("How long has he had the cough?", visit).text == f"Cough, {said}."


NAMES = sorted(CONCEPTS)[::12]
FINDINGS = st.lists(
    st.builds(
        finding, st.sampled_from(NAMES), st.sampled_from(Status), st.sampled_from(Experiencer)
    ),
    max_size=5,
)
REQUESTS = st.one_of(
    st.text(max_size=30),
    st.builds(
        "{} {}".format,
        st.sampled_from(["Did she mention", "how long has he had", "does she deny", "any", "why"]),
        st.sampled_from(NAMES),
    ),
    st.sampled_from(["What are the symptoms?", "What does she deny?", "What is uncertain?"]),
)


@settings(max_examples=150, deadline=None)
@given(request_=REQUESTS, findings=FINDINGS)
def test_no_reply_claims_what_the_encounter_does_not_say(
    request_: str, findings: list[Finding]
) -> None:
    text = respond(request_, Encounter(findings=findings)).text
    claims = {"Present": Status.PRESENT, "Yes": Status.PRESENT, "Denied": Status.ABSENT}
    true = {
        (one.concept.display, one.assertion.status)
        for one in findings
        if one.assertion.experiencer is Experiencer.PATIENT
    }
    for title, names in re.findall(r"(Present|Yes|Denied): ([^.]*)\.", text):
        for name in names.split("; "):
            assert name == "nothing so far" or (name, claims[title]) in true
    for name in re.findall(r"when: (.*?) is present", text):
        assert (name, Status.PRESENT) in true


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("Assistant, what have we got?", ""),
        (" I have no fever. Assistant, what have we got?", " I have no fever. "),
        ("No fever. Okay assistant, read it back.", "No fever. "),
        ("That is all hey assistant, repeat that.", "That is all "),
    ],
)
def test_addressed_at_parts_the_consultation_from_the_request(text: str, before: str) -> None:
    assert addressed_at(text, "assistant") == len(before)


def test_addressed_at_is_none_in_ordinary_speech() -> None:
    assert addressed_at("My assistant will call you.", "assistant") is None
