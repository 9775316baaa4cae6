"""The FHIR Bundle: valid, closed, and never an absent finding as a present one."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import SAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st
from records import (
    BEGAN,
    COUGH,
    FEVER,
    FULL,
    MEDICINE,
    PENICILLIN,
    PRESSURE,
    RAMIPRIL,
    RECORD,
    RECORDS,
    TEMPERATURE,
    finding,
    of_sample,
)

from voicemed.assertion import Experiencer, Status
from voicemed.batch import Transcriber
from voicemed.config import Settings
from voicemed.documents import transcript_text
from voicemed.encounter import Consent, Edit, EncounterRecord
from voicemed.errors import AudioFileError
from voicemed.fhir import STATUS_TAGS, Recording, bundle, to_fhir
from voicemed.findings import FindingKind
from voicemed.transcript import Turn

Resource = dict[str, Any]
R4 = json.loads(Path(__file__).with_name("fhir_r4.json").read_text("utf-8"))
"""Elements of the types used, each with its type or its codes, and which are required: taken from
HL7's JSON Schema of FHIR 4.0 (http://hl7.org/fhir/json-schema/4.0, CC0)."""


# --- an oracle of its own: reads a Bundle as any FHIR program would -------------------------------


def resources(data: Resource, kind: str = "") -> list[Resource]:
    found = [entry["resource"] for entry in data["entry"]]
    return [one for one in found if not kind or one["resourceType"] == kind]


def code(concept: Resource) -> str:
    return str(concept["coding"][0]["code"])


def tag(resource: Resource) -> str:
    (one,) = (t["code"] for t in resource["meta"]["tag"] if t["system"] == STATUS_TAGS)
    return str(one)


def held(data: Resource) -> set[str]:
    """Codes of what the patient has, by standard elements only: what a reader would list."""
    codes = set()
    for one in resources(data):
        match one["resourceType"]:
            case "Condition" | "AllergyIntolerance":
                active = code(one.get("clinicalStatus", {"coding": [{"code": ""}]})) == "active"
                if active and code(one["verificationStatus"]) != "refuted":
                    codes.add(code(one["code"]))
            case "MedicationStatement":
                if one["status"] == "active":
                    codes.add(code(one["medicationCodeableConcept"]))
            case "Observation":
                if "effectiveDateTime" in one:
                    codes.add(code(one["code"]))
    return codes


def uncertain_allergies(data: Resource) -> set[str]:
    """They stay in the list of allergies, as a warning."""
    allergies = resources(data, "AllergyIntolerance")
    return {code(one["code"]) for one in allergies if tag(one) == "uncertain"}


def with_status(record: EncounterRecord, status: Status) -> set[str]:
    return {
        " ".join(one.concept.code.split())
        for one in record.findings
        if one.assertion.status is status and one.assertion.experiencer is Experiencer.PATIENT
    }


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            if key == "reference":
                yield one
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def not_r4(value: Any, kind: str, place: str = "") -> list[str]:
    """What of a value FHIR R4 does not have: elements, codes; and what it lacks."""
    if kind not in R4["definitions"] or not isinstance(value, dict):
        return []
    elements, problems = R4["definitions"][kind], []
    required = R4["required"].get(kind, [])
    problems += [f"{place} lacks {name}" for name in required if name not in value]
    for name, one in value.items():
        if name not in elements:
            problems.append(f"{place}.{name} is not in {kind}")
            continue
        wanted = elements[name]
        for part in one if isinstance(one, list) else [one]:
            if isinstance(wanted, list) and part not in wanted:
                problems.append(f"{place}.{name} is {part!r}")
            elif wanted == "ResourceList":
                problems += not_r4(part, part["resourceType"], part["resourceType"])
            elif isinstance(wanted, str):
                problems += not_r4(part, wanted, f"{place}.{name}")
    return problems


def empty(value: object) -> bool:
    """Whether something in it is empty, which FHIR forbids."""
    if isinstance(value, dict | list):
        inside = value.values() if isinstance(value, dict) else value
        return not value or any(map(empty, inside))
    return value in ("", None)


def check(record: EncounterRecord, recording: Recording | None = None) -> Resource:
    """Validate the Bundle of a record in every way that we know; it, for more."""
    from fhir.resources.R4B.bundle import Bundle

    text = to_fhir(record, recording)
    assert text == to_fhir(record, recording)
    data: Resource = json.loads(text)
    again = Bundle.model_validate(data).model_dump_json()
    assert normal(json.loads(again)) == normal(data)
    assert not empty(data)
    assert not_r4(data, "Bundle") == []
    urls = [entry["fullUrl"] for entry in data["entry"]]
    assert len(set(urls)) == len(urls)
    assert set(references(data)) <= set(urls)
    assert resources(data)[0]["resourceType"] == "Composition"
    assert held(data) - uncertain_allergies(data) == with_status(record, Status.PRESENT)
    absent = with_status(record, Status.ABSENT)
    for one in resources(data):
        coded = one.get("code") or one.get("medicationCodeableConcept")
        if coded and code(coded) in absent and tag(one) == "absent":
            assert_denied(one, coded)
    assert {tag(one) for one in resources(data) if "meta" in one} <= set(map(str, Status))
    return data


def assert_denied(one: Resource, coded: Resource) -> None:
    assert coded["text"].endswith(("absent", "not taken"))
    assert one["resourceType"] != "Observation"
    assert one.get("status") == "not-taken" or code(one["verificationStatus"]) == "refuted"
    assert "active" not in json.dumps(one.get("clinicalStatus", {})).replace("inactive", "")


def normal(value: Any) -> Any:
    """JSON in which 5 is 5.0 and a text of a number, as the library writes decimals, is it too."""
    if isinstance(value, dict):
        return {key: normal(one) for key, one in value.items()}
    if isinstance(value, list):
        return [normal(one) for one in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(float(value))
    try:
        return str(float(value)) if isinstance(value, str) else value
    except ValueError:
        return value


# --- all records ---------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(RECORDS)
def test_any_record_makes_a_valid_bundle_with_just_its_present_findings(
    record: EncounterRecord,
) -> None:
    check(record)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.wav")), ids=lambda path: path.stem)
def test_the_bundle_of_each_sample_as_expected(path: Path) -> None:
    record = of_sample(path)
    check(record, Recording.of(path))


@pytest.mark.models
def test_the_bundle_of_each_sample_as_transcribed() -> None:
    transcriber = Transcriber(Settings())
    counts: dict[Status, int] = {}
    for path in sorted(SAMPLES.glob("*.wav")):
        heard = transcriber.transcribe(path)
        record = replace(
            RECORD,
            turns=heard.turns,
            findings=heard.findings,
            audio_seconds=heard.duration,
            dropped=heard.dropped,
        )
        check(record, Recording.of(path))
        for one in heard.findings:
            counts[one.assertion.status] = counts.get(one.assertion.status, 0) + 1
    assert counts[Status.ABSENT] >= 5
    assert counts[Status.PRESENT] >= 10


def test_a_record_with_everything() -> None:
    data = check(FULL)
    kinds = {one["resourceType"] for one in resources(data)}
    assert kinds == {
        "Composition", "Patient", "Practitioner", "Device", "Encounter", "DocumentReference",
        "Condition", "AllergyIntolerance", "MedicationStatement", "Observation",
        "FamilyMemberHistory", "Consent", "Provenance", "AuditEvent",
    }  # fmt: skip


# --- findings ------------------------------------------------------------------------------------


def only(record: EncounterRecord, kind: str) -> Resource:
    (one,) = resources(bundle(record), kind)
    return one


def with_one(*args: Any, **kwargs: Any) -> EncounterRecord:
    return replace(FULL, findings=(finding(*args, **kwargs),), edits=())


@pytest.mark.parametrize(
    ("status", "confidence", "clinical", "verification", "text"),
    [
        (Status.PRESENT, 0.9, "active", "provisional", "cough (咳嗽)"),
        (Status.PRESENT, 0.5, "active", "unconfirmed", "cough (咳嗽)"),
        (Status.UNCERTAIN, 0.9, None, "unconfirmed", "cough (咳嗽): uncertain"),
        (Status.PAST, 0.9, "inactive", "provisional", "cough (咳嗽): in the past"),
        (Status.ABSENT, 0.9, None, "refuted", "cough (咳嗽): absent"),
        (Status.ABSENT, 0.1, None, "refuted", "cough (咳嗽): absent"),
    ],
)
def test_a_symptom(
    status: Status, confidence: float, clinical: str | None, verification: str, text: str
) -> None:
    condition = only(with_one(COUGH, status, confidence=confidence), "Condition")
    assert code(condition["verificationStatus"]) == verification
    assert ("clinicalStatus" in condition) == bool(clinical)
    if clinical:
        assert code(condition["clinicalStatus"]) == clinical
    assert condition["code"]["text"] == text
    assert [one["code"] for one in condition["code"]["coding"]] == ["HP:0012735", "R05.9"]
    assert text in condition["text"]["div"]
    assert condition["note"] == [{"text": "[00:00] Patient: No"}]


def test_only_what_a_person_set_is_confirmed() -> None:
    record = replace(FULL, findings=FULL.findings[:2])
    first, second = resources(bundle(record), "Condition")
    assert code(first["verificationStatus"]) == "confirmed"  # the cough: present ones come first
    assert code(second["verificationStatus"]) == "refuted"


def test_since_when_and_how_bad() -> None:
    dated = with_one(COUGH, onset="three days ago", onset_date="2026-04-28", severity="bad")
    condition = only(dated, "Condition")
    assert condition["onsetDateTime"] == "2026-04-28"
    assert condition["severity"] == {"text": "bad"}
    denied = only(with_one(COUGH, Status.ABSENT, onset="now", severity="bad"), "Condition")
    assert not {"onsetString", "severity"} & denied.keys()
    undated = only(with_one(COUGH, onset="three days ago", onset_date="2026-02-30"), "Condition")
    assert undated["onsetString"] == "started three days ago"
    assert "onsetDateTime" not in undated


@pytest.mark.parametrize("kind", [FindingKind.SYMPTOM, FindingKind.ALLERGY])
def test_what_was_only_spoken_of_is_no_resource(kind: FindingKind) -> None:
    data = check(with_one(COUGH, Status.HYPOTHETICAL, kind))
    assert not resources(data, "Condition")
    assert not resources(data, "AllergyIntolerance")
    assert "cough (咳嗽): only spoken of" in json.dumps(data, ensure_ascii=False)


def test_what_others_have_is_not_the_patients() -> None:
    data = check(with_one(COUGH, other=True))
    (history,) = resources(data, "FamilyMemberHistory")
    assert history["condition"][0]["code"]["text"] == "cough (咳嗽) (of somebody else)"
    assert not resources(data, "Condition")
    for status in (Status.ABSENT, Status.UNCERTAIN, Status.HYPOTHETICAL):
        data = check(with_one(COUGH, status, other=True))
        assert not resources(data, "FamilyMemberHistory")
        assert "(of somebody else)" in json.dumps(data)


@pytest.mark.parametrize(
    ("status", "clinical", "verification"),
    [
        (Status.PRESENT, "active", "unconfirmed"),
        (Status.UNCERTAIN, "active", "unconfirmed"),
        (Status.PAST, "inactive", "unconfirmed"),
        (Status.ABSENT, "inactive", "refuted"),
    ],
)
def test_an_allergy(status: Status, clinical: str, verification: str) -> None:
    record = with_one(PENICILLIN, status, FindingKind.ALLERGY, reaction="rash")
    allergy = only(record, "AllergyIntolerance")
    assert code(allergy["clinicalStatus"]) == clinical
    assert code(allergy["verificationStatus"]) == verification
    known = [{"manifestation": [{"text": "rash"}]}]
    assert allergy.get("reaction") == (None if status is Status.ABSENT else known)


@pytest.mark.parametrize(
    ("status", "written"),
    [
        (Status.PRESENT, "active"),
        (Status.UNCERTAIN, "unknown"),
        (Status.PAST, "completed"),
        (Status.ABSENT, "not-taken"),
        (Status.HYPOTHETICAL, "intended"),
    ],
)
def test_a_medicine(status: Status, written: str) -> None:
    record = with_one(RAMIPRIL, status, FindingKind.MEDICATION)
    assert only(record, "MedicationStatement")["status"] == written


def test_a_dosage() -> None:
    said = {"dose": "500", "unit": "mcg", "frequency": "1-2/3d", "route": "oral"}
    record = with_one(RAMIPRIL, kind=FindingKind.MEDICATION, reason="the heart", **said)
    statement = only(record, "MedicationStatement")
    (dosage,) = statement["dosage"]
    assert dosage["timing"]["repeat"] == {
        "frequency": 1, "frequencyMax": 2, "period": 3, "periodUnit": "d",
    }  # fmt: skip
    assert dosage["doseAndRate"][0]["doseQuantity"] == {
        "value": 500, "unit": "mcg", "system": "http://unitsofmeasure.org", "code": "ug",
    }  # fmt: skip
    assert dosage["route"] == {"text": "oral"}
    assert statement["reasonCode"] == [{"text": "the heart"}]
    tablets = with_one(RAMIPRIL, kind=FindingKind.MEDICATION, dose="2", unit="tablets")
    assert only(tablets, "MedicationStatement")["dosage"] == [{"text": "2 tablets"}]


def test_a_blood_pressure_has_two_components() -> None:
    record = with_one(PRESSURE, kind=FindingKind.MEASUREMENT, value="140-150/90", unit="mmHg")
    observation = only(record, "Observation")
    upper, lower = observation["component"]
    assert (code(upper["code"]), code(lower["code"])) == ("8480-6", "8462-4")
    assert upper["valueRange"]["high"]["value"] == 150
    assert lower["valueQuantity"]["code"] == "mm[Hg]"
    assert code(observation["category"][0]) == "vital-signs"


@pytest.mark.parametrize(
    ("value", "unit", "element", "expected"),
    [
        ("38.5", "°C", "valueQuantity", {"value": 38.5, "unit": "°C", "code": "Cel"}),
        (">39", "°C", "valueQuantity", {"value": 39, "comparator": ">", "code": "Cel"}),
        ("2.5", "", "valueQuantity", {"value": 2.5}),
        ("2", "furlongs", "valueQuantity", {"value": 2, "unit": "furlongs"}),
    ],
)
def test_a_value(value: str, unit: str, element: str, expected: Resource) -> None:
    record = with_one(TEMPERATURE, kind=FindingKind.MEASUREMENT, value=value, unit=unit)
    observation = only(record, "Observation")
    assert expected.items() <= observation[element].items()
    assert ("system" in observation[element]) == ("code" in observation[element])


@pytest.mark.parametrize("status", [Status.PAST, Status.UNCERTAIN])
def test_a_value_that_is_not_present_is_no_number(status: Status) -> None:
    record = with_one(TEMPERATURE, status, FindingKind.MEASUREMENT, value="38", unit="°C")
    observation = only(record, "Observation")
    assert "valueQuantity" not in observation
    assert "effectiveDateTime" not in observation
    assert "38 °C" in observation["valueString"]


@pytest.mark.parametrize("status", [Status.ABSENT, Status.HYPOTHETICAL])
def test_a_value_that_was_not_measured_is_no_observation(status: Status) -> None:
    record = with_one(TEMPERATURE, status, FindingKind.MEASUREMENT, value="38", unit="°C")
    assert not resources(check(record), "Observation")


# --- who wrote it, who checked it ----------------------------------------------------------------


def test_nobody_checked_it() -> None:
    data = check(RECORD)
    composition = resources(data)[0]
    assert composition["status"] == "preliminary"
    assert "not checked by anybody" in composition["title"]
    assert "not a medical device" in composition["text"]["div"]
    assert "attester" not in composition
    (machine,) = resources(data, "Provenance")
    assert machine["agent"][0]["type"]["coding"][0]["code"] == "assembler"


def test_a_correction_says_who_when_and_what() -> None:
    data = check(FULL)
    (condition,) = (one for one in resources(data, "Condition") if code(one["code"]) == COUGH.code)
    revisions = [one for one in resources(data, "Provenance") if "activity" in one][1:]
    status, text = revisions
    assert status["target"][0]["reference"] == f"urn:uuid:{condition['id']}"
    assert status["recorded"] == "2026-05-01T10:30:00+02:00"
    assert status["agent"][0]["who"]["display"] == "Dr Chen"
    assert "reference" in status["agent"][0]["who"]
    assert status["entity"] == [{"role": "revision", "what": {"display": "absent"}}]
    assert text["agent"][0]["who"] == {"display": "Dr Ito"}
    assert "after 'No fever'" in text["text"]["div"].replace("&#x27;", "'")


def test_a_corrected_turn_with_fewer_words_keeps_its_evidence() -> None:
    record = with_one(COUGH)
    short = Turn(2, "patient", record.turns[1].words[:1])
    record = replace(record, turns=(record.turns[0], short))
    assert only(record, "Condition")["note"] == [{"text": "[00:00] Patient: No"}]
    check(replace(record, turns=()))


@pytest.mark.parametrize("given", [True, False])
def test_consent(given: bool) -> None:
    consent = Consent(given, BEGAN, "guardian", "Dr Ito", (1, 2))
    data = check(replace(FULL, consents=(consent,)))
    (one,) = resources(data, "Consent")
    assert one["status"] == ("active" if given else "rejected")
    assert one["provision"]["type"] == ("permit" if given else "deny")
    assert one["performer"] == [{"display": "guardian"}]
    sound = next(d for d in resources(data, "DocumentReference") if "Sound" in d["type"]["text"])
    assert one["sourceReference"]["reference"] == f"urn:uuid:{sound['id']}"
    assert any("Dr Ito" in json.dumps(p["agent"]) for p in resources(data, "Provenance"))


def test_an_access_keeps_its_place_in_the_log() -> None:
    event = only(FULL, "AuditEvent")
    assert event["action"] == "R"
    assert [one["valueString"] for one in event["entity"][0]["detail"]] == ["4", "ab" * 32]


def test_an_encounter_that_a_crash_ended() -> None:
    encounter = only(replace(RECORD, ended_at=None, recovered=True), "Encounter")
    assert encounter["status"] == "unknown"
    assert "cut off by a crash" in encounter["text"]["div"]
    assert only(replace(RECORD, ended_at=None), "Encounter")["status"] == "in-progress"


def test_another_version_is_another_document_of_the_same_encounter() -> None:
    edit = Edit(BEGAN + timedelta(days=1), "Dr Chen", "note", "", "x")
    first, second = bundle(RECORD), bundle(replace(RECORD, edits=(edit,), note="x"))
    assert first["identifier"] != second["identifier"]
    assert only(RECORD, "Encounter")["id"] == resources(second, "Encounter")[0]["id"]


# --- attachments ---------------------------------------------------------------------------------


def attachments(data: Resource) -> list[Resource]:
    documents = resources(data, "DocumentReference")
    return [document["content"][0]["attachment"] for document in documents]


def test_the_transcript_is_inside() -> None:
    (attachment, _) = attachments(bundle(FULL))
    text = base64.b64decode(attachment["data"])
    assert text.decode() == transcript_text(FULL)
    assert attachment["size"] == len(text)
    assert base64.b64decode(attachment["hash"]) == hashlib.sha1(text).digest()
    assert attachment["language"] == "en"


@pytest.mark.parametrize("inline", [True, False])
def test_the_sound_is_beside_it_or_inside(tmp_path: Path, inline: bool) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"sound")
    _, attachment = attachments(check(FULL, Recording.of(path, inline=inline)))
    assert attachment["url"] == "a.wav"
    assert attachment["size"] == 5
    assert base64.b64decode(attachment["hash"]) == hashlib.sha1(b"sound").digest()
    assert ("data" in attachment) is inline


def test_sound_that_stays_in_the_store_is_named_but_not_linked() -> None:
    _, attachment = attachments(check(FULL))
    assert "url" not in attachment
    assert "not part of this export" in attachment["title"]
    assert len(attachments(check(replace(FULL, audio_seconds=0.0, consents=())))) == 1


def test_a_sound_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match=r"a\.wav: cannot be read"):
        Recording.of(tmp_path / "a.wav")


# --- the oracle itself ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("Condition", {"status": "final"}),
        ("Encounter", {"status": "done"}),
        ("Composition", {"status": "draft"}),
        ("Observation", {"code": None}),
    ],
)
def test_the_list_of_r4_elements_finds_mistakes(kind: str, change: Resource) -> None:
    one = resources(bundle(FULL), kind)[0] | change
    assert not_r4({key: value for key, value in one.items() if value is not None}, kind)


@given(st.sampled_from([COUGH, FEVER]), st.sampled_from(Status))
def test_the_reader_of_bundles_tells_present_from_the_rest(concept: Any, status: Status) -> None:
    data = bundle(with_one(concept, status))
    assert held(data) == ({concept.code} if status is Status.PRESENT else set())
    assert MEDICINE not in json.dumps(data)
