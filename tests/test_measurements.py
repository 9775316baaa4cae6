"""Vital signs and measurements in sentences of consultations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed.assertion import Experiencer
from voicemed.findings import Finding, FindingKind
from voicemed.measurements import LOINC, create_measurements
from voicemed.transcript import Turn, Word

SPEAKERS = {"D": "doctor", "P": "patient", "?": ""}


def measured(*lines: str) -> tuple[Finding, ...]:
    extractor = create_measurements()
    findings: tuple[Finding, ...] = ()
    for number, line in enumerate(lines, 1):
        words = tuple(Word(f" {word}", 0.0, 0.0, 1.0) for word in line[3:].split())
        findings = extractor.update(Turn(number, SPEAKERS[line[0]], words))
    return findings


def readings(*lines: str) -> list[tuple[str, str, str, str]]:
    return [
        (
            finding.concept.display,
            finding.attributes["value"],
            finding.attributes.get("unit", ""),
            finding.assertion.status.value,
        )
        for finding in measured(*lines)
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ["D: Your blood pressure is one forty over ninety."],
            ("blood pressure", "140/90", "mmHg", "present"),
        ),
        (["P: It was 150/95 this morning."], ("blood pressure", "150/95", "mmHg", "present")),
        (["P: I had a temperature of 38.5."], ("body temperature", "38.5", "°C", "present")),
        (
            ["P: MY TEMPERATURE WAS THIRTY EIGHT POINT FIVE"],
            ("body temperature", "38.5", "°C", "present"),
        ),
        (["P: I had a fever of 102."], ("body temperature", "102", "°F", "present")),
        (
            ["D: Did you take your temperature?", "P: Yes, it was 39.4."],
            ("body temperature", "39.4", "°C", "present"),
        ),
        (
            ["D: your temperature is ninety eight . six"],
            ("body temperature", "98.6", "°F", "present"),
        ),
        (["D: Pulse is 88 and regular."], ("heart rate", "88", "/min", "present")),
        (
            ["D: You're satting at ninety nine percent on room air."],
            ("oxygen saturation", "99", "%", "present"),
        ),
        (["P: I weigh twelve stone four."], ("body weight", "78", "kg", "present")),
        (["P: I'm five foot eight tall."], ("body height", "172.7", "cm", "present")),
        (
            ["P: My A1c was 9 at my last visit."],
            ("hemoglobin A1c", "9", "%", "past"),
        ),
        (
            ["D: We'd like that A1c to be under seven."],
            ("hemoglobin A1c", "<7", "%", "hypothetical"),
        ),
        (
            ["P: My sugars have been running around 130."],
            ("blood glucose", "130", "mg/dL", "present"),
        ),
        (
            ["D: If your temperature goes above 39, come back."],
            ("body temperature", ">39", "°C", "hypothetical"),
        ),
    ],
)
def test_reads(lines: list[str], expected: tuple[str, str, str, str]) -> None:
    assert expected in readings(*lines)
    assert len(readings(*lines)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "P: I'm 40 years old and I take 500 milligrams of metformin.",
        "P: I've lost ten pounds.",
        "P: I smoke 20 a day.",
        "P: The blood pressure tablets are 5 milligrams.",
        "P: It's 7 out of 10, the pain.",
        "P: I've had it for 3 days, 4 times a day.",
        "P: One of them is for the cholesterol. The other three, they're for the diabetes.",
        "P: She wears five to six weight diapers.",
        "D: I'll check your blood pressure again in 2 weeks.",
    ],
)
def test_leaves_other_numbers_alone(line: str) -> None:
    assert readings(line) == []


def test_how_much_weight_was_lost_is_no_weight() -> None:
    assert readings("D: How much weight have you lost?", "P: About 20 pounds.") == []


def test_a_correction_replaces_the_value() -> None:
    line = "D: Blood pressure one fifty over ninety, sorry, one twenty over fifty."
    assert [value for _, value, _, _ in readings(line)] == ["120/50"]


def test_a_denied_value_is_left_out() -> None:
    assert readings("D: Your temperature is not 39.") == []


def test_a_relative_is_somebody_else() -> None:
    (finding,) = measured("P: My husband's blood pressure is 180 over 100.")
    assert finding.assertion.experiencer is Experiencer.OTHER


def test_finding_is_coded_and_has_evidence() -> None:
    (finding,) = measured("D: What's your temperature?", "P: 38.5")
    assert finding.kind is FindingKind.MEASUREMENT
    assert (finding.concept.system, finding.concept.code) == (LOINC, "8310-5")
    assert [span.turn for span in finding.evidence] == [1, 2]
    assert 0 < finding.confidence <= 1


def test_what_is_said_to_the_assistant_is_no_evidence() -> None:
    words = tuple(Word(f" {word}", 0.0, 0.0, 1.0) for word in "temperature 39.5".split())
    assert create_measurements().update(Turn(1, "doctor", words, to_assistant=True)) == ()


@given(st.integers(90, 200), st.integers(40, 80))
def test_any_plausible_blood_pressure(upper: int, lower: int) -> None:
    assert readings(f"D: BP {upper}/{lower}") == [
        ("blood pressure", f"{upper}/{lower}", "mmHg", "present")
    ]


@given(
    st.lists(st.sampled_from("bp temperature 140 over 38 . is ? point five pulse no 5 mg".split()))
)
def test_never_invents_a_number(words: list[str]) -> None:
    for _, value, _, _ in readings(f"P: {' '.join(words)}"):
        assert {*value} <= set("0123456789./-<>")
