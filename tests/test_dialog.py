"""Dialogue: who is addressed, and replies that say what the encounter says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemed.assertion import Assertion, Experiencer, Status
from voicemed.dialog import addressed_at, consent_in, request_of, respond
from voicemed.encounter import Encounter
from voicemed.findings import Finding, FindingKind
from voicemed.lexicon import Concept, load_lexicon
from voicemed.transcript import Span, Turn, Word

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


@pytest.mark.parametrize(
    ("request_", "stated"),
    [
        ("the patient agrees to the recording", (True, "patient")),
        ("The patient agrees to be recorded.", (True, "patient")),
        ("patient consents to recording", (True, "patient")),
        ("she has given her consent to this consultation being recorded", (True, "patient")),
        ("please note that he has agreed to recording the visit", (True, "patient")),
        ("her mother agrees to the recording", (True, "relative")),
        ("the guardian consents to the recording of this session", (True, "guardian")),
        ("the patient does not agree to the recording", (False, "patient")),
        ("She doesn't want to be recorded.", (False, "patient")),
        ("the patient no longer agrees to being recorded", (False, "patient")),
        ("The patient has not agreed to the recording", (False, "patient")),
        ("the patient refuses to be recorded", (False, "patient")),
        ("the patient has withdrawn her consent", (False, "patient")),
        ("his father objects to the recording", (False, "relative")),
        ("the patient agrees", None),
        ("the patient agrees to the operation", None),
        ("does the patient agree to the recording", None),
        ("the patient agrees to the recording if nobody else hears it", None),
        ("the patient wants to be recorded", None),
        ("read back the symptoms", None),
        ("", None),
    ],
)
def test_consent_that_is_stated(request_: str, stated: tuple[bool, str] | None) -> None:
    assert consent_in(request_) == stated


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


def other(
    kind: FindingKind,
    name: str,
    status: Status = Status.PRESENT,
    whose: Experiencer = Experiencer.PATIENT,
    **attributes: str,
) -> Finding:
    concept, assertion = Concept("test", name, name), Assertion(status, whose)
    return Finding(concept, assertion, (Span(1, 0, 0),), attributes, kind=kind)


@pytest.fixture
def treated(visit: Encounter) -> Encounter:
    """The visit with findings of other kinds, and a drug spoken of without a finding."""
    visit.findings += [
        other(FindingKind.MEDICATION, "metformin", dose="500 mg", frequency="twice a day"),
        other(FindingKind.MEDICATION, "aspirin", Status.PAST),
        other(FindingKind.MEDICATION, "warfarin", Status.PRESENT, Experiencer.OTHER),
        other(FindingKind.ALLERGY, "penicillin", reaction="rash"),
        other(FindingKind.MEASUREMENT, "blood pressure", value="140/90", unit="mmHg"),
        other(FindingKind.MEASUREMENT, "blood pressure", Status.PAST, value="150/95", unit="mmHg"),
        other(FindingKind.MEASUREMENT, "heart rate", value="72", unit="/min"),
    ]
    visit.turns += [
        Turn(1, "patient", (Word(" Voltaren", 0, 1, 1), Word(" gel.", 1, 2, 1))),
        Turn(2, "doctor", (Word(" Assistant,", 0, 1, 1), Word(" ibuprofen?", 1, 2, 1)), True),
    ]
    return visit


MEDICATIONS = (
    "Taking: metformin, 500 mg, twice a day. Taken in the past: aspirin. "
    "Taken by somebody else: warfarin."
)
ALLERGIES = "Allergic to: penicillin, reaction rash."
PRESSURE = "Measured: blood pressure 140/90 mmHg. In the past: blood pressure 150/95 mmHg."
METFORMIN = "Taking: metformin, 500 mg, twice a day."


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ("What medications is she on?", MEDICATIONS),
        ("What's she taking?", MEDICATIONS),
        ("Is he on any medication?", MEDICATIONS),
        ("List her current medications, please.", MEDICATIONS),
        ("Does she take any tablets?", MEDICATIONS),
        ("Any allergies?", ALLERGIES),
        ("Is she allergic to anything?", ALLERGIES),
        ("Does he have any drug allergies?", ALLERGIES),
        ("Is she allergic to penicillin?", ALLERGIES),
        ("Any allergy to nuts?", f"Not mentioned: allergy to tree nut. {ALLERGIES}"),
        ("What was her blood pressure?", PRESSURE),
        ("Did you take his blood pressure?", PRESSURE),
        (
            "What are the vital signs?",
            "Measured: blood pressure 140/90 mmHg; heart rate 72 /min. "
            "In the past: blood pressure 150/95 mmHg.",
        ),
        ("What is her temperature?", "Not mentioned: body temperature."),
        ("Does she have a temperature?", "Denied: fever."),
        ("Did he mention penicillin?", ALLERGIES),
        ("Does she take metformin?", METFORMIN),
        ("Is she on Glucophage?", METFORMIN),
        ("Metformin?", METFORMIN),
        ("What dose of metformin is she on?", METFORMIN),
        ("How often does she take metformin?", METFORMIN),
        ("Did he take any ibuprofen?", "Not mentioned: ibuprofen."),
        ("Has he used Voltaren?", "Spoken of, but nothing noted: diclofenac."),
        (
            "Any blood thinners?",
            f"Not mentioned by that name: blood thinner. {MEDICATIONS} {ALLERGIES}",
        ),
        ("Does she have a rash?", "Uncertain: rash."),
        ("What does she deny?", "Denied: fever; chills."),
    ],
)
def test_answers_about_treatment(treated: Encounter, request_: str, text: str) -> None:
    reply = respond(request_, treated)
    assert (reply.text, reply.kind) == (text, "answer")


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ("What medications is she on?", "Not mentioned: medications."),
        ("Any allergies?", "Not mentioned: allergies."),
        ("Is he allergic to latex?", "Not mentioned: allergy to latex."),
        ("What was her blood pressure?", "Not mentioned: blood pressure."),
        ("Any vital signs?", "Not mentioned: measurements."),
        ("Did he mention penicillin?", "Not mentioned by that name: penicillin."),
    ],
)
def test_what_was_not_said_is_not_mentioned(visit: Encounter, request_: str, text: str) -> None:
    assert respond(request_, visit).text == text


def test_that_there_are_no_allergies_is_said() -> None:
    none = other(FindingKind.ALLERGY, "drug allergy", Status.ABSENT)
    visit = Encounter(findings=[none])
    assert respond("Any known allergies?", visit).text == "Denied: drug allergy."
    assert respond("Is she allergic to aspirin?", visit).text == (
        "Not mentioned: allergy to aspirin. Denied: drug allergy."
    )


def test_that_nothing_is_taken_is_said() -> None:
    visit = Encounter(findings=[other(FindingKind.MEDICATION, "medication", Status.ABSENT)])
    assert respond("Is she on any medication?", visit).text == "Not taking: medication."
    assert respond("Does she take metformin?", visit).text == (
        "Not mentioned: metformin. Not taking: medication."
    )


def test_symptoms_are_read_back_without_the_rest_and_a_summary_with_it(treated: Encounter) -> None:
    symptoms = respond("Read back the symptoms.", treated).text
    assert "metformin" not in symptoms
    assert "penicillin" not in symptoms
    assert "blood pressure" not in symptoms
    summary = respond("Summarize the findings.", treated).text
    assert summary.startswith(f"{symptoms} {MEDICATIONS} {ALLERGIES} Measured: ")


@pytest.mark.parametrize(
    "request_",
    [
        "What is the maximum dose of metformin?",
        "Should she take metformin?",
        "Can he take ibuprofen?",
        "Is metformin safe?",
        "Is the blood pressure normal?",
        "Does metformin interact with warfarin?",
        "What drugs should I give?",
        "What medication helps the cough?",
        "How much metformin is too much?",
        "Is she allergic to what I gave her?",
    ],
)
def test_questions_for_judgement_about_treatment_are_not_answered(
    treated: Encounter, request_: str
) -> None:
    reply = respond(request_, treated)
    assert reply.kind == "unknown", reply.text


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


SUBSTANCES = ["metformin", "penicillin", "drug allergy"]
TREATMENT = st.lists(
    st.builds(
        other,
        st.sampled_from([FindingKind.MEDICATION, FindingKind.ALLERGY]),
        st.sampled_from(SUBSTANCES),
        st.sampled_from(Status),
        st.sampled_from(Experiencer),
    ),
    max_size=5,
)
ASKED = ["Is she on {}?", "Is he allergic to {}?", "any {}", "What meds is she on?", "Allergies?"]


@settings(deadline=None)
@given(st.sampled_from(ASKED), st.sampled_from(SUBSTANCES), TREATMENT)
def test_no_reply_about_treatment_claims_what_was_not_found(
    asked: str, substance: str, findings: list[Finding]
) -> None:
    text = respond(asked.format(substance), Encounter(findings=findings)).text
    claims = {
        "Taking": (FindingKind.MEDICATION, Status.PRESENT),
        "Not taking": (FindingKind.MEDICATION, Status.ABSENT),
        "Allergic to": (FindingKind.ALLERGY, Status.PRESENT),
        "Denied": (FindingKind.ALLERGY, Status.ABSENT),
    }
    own = {
        (one.concept.display, one.kind, one.assertion.status)
        for one in findings
        if one.assertion.experiencer is Experiencer.PATIENT
    }
    for title, names in re.findall(r"(Taking|Not taking|Allergic to|Denied): ([^.]*)\.", text):
        for name in names.split("; "):
            assert (name, *claims[title]) in own
    if "Not mentioned: " in text and "{}" in asked and substance != "drug allergy":
        kinds = {kind for name, kind, _ in own if name == substance}
        assert kinds <= ({FindingKind.MEDICATION} if "allerg" in asked else set())
