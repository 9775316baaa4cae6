"""Medicines and allergies across the turns of a consultation, as patients and doctors say them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemed.assertion import Experiencer, Status
from voicemed.extraction import extract
from voicemed.findings import Finding, FindingKind
from voicemed.medications import create_medications
from voicemed.pharmacy import ALLERGIES
from voicemed.transcript import Turn, Word

SPEAKERS = {"D": "doctor", "P": "patient", "?": "", "A": "doctor"}


def turns(*lines: str) -> list[Turn]:
    """Turns of lines such as 'D: Any allergies?'; '?' is an unknown speaker, A the assistant's."""
    return [
        Turn(
            number,
            SPEAKERS[line[0]],
            tuple(Word(f" {word}", 0.0, 0.0, 1.0) for word in line[3:].split()),
            to_assistant=line[0] == "A",
        )
        for number, line in enumerate(lines, 1)
    ]


def heard(*lines: str) -> tuple[Finding, ...]:
    extractor = create_medications()
    findings: tuple[Finding, ...] = ()
    for turn in turns(*lines):
        findings = extractor.update(turn)
    return findings


def statuses(*lines: str) -> dict[str, str]:
    """Status by name, with ' of other' after somebody else's."""
    return {
        finding.concept.display
        + (" of other" if finding.assertion.experiencer is Experiencer.OTHER else ""): (
            finding.assertion.status.value
        )
        for finding in heard(*lines)
    }


def attributes(name: str, *lines: str) -> dict[str, str]:
    return dict(next(one for one in heard(*lines) if one.concept.display == name).attributes)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("I take metformin 500 twice a day", {"metformin": "present"}),
        ("I've been using my blue inhaler", {"inhaler": "present"}),
        ("I tried ibuprofen yesterday but it didn't help", {"ibuprofen": "present"}),
        ("I forgot to take my metformin this morning", {"metformin": "present"}),
        ("I've never taken steroids", {"steroid": "absent"}),
        ("I haven't been taking my metformin", {"metformin": "absent"}),
        ("I can't take ibuprofen because of my stomach", {"ibuprofen": "absent"}),
        ("I wouldn't take antidepressants", {"antidepressant": "absent"}),
        ("I don't take ibuprofen anymore", {"ibuprofen": "past"}),
        ("I stopped the sertraline last year", {"sertraline": "past"}),
        ("I had amoxicillin three months ago", {"amoxicillin": "past"}),
        (
            "I used to take atenolol but now I'm on amlodipine",
            {"atenolol": "past", "amlodipine": "present"},
        ),
        (
            "I was on warfarin but they switched me to apixaban",
            {"warfarin": "past", "apixaban": "present"},
        ),
        (
            "I stopped taking aspirin and started clopidogrel",
            {"aspirin": "past", "clopidogrel": "present"},
        ),
        ("I quite often take ibuprofen", {"ibuprofen": "present"}),
        ("Should I take aspirin?", {"aspirin": "hypothetical"}),
        ("I'd like some antibiotics please", {"antibiotic": "hypothetical"}),
        ("I'll sometimes take Advil for my knees", {"ibuprofen": "present"}),
        ("I'm not sure if I took ibuprofen", {"ibuprofen": "uncertain"}),
        ("My wife takes warfarin", {"warfarin of other": "present"}),
        ("I DONT TAKE ANY MEDICATION APART FROM THE PILL", {"oral contraceptive": "present"}),
        ("I don't take any medication", {"medication": "absent"}),
        ("I'm allergic to penicillin", {"penicillin allergy": "present"}),
        ("I'm not allergic to penicillin", {"penicillin allergy": "absent"}),
        ("I might be allergic to penicillin", {"penicillin allergy": "uncertain"}),
        ("I have a nut allergy", {"tree nut allergy": "present"}),
        ("Codeine makes me itch", {"codeine allergy": "present"}),
        ("My mum has a penicillin allergy", {"penicillin allergy of other": "present"}),
        (
            "I'm allergic to cats so I take cetirizine",
            {"cat allergy": "present", "cetirizine": "present"},
        ),
        ("Not allergic to anything apart from latex", {"latex allergy": "present"}),
        ("I DONT HAVE ANY ALLERGIES", {"allergy": "absent"}),
        ("I don't know, maybe it's allergies", {}),
        ("I take allergy tablets", {"antihistamine": "present"}),
        ("I live with my cat and I like nuts", {}),
    ],
)
def test_what_a_patient_says(line: str, expected: dict[str, str]) -> None:
    assert statuses(f"P: {line}") == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("I'll give you amoxicillin 500 mg three times a day", {"amoxicillin": "hypothetical"}),
        ("You can take regular paracetamol.", {"acetaminophen": "hypothetical"}),
        ("If the pain gets worse, use codeine.", {"codeine": "hypothetical"}),
        ("Continue your lisinopril.", {"lisinopril": "present"}),
        ("We'll keep you on the metformin.", {"metformin": "present"}),
        ("She can use the puffer.", {"inhaler": "hypothetical"}),
        ("I see you're on metformin and aspirin.", {"metformin": "present", "aspirin": "present"}),
        ("You're allergic to sulfa drugs.", {"sulfonamide allergy": "present"}),
        ("No known drug allergies.", {"drug allergy": "absent"}),
        ("We'll start omeprazole 20 milligrams.", {"omeprazole": "hypothetical"}),
        ("Have you ever been given steroids?", {}),
    ],
)  # fmt: skip
def test_what_a_doctor_says(line: str, expected: dict[str, str]) -> None:
    assert statuses(f"D: {line}") == expected


CONVERSATIONS = [
    (["D: Are you on any medication?", "P: Just the ramipril."], {"ramipril": "present"}),
    (["D: Are you on any medication?", "P: No."], {"medication": "absent"}),
    (
        ["D: Are you on any medication?", "P: No. Well, just the ramipril."],
        {"ramipril": "present"},
    ),
    (["D: Any allergies?", "P: No."], {"allergy": "absent"}),
    (["D: Any allergies?", "P: Just penicillin."], {"penicillin allergy": "present"}),
    (["D: Any allergies to medications?", "P: Not that I know of."],
     {"drug allergy": "absent"}),
    (["D: Any food allergies?", "P: No."], {"food allergy": "absent"}),
    (["D: No allergies?", "P: That's right."], {"allergy": "absent"}),
    (["D: Are you allergic to penicillin?", "P: No."], {"penicillin allergy": "absent"}),
    (
        ["D: Any allergies to medications?", "P: Yes.", "D: Which ones?", "P: Codeine."],
        {"codeine allergy": "present"},
    ),
    (
        ["D: Are you taking any ibuprofen or aspirin?", "P: No."],
        {"ibuprofen": "absent", "aspirin": "absent"},
    ),
    (
        ["D: Do you use a nebulizer?", "P: No, just the inhaler."],
        {"nebulizer": "absent", "inhaler": "present"},
    ),
    (["D: Any herbal medication?", "P: No I do not take anything like that."],
     {"herbal remedy": "absent"}),
    (["D: You're not taking warfarin?", "P: Yes I am."], {"warfarin": "present"}),
    (["D: You're not on any blood thinners, are you?", "P: No."], {"blood thinner": "absent"}),
    (["D: Are you still taking the lisinopril?", "P: No, I stopped it."], {"lisinopril": "past"}),
    (["P: I take aspirin.", "D: Okay.", "P: Actually I stopped it."], {"aspirin": "past"}),
    (["D: Does ibuprofen help?", "P: I haven't tried it."], {"ibuprofen": "absent"}),
    (["D: Which antibiotics were you on?", "P: Keflex."],
     {"antibiotic": "past", "cephalexin": "past"}),
    (["D: Have you ever had chemotherapy?", "P: Yes."], {"chemotherapy": "past"}),
    (["D: Have you taken anything for it?", "P: No."], {}),
    (["D: Apart from the insulin, are you on any other medication?", "P: No."],
     {"insulin": "present"}),
    (["P: I take aspirin every day.", "D: Have you ever told your GP that you're on aspirin?",
      "P: Yes."], {"aspirin": "present"}),
    (["P: I take Synthroid and I used to take aspirin, but I stopped that."],
     {"levothyroxine": "present", "aspirin": "past"}),
    (["D: Are you allergic to anything?", "P: Eggs.", "D: Anything else? Any medication?",
      "P: No."], {"egg allergy": "present", "drug allergy": "absent"}),
    (["D: Do you use recreational drugs like opioids?", "P: No."], {}),
    (["D: Are you on any medication?", "P: No.", "D: Take paracetamol."],
     {"medication": "absent", "acetaminophen": "hypothetical"}),
    (["D: Your father is allergic to penicillin?", "P: Yes."],
     {"penicillin allergy of other": "present"}),
    (["A: Any allergies?", "P: Penicillin."], {"penicillin": "present"}),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "expected"), CONVERSATIONS)
def test_across_turns(lines: list[str], expected: dict[str, str]) -> None:
    assert statuses(*lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["D: Are you on any medication?", "P: Just the ramipril."], {"ramipril": "present"}),
        (["D: Any allergies?", "P: No."], {"allergy": "absent"}),
        (["D: Are you allergic to penicillin?", "P: Yes."], {"penicillin allergy": "present"}),
        (["D: Do you take aspirin?", "P: No."], {"aspirin": "absent"}),
        (["P: I stopped the statin last year"], {"statin": "past"}),
        (["D: I will give you some amoxicillin"], {"amoxicillin": "hypothetical"}),
    ],
)
def test_without_speakers_case_or_punctuation(lines: list[str], expected: dict[str, str]) -> None:
    bare = [f"?: {re.sub(r'[^a-zA-Z ]', '', line[3:]).upper()}" for line in lines]
    assert statuses(*bare) == expected


def test_speaker_labels_mixed_up() -> None:
    asked = "P: Does the patient have any drug allergies?"
    assert statuses(asked, "D: None that I'm aware of.") == {"drug allergy": "absent"}


@pytest.mark.parametrize(
    ("name", "lines", "expected"),
    [
        ("metformin", ["P: I take metformin 500 twice a day"],
         {"dose": "500", "unit": "mg", "frequency": "2/d"}),
        ("amlodipine", ["P: I'm on amlodipine 5 milligrams once a day for my blood pressure"],
         {"dose": "5", "unit": "mg", "frequency": "1/d", "reason": "blood pressure"}),
        ("lisinopril", ["P: I've been taking lisinopril since 2010. I take it every night."],
         {"since": "2010", "frequency": "1/d"}),
        ("acetaminophen", ["D: How often do you take the Tylenol?", "P: About twice a day."],
         {"frequency": "2/d"}),
        ("lisinopril", ["D: Are you still on lisinopril twenty milligrams?", "P: Yes, I am."],
         {"dose": "20", "unit": "mg"}),
        ("lisinopril", ["D: I'm going to increase your lisinopril from 10 to 20 milligrams."], {}),
        ("omeprazole", ["P: I take omeprazole 20 milligrams, bisoprolol 2.5."],
         {"dose": "20", "unit": "mg"}),
        ("bisoprolol", ["P: I take omeprazole 20 milligrams, bisoprolol 2.5."],
         {"dose": "2.5", "unit": "mg"}),
        ("penicillin allergy", ["D: Any allergies?", "P: Penicillin.",
                        "D: Penicillin? What happens when you take it?",
                        "P: I come out in a rash."], {"reaction": "rash"}),
        ("latex allergy", ["P: Penicillin gives me a rash and latex makes me itch."],
         {"reaction": "itching"}),
        ("ibuprofen", ["P: I don't take ibuprofen 400 milligrams."], {}),
    ],
)  # fmt: skip
def test_attributes(name: str, lines: list[str], expected: dict[str, str]) -> None:
    assert attributes(name, *lines) == expected


def test_a_plan_stands_beside_a_denial() -> None:
    found = heard("D: Have you taken any ibuprofen?", "P: No.", "D: I'd try some ibuprofen.")
    assert [one.assertion.status for one in found] == [Status.ABSENT, Status.HYPOTHETICAL]


def test_a_plan_is_not_told_of_what_is_taken() -> None:
    assert statuses("P: I take aspirin.", "D: You should take aspirin.") == {"aspirin": "present"}


def test_finding_has_kind_code_evidence_and_confidence() -> None:
    (finding,) = heard("D: Any allergies?", "P: Yes, to penicillin.")
    assert finding.kind is FindingKind.ALLERGY
    assert (finding.concept.system, finding.concept.code) == (ALLERGIES, "penicillin")
    assert (finding.evidence[0].turn, finding.evidence[0].first) == (2, 2)
    assert finding.confidence == 0.9


def test_a_misheard_name_is_less_certain() -> None:
    sure, misheard = heard("P: I take atorvastatin."), heard("P: I take atorvastatan.")
    assert misheard[0].concept == sure[0].concept
    assert misheard[0].confidence < sure[0].confidence


def test_all_kinds_come_from_one_extractor() -> None:
    lines = ["P: I have a cough and a temperature of 38.5.", "P: I take ramipril."]
    kinds = {finding.kind for finding in extract(turns(*lines))}
    assert kinds == {FindingKind.SYMPTOM, FindingKind.MEASUREMENT, FindingKind.MEDICATION}


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("DP?"),
            st.lists(
                st.sampled_from(
                    "any allergies ? no yes penicillin i take it 500 mg stopped . you and my "
                    "aspirin rash what happens medication allergic to".split()
                ),
                max_size=8,
            ),
        ),
        max_size=6,
    )
)
def test_evidence_is_in_the_turns(lines: list[tuple[str, list[str]]]) -> None:
    said = [f"{speaker}: {' '.join(words)}" for speaker, words in lines]
    lengths = {turn.id: len(turn.words) for turn in turns(*said)}
    for finding in heard(*said):
        assert finding.evidence
        for span in finding.evidence:
            assert 0 <= span.first <= span.last < lengths[span.turn]
        assert 0 < finding.confidence <= 1
