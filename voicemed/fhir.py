"""An encounter as a FHIR R4 document: a Bundle whose references all resolve inside it.

    Composition ── Patient, Practitioner, Encounter, Device (voicemed)
      ├─ a section for each status: Condition, AllergyIntolerance, MedicationStatement, Observation
      ├─ of somebody else: FamilyMemberHistory
      └─ DocumentReference (transcript, sound), Consent, AuditEvent
    Provenance: voicemed wrote it; who corrected what, and what stood there before

What nobody must mistake, by kind and status:

    status        symptom: Condition      allergy                 medicine        measurement
    present       active, provisional     active, unconfirmed     active          Observation, value
    uncertain     unconfirmed, no         active, unconfirmed,    unknown         Observation, the
                  clinical status         'uncertain' in name                     value as text only
    past          inactive, provisional   inactive, unconfirmed   completed       the same
    absent        refuted, no             inactive, refuted       not-taken       narrative only
                  clinical status
    hypothetical  narrative only          narrative only          intended        narrative only

What is not present also says so in `code.text` and in the tag `urn:voicemed:status`, for readers
that skip modifiers. Doubtful symptoms are `unconfirmed`; only what a person set is `confirmed`. Of
somebody else only what is or was present is coded, as FamilyMemberHistory; the rest is narrative.

`Composition.identifier` stays the same for the same encounter; `Bundle.identifier` is another one
whenever something was added, were it only an access.

Every export is validated against the models of `fhir.resources` for R4B (4.3.0; the package has no
R4). The elements used here are the same in R4 (4.0.1); the tests hold them against the list of
those in R4.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from voicemed import __version__
from voicemed.assertion import Experiencer, Status
from voicemed.documents import (
    DISCLAIMER,
    grounded,
    latest,
    statement,
    status_edits,
    title,
    transcript_text,
)
from voicemed.encounter import AuditEntry, Consent, Edit, EncounterRecord
from voicemed.errors import AudioFileError
from voicemed.findings import Finding, FindingKind
from voicemed.transcript import clock, label_of, one_line, printable, span_times

_Resource = dict[str, Any]

STATUS_TAGS = "urn:voicemed:status"
"""System of the tag that holds a finding's status as voicemed knows it."""
CONFIDENCE = "urn:voicemed:confidence"
"""Extension with a finding's confidence, 0 to 1, rough and not calibrated."""
_TERMS = "http://terminology.hl7.org/CodeSystem/"
_ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
_LOINC = "http://loinc.org"
_UCUM = "http://unitsofmeasure.org"
_URI = "urn:ietf:rfc:3986"


@dataclass(frozen=True, slots=True)
class Recording:
    """The sound as a file beside the Bundle."""

    name: str
    "Of the file, in the same folder."
    size: int
    "Bytes."
    sha1: bytes
    "What FHIR asks for as an attachment's hash; against damage, not against forgery."
    content: bytes | None = None
    "To hold it in the Bundle as well."

    @classmethod
    def of(cls, path: Path, *, inline: bool = False) -> Recording:
        """That of a WAV file; raises AudioFileError if it cannot be read."""
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha1").digest()
            content = path.read_bytes() if inline else None
            return cls(path.name, path.stat().st_size, digest, content)
        except OSError as error:
            raise AudioFileError(f"{path}: cannot be read: {error.strerror or error}") from error


def to_fhir(record: EncounterRecord, recording: Recording | None = None) -> bytes:
    """The Bundle as JSON, validated."""
    from fhir.resources.R4B.bundle import Bundle  # heavy, and only wanted here

    data = bundle(record, recording)
    text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    Bundle.model_validate_json(text)
    return text.encode()


def bundle(record: EncounterRecord, recording: Recording | None = None) -> _Resource:
    """The Bundle as JSON values; not validated."""
    return _Document(grounded(record), recording).bundle()


# --- pieces --------------------------------------------------------------------------------------


def _pruned(value: Any) -> Any:
    """JSON values without what is empty, which FHIR does not allow."""
    if isinstance(value, dict):
        kept = {key: _pruned(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one not in (None, "", [], {})}
    if isinstance(value, list):
        return [one for one in map(_pruned, value) if one not in (None, "", [], {})]
    return value


def _text(text: str) -> str:
    """A line that FHIR's strings can hold."""
    return one_line(printable(text))


def _coding(system: str, code: str, display: str = "") -> _Resource:
    return {"system": system, "code": _text(code), "display": _text(display)}


def _term(system: str, code: str) -> _Resource:
    """A CodeableConcept of HL7's own terminology."""
    return {"coding": [{"system": _TERMS + system, "code": code}]}


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _narrative(*lines: str) -> _Resource:
    """A paragraph for each line."""
    paragraphs = "".join(f"<p>{html.escape(_text(line))}</p>" for line in lines if _text(line))
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs or "<p>None.</p>"}</div>',
    }


_SAID: Mapping[Status, str] = {
    Status.ABSENT: "absent",
    Status.UNCERTAIN: "uncertain",
    Status.PAST: "in the past",
    Status.HYPOTHETICAL: "only spoken of",
}
_SAID_OF_MEDICINES: Mapping[Status, str] = {
    Status.ABSENT: "not taken",
    Status.UNCERTAIN: "uncertain whether taken",
    Status.PAST: "no longer taken",
    Status.HYPOTHETICAL: "planned or spoken of, not taken",
}


def phrase(finding: Finding) -> str:
    """'fever', 'fever: absent', 'ibuprofen: not taken', 'migraine (of somebody else)'."""
    words = _SAID_OF_MEDICINES if finding.kind is FindingKind.MEDICATION else _SAID
    concept = finding.concept
    said = f"{concept.display} ({concept.display_zh})" if concept.display_zh else concept.display
    if not of_the_patient(finding):
        said += " (of somebody else)"
    status = words.get(finding.assertion.status)
    return _text(f"{said}: {status}" if status else said)


def of_the_patient(finding: Finding) -> bool:
    """Whether it is the patient's own."""
    return finding.assertion.experiencer is Experiencer.PATIENT


def _code(finding: Finding) -> _Resource:
    concept = finding.concept
    codings = [_coding(concept.system, concept.code, concept.display)]
    if concept.icd10:
        codings.append(_coding(_ICD10CM, concept.icd10))
    return {"coding": [one for one in codings if one["code"]], "text": phrase(finding)}


# --- values --------------------------------------------------------------------------------------

_UNITS: Mapping[str, str] = {
    "mmHg": "mm[Hg]", "/min": "/min", "°C": "Cel", "°F": "[degF]", "%": "%", "kg": "kg",
    "lb": "[lb_av]", "cm": "cm", "in": "[in_i]", "kg/m2": "kg/m2", "mg/dL": "mg/dL",
    "mmol/L": "mmol/L", "mmol/mol": "mmol/mol", "L/min": "L/min", "g/dL": "g/dL", "g/L": "g/L",
    "umol/L": "umol/L", "mL/min/1.73m2": "mL/min/{1.73_m2}", "mg": "mg", "g": "g", "mcg": "ug",
    "ml": "mL", "mL": "mL",
}  # fmt: skip
"""UCUM's codes of the units as they are written; others go without a code."""
_NUMBER = re.compile(r"([<>]?)(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)
_RANGE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)-(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)
_BLOOD_PRESSURE = "85354-9"
_PRESSURES = (("8480-6", "Systolic blood pressure"), ("8462-4", "Diastolic blood pressure"))
_VITAL_SIGNS = frozenset(
    "85354-9 8480-6 8462-4 8867-4 9279-1 8310-5 59408-5 29463-7 8302-2 39156-5 9843-4".split()
)
"""LOINC codes that are vital signs by FHIR's profile."""
_FHIR_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", re.ASCII)
_FREQUENCY = re.compile(r"([1-9]\d?)(?:-([1-9]\d?))?/([1-9]\d?)?(d|wk|mo)", re.ASCII)


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _quantity(text: str, unit: str) -> _Resource | None:
    """'38.5', '>39'; None for what is no single number."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    code = _UNITS.get(unit, "")
    return {
        "value": _number(found[2]),
        "comparator": found[1],
        "unit": _text(unit),
        "system": _UCUM if code else "",
        "code": code,
    }


def _value(text: str, unit: str) -> _Resource:
    """A number with its unit, a range of them, else the text as it is."""
    if quantity := _quantity(text, unit):
        return {"valueQuantity": quantity}
    found = _RANGE.fullmatch(text)
    if found and _number(found[1]) <= _number(found[2]):
        low, high = _quantity(found[1], unit), _quantity(found[2], unit)
        return {"valueRange": {"low": low, "high": high}}
    return {"valueString": _text(f"{text} {unit}")}


def _dosage(finding: Finding) -> _Resource:
    """The dose as text, and as numbers as far as they are plain."""
    said = finding.attributes
    frequency = said.get("frequency", "")
    found = _FREQUENCY.fullmatch(frequency)
    repeat = {}
    if found:
        repeat = {
            "frequency": int(found[1]),
            "frequencyMax": int(found[2]) if found[2] else None,
            "period": int(found[3] or 1),
            "periodUnit": found[4],
        }
    dose, unit = said.get("dose", ""), said.get("unit", "")
    quantity = _quantity(dose, unit) if unit in _UNITS else None
    if quantity and quantity["comparator"]:
        quantity = None  # a SimpleQuantity has none
    return {
        "text": _text(finding.details),
        "timing": {"repeat": repeat},
        "asNeededBoolean": True if frequency == "as needed" else None,
        "route": {"text": _text(said.get("route", ""))},
        "doseAndRate": [{"doseQuantity": quantity}],
    }


# --- the document --------------------------------------------------------------------------------

_SECTIONS: Mapping[Status, str] = {
    Status.PRESENT: "Symptoms",
    Status.UNCERTAIN: "Symptoms that the patient is not sure of",
    Status.PAST: "Symptoms in the past",
    Status.ABSENT: "Symptoms that were denied (absent)",
}
_MEDICATION_STATUS: Mapping[Status, str] = {
    Status.PRESENT: "active",
    Status.ABSENT: "not-taken",
    Status.PAST: "completed",
    Status.UNCERTAIN: "unknown",
    Status.HYPOTHETICAL: "intended",
}
_AUDIT_ACTIONS: Mapping[str, str] = {
    "recorded": "C", "opened": "R", "searched": "R", "exported": "R", "edited": "U", "deleted": "D",
}  # fmt: skip
"""FHIR's letters for what was done; others are E, execute."""


@dataclass(slots=True)
class _Document:
    """Makes the resources of one record, and keeps what each is called."""

    record: EncounterRecord
    recording: Recording | None
    _entries: dict[str, _Resource] = field(default_factory=dict)
    "Resources by name, in order."

    def bundle(self) -> _Resource:
        self._entries["composition"] = {}  # it must be the first, but refers to the others
        self._people()
        self._documents()
        sections = [self._findings_section(status) for status in _SECTIONS]
        sections += self._kind_sections()
        sections += [self._of_others(), self._only_spoken_of(), self._note(), self._transcript()]
        sections += [self._consents(), self._audit()]
        self._entries["composition"] = self._composition([one for one in sections if one])
        self._provenance()
        at = _instant(max([latest(self.record), *(entry.at for entry in self.record.audit)]))
        return {
            "resourceType": "Bundle",
            "type": "document",
            "identifier": {"system": _URI, "value": self._url(f"bundle {at}")},
            "timestamp": at,
            "entry": [
                {"fullUrl": self._url(name), "resource": self._finished(name, resource)}
                for name, resource in self._entries.items()
            ],
        }

    def _finished(self, name: str, resource: _Resource) -> _Resource:
        kind = {"resourceType": resource["resourceType"], "id": self._url(name)[9:]}
        finished: _Resource = _pruned(kind | resource)
        return finished

    def _url(self, name: str) -> str:
        """A URN that is always the same for the same record and name."""
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'voicemed:{self.record.id}:{name}')}"

    def _add(self, name: str, kind: str, content: _Resource) -> _Resource:
        self._entries[name] = {"resourceType": kind} | content
        return self._reference(name)

    def _reference(self, name: str, display: str = "") -> _Resource:
        return {"reference": self._url(name), "display": _text(display)}

    # Who, when, with what

    def _people(self) -> None:
        record, patient = self.record, self.record.patient
        number = {"value": _text(patient.identifier)}
        self._add(
            "patient",
            "Patient",
            {
                "text": _narrative(patient.name or "Patient, name not entered"),
                "identifier": [number],
                "name": [{"text": _text(patient.name)}],
                "birthDate": patient.birth_date.isoformat() if patient.birth_date else "",
            },
        )
        if _text(record.clinician):
            name = _text(record.clinician)
            content = {"text": _narrative(name), "name": [{"text": name}]}
            self._add("practitioner", "Practitioner", content)
        self._add(
            "device",
            "Device",
            {
                "text": _narrative(f"voicemed {__version__}. {DISCLAIMER}"),
                "deviceName": [{"name": "voicemed", "type": "user-friendly-name"}],
                "type": {"text": "software for speech recognition; not a medical device"},
                "version": [{"value": __version__}],
                "note": [{"text": _text(f"recogniser: {record.model}")}] if record.model else [],
            },
        )
        ended = _instant(record.ended_at) if record.ended_at else ""
        open_ended = "unknown" if record.recovered else "in-progress"
        self._add(
            "encounter",
            "Encounter",
            {
                "text": _narrative(title(record), statement(record)),
                "identifier": [{"system": "urn:voicemed:encounter", "value": _text(record.id)}],
                "status": "finished" if ended else open_ended,
                "class": _coding(f"{_TERMS}v3-ActCode", "AMB", "ambulatory"),
                "subject": self._reference("patient"),
                "participant": [{"individual": one} for one in self._practitioner()],
                "period": {"start": _instant(record.started_at), "end": ended},
            },
        )

    def _practitioner(self) -> list[_Resource]:
        """The clinician's reference, if one is known."""
        known = "practitioner" in self._entries
        return [self._reference("practitioner", self.record.clinician)] if known else []

    def _who(self, name: str) -> _Resource:
        """A person: the clinician's resource, or the name alone."""
        if _text(name) and _text(name) == _text(self.record.clinician):
            return self._reference("practitioner", name)
        return {"display": _text(name) or "not known"}

    def _composition(self, sections: Sequence[_Resource]) -> _Resource:
        record = self.record
        first = {"title": "What this is", "text": _narrative(statement(record), DISCLAIMER)}
        return {
            "resourceType": "Composition",
            "text": _narrative(title(record), statement(record), DISCLAIMER),
            "identifier": {"system": _URI, "value": self._url("composition")},
            "status": "preliminary",
            "type": {
                "coding": [_coding(_LOINC, "34109-9", "Note")],
                "text": "Consultation, written by speech recognition",
            },
            "subject": self._reference("patient"),
            "encounter": self._reference("encounter"),
            "date": _instant(latest(record)),
            "author": [*self._practitioner(), self._reference("device", "voicemed")],
            "title": f"{title(record)}. {_text(statement(record))}",
            "section": [first, *sections],
        }

    @staticmethod
    def _section(
        name: str, lines: Iterable[str], entries: Iterable[_Resource] = (), loinc: str = ""
    ) -> _Resource:
        """A section, or nothing where it would be empty."""
        lines = list(lines)
        if not lines:
            return {}
        code = {"coding": [_coding(_LOINC, loinc)]} if loinc else {}
        return {"title": name, "code": code, "text": _narrative(*lines), "entry": list(entries)}

    # Findings

    def _numbered(self, *kinds: FindingKind, patients: bool = True) -> list[tuple[int, Finding]]:
        return [
            (number, finding)
            for number, finding in enumerate(self.record.findings, 1)
            if of_the_patient(finding) is patients and (not kinds or finding.kind in kinds)
        ]

    def _line(self, number: int, finding: Finding) -> str:
        """A finding for readers, with where it was said."""
        said = phrase(finding)
        if finding.details:
            said += f": {finding.details}" if ":" not in said else f" ({finding.details})"
        if finding.doubtful:
            said += "; to check: voicemed is not sure of it"
        if corrected := status_edits(self.record, number):
            said += f"; corrected by {corrected[-1].by}"
        return said

    def _evidence(self, finding: Finding) -> list[_Resource]:
        """The words that say so, as notes."""
        turns = {turn.id: turn for turn in self.record.turns}
        notes = []
        for span in finding.evidence:
            turn = turns[span.turn]
            words = "".join(word.text for word in turn.words[span.first : span.last + 1])
            who = f" {label_of(turn.speaker)}" if turn.speaker else ""
            at = clock(span_times(turns, span)[0])
            notes.append({"text": _text(f"[{at}]{who}: {words}")})
        return notes

    def _common(self, number: int, finding: Finding) -> _Resource:
        """What the resources of all findings have."""
        status = str(finding.assertion.status)
        return {
            "meta": {"tag": [_coding(STATUS_TAGS, status, status)]},
            "text": _narrative(self._line(number, finding), statement(self.record)),
            "extension": [{"url": CONFIDENCE, "valueDecimal": round(finding.confidence, 4)}],
            "note": self._evidence(finding),
        }

    def _findings_section(self, status: Status) -> _Resource:
        found = [
            (number, finding)
            for number, finding in self._numbered(FindingKind.SYMPTOM)
            if finding.assertion.status is status
        ]
        return self._section(
            _SECTIONS[status],
            [self._line(*one) for one in found],
            [self._condition(*one) for one in found],
        )

    def _condition(self, number: int, finding: Finding) -> _Resource:
        status = finding.assertion.status
        said = {} if status is Status.ABSENT else finding.attributes
        clinical = {Status.PRESENT: "active", Status.PAST: "inactive"}.get(status, "")
        if status is Status.ABSENT:
            verified = "refuted"
        elif status is Status.UNCERTAIN:
            verified = "unconfirmed"
        elif status_edits(self.record, number):
            verified = "confirmed"
        else:
            verified = "unconfirmed" if finding.doubtful else "provisional"
        onset = said.get("onset_date", "")
        dated = bool(_FHIR_DATE.fullmatch(onset)) and _is_date(onset)
        place = _text(f"{said.get('side', '')} {said.get('location', '')}")
        return self._add(
            f"finding {number}",
            "Condition",
            self._common(number, finding)
            | {
                "clinicalStatus": _term("condition-clinical", clinical) if clinical else {},
                "verificationStatus": _term("condition-ver-status", verified),
                "category": [{"text": "symptom, as told in the consultation"}],
                "severity": {"text": _text(said.get("severity", ""))},
                "code": _code(finding),
                "bodySite": [{"text": place}],
                "subject": self._reference("patient"),
                "encounter": self._reference("encounter"),
                "onsetDateTime": onset if dated else "",
                "onsetString": _text(finding.since) if said and not dated else "",
                "recordedDate": _instant(self.record.started_at),
                "evidence": [{"detail": [self._reference("transcript")]}],
            },
        )

    def _kind_sections(self) -> list[_Resource]:
        """Allergies, medicines and measurements, each kind in a section with all its statuses."""
        sections = []
        for kind, name, loinc, make in (
            (FindingKind.ALLERGY, "Allergies", "48765-2", self._allergy),
            (FindingKind.MEDICATION, "Medicines", "10160-0", self._medication),
            (FindingKind.MEASUREMENT, "Measurements", "8716-3", self._observation),
        ):
            found = [one for one in self._numbered(kind) if _is_coded(one[1])]
            lines = [self._line(*one) for one in found]
            sections.append(self._section(name, lines, [make(*one) for one in found], loinc))
        return sections

    def _allergy(self, number: int, finding: Finding) -> _Resource:
        status = finding.assertion.status
        held = status in (Status.PRESENT, Status.UNCERTAIN)
        if status is Status.ABSENT:
            verified = "refuted"
        elif status is Status.PRESENT and status_edits(self.record, number):
            verified = "confirmed"
        else:
            verified = "unconfirmed"
        reaction = _text(finding.attributes.get("reaction", "")) * (status is not Status.ABSENT)
        return self._add(
            f"finding {number}",
            "AllergyIntolerance",
            self._common(number, finding)
            | {
                # R4 wants a clinical status of each; one that is refuted is certainly not active.
                "clinicalStatus": _term(
                    "allergyintolerance-clinical", "active" if held else "inactive"
                ),
                "verificationStatus": _term("allergyintolerance-verification", verified),
                "code": _code(finding),
                "patient": self._reference("patient"),
                "encounter": self._reference("encounter"),
                "recordedDate": _instant(self.record.started_at),
                "reaction": [{"manifestation": [{"text": reaction}]}] if reaction else [],
            },
        )

    def _medication(self, number: int, finding: Finding) -> _Resource:
        status = finding.assertion.status
        return self._add(
            f"finding {number}",
            "MedicationStatement",
            self._common(number, finding)
            | {
                "status": _MEDICATION_STATUS[status],
                "medicationCodeableConcept": _code(finding),
                "subject": self._reference("patient"),
                "context": self._reference("encounter"),
                "dateAsserted": _instant(self.record.started_at),
                "reasonCode": [{"text": _text(finding.attributes.get("reason", ""))}],
                "derivedFrom": [self._reference("transcript")],
                "dosage": [] if status is Status.ABSENT else [_dosage(finding)],
            },
        )

    def _observation(self, number: int, finding: Finding) -> _Resource:
        """A measurement; a number to calculate with only where it is present."""
        said, code = finding.attributes, finding.concept.code
        value, unit = said.get("value", "").strip(), said.get("unit", "").strip()
        present = finding.assertion.status is Status.PRESENT
        measured: _Resource = {"valueString": _text(f"{phrase(finding)}: {value} {unit}")}
        upper, slash, lower = value.partition("/")
        if present and code == _BLOOD_PRESSURE and slash:
            measured = {
                "component": [
                    {"code": {"coding": [_coding(_LOINC, *named)]}, **_value(one, unit)}
                    for named, one in zip(_PRESSURES, (upper, lower), strict=True)
                    if one
                ]
            }
        elif present and value:
            measured = _value(value, unit)
        vital = finding.concept.system == _LOINC and code in _VITAL_SIGNS
        return self._add(
            f"finding {number}",
            "Observation",
            self._common(number, finding)
            | {
                "status": "preliminary",
                "category": [_term("observation-category", "vital-signs")] if vital else [],
                "code": _code(finding),
                "subject": self._reference("patient"),
                "encounter": self._reference("encounter"),
                # When it was said; when it was measured may be another time.
                "effectiveDateTime": _instant(self.record.started_at) if present else "",
                "device": self._reference("device"),
                "derivedFrom": [self._reference("transcript")],
            }
            | measured,
        )

    def _of_others(self) -> _Resource:
        """What is told of relatives and others; coded only what they have or had."""
        others = self._numbered(patients=False)
        coded = (FindingKind.SYMPTOM, FindingKind.ALLERGY)
        had = (Status.PRESENT, Status.PAST)
        return self._section(
            "Of somebody else, not of the patient",
            [self._line(*one) for one in others],
            [
                self._family_history(number, finding)
                for number, finding in others
                if finding.kind in coded and finding.assertion.status in had
            ],
        )

    def _family_history(self, number: int, finding: Finding) -> _Resource:
        return self._add(
            f"finding {number}",
            "FamilyMemberHistory",
            self._common(number, finding)
            | {
                "status": "partial",
                "patient": self._reference("patient"),
                "date": _instant(self.record.started_at),
                "relationship": {"text": "somebody else; who is in the transcript only"},
                "condition": [{"code": _code(finding)}],
            },
        )

    def _only_spoken_of(self) -> _Resource:
        """What would be mistaken if it were coded: possibilities, measurements that were denied."""
        found = [one for one in self._numbered() if not _is_coded(one[1])]
        return self._section(
            "Spoken of only, not what the patient has", [self._line(*one) for one in found]
        )

    # Documents

    def _documents(self) -> None:
        text = printable(transcript_text(self.record)).encode()
        language = _text(self.record.language)
        attachment = _attachment("text/plain; charset=utf-8", text, "Transcript") | {
            "data": base64.b64encode(text).decode(),
            "language": language,
        }
        self._document("transcript", "Transcript", attachment)
        if self.record.audio_seconds > 0 or self.recording:
            name = f"Sound of the consultation, {clock(self.record.audio_seconds)}"
            sound: _Resource = {"title": f"{name}; not part of this export"}
            if self.recording:
                sound = {
                    "contentType": "audio/wav",
                    "url": self.recording.name,
                    "size": self.recording.size,
                    "hash": base64.b64encode(self.recording.sha1).decode(),
                    "title": name,
                }
                if self.recording.content is not None:
                    sound["data"] = base64.b64encode(self.recording.content).decode()
            sound["creation"] = _instant(self.record.started_at)
            self._document("sound", "Sound", sound)

    def _document(self, name: str, kind: str, attachment: _Resource) -> None:
        self._add(
            name,
            "DocumentReference",
            {
                "text": _narrative(f"{kind}. {statement(self.record)}"),
                "status": "current",
                "docStatus": "preliminary",
                "type": {"text": f"{kind} of a consultation"},
                "subject": self._reference("patient"),
                "date": _instant(latest(self.record)),
                "author": [self._reference("device", "voicemed")],
                "description": _text(statement(self.record)),
                "content": [{"attachment": attachment}],
                "context": {"encounter": [self._reference("encounter")]},
            },
        )

    def _note(self) -> _Resource:
        return self._section("Note", self.record.note.strip().splitlines())

    def _transcript(self) -> _Resource:
        documents = (name for name in ("transcript", "sound") if name in self._entries)
        entries = [self._reference(name) for name in documents]
        lines = transcript_text(self.record).splitlines()
        return self._section("Transcript", lines, entries)

    # Consent, corrections, accesses

    def _consents(self) -> _Resource:
        consents = list(enumerate(self.record.consents, 1))
        return self._section(
            "Consent to the recording",
            [_consent_line(one) for _, one in consents],
            [self._consent(*one) for one in consents],
        )

    def _consent(self, number: int, consent: Consent) -> _Resource:
        by = [self._reference("patient")] if consent.by == "patient" else []
        clip = self._reference("sound") if consent.clip and "sound" in self._entries else {}
        return self._add(
            f"consent {number}",
            "Consent",
            {
                "text": _narrative(_consent_line(consent)),
                "status": "active" if consent.given else "rejected",
                "scope": _term("consentscope", "patient-privacy"),
                "category": [
                    {
                        "coding": [_coding(_LOINC, "59284-0", "Consent Document")],
                        "text": "recording of the consultation by voicemed",
                    }
                ],
                "patient": self._reference("patient"),
                "dateTime": _instant(consent.at),
                "performer": by or [{"display": _text(consent.by) or "not known"}],
                "sourceReference": clip,
                "policyRule": _term("v3-ActCode", "OPTIN" if consent.given else "OPTOUT"),
                "provision": {"type": "permit" if consent.given else "deny"},
            },
        )

    def _audit(self) -> _Resource:
        audit = self.record.audit
        return self._section(
            "Who had access",
            [f"{_instant(entry.at)} {entry.who}: {entry.action}" for entry in audit],
            [self._audit_event(entry) for entry in audit],
        )

    def _audit_event(self, entry: AuditEntry) -> _Resource:
        action = _text(entry.action) or "not known"
        return self._add(
            f"audit {entry.number}",
            "AuditEvent",
            {
                "type": _coding(
                    "http://dicom.nema.org/resources/ontology/DCM", "110110", "Patient Record"
                ),
                "subtype": [_coding("urn:voicemed:audit", action.replace(" ", "-"), action)],
                "action": _AUDIT_ACTIONS.get(action, "E"),
                "recorded": _instant(entry.at),
                "outcome": "0",
                "agent": [{"who": self._who(entry.who), "requestor": True}],
                "source": {"observer": self._reference("device", "voicemed")},
                "entity": [
                    {
                        "what": self._reference("encounter"),
                        "description": _text(entry.details),
                        "detail": [
                            {"type": "number in the log", "valueString": str(entry.number)},
                            {"type": "SHA-256 in the log", "valueString": _text(entry.digest)}
                            if _text(entry.digest)
                            else {},
                        ],
                    }
                ],
            },
        )

    def _provenance(self) -> None:
        """voicemed's own, of all that it wrote; and one for each correction and consent."""
        record = self.record
        written = [name for name in self._entries if name.startswith(("finding ", "transcript"))]
        heard = {"role": "source", "what": self._reference("sound")}
        self._add(
            "provenance",
            "Provenance",
            {
                "text": _narrative(statement(record), DISCLAIMER),
                "target": [self._reference(name) for name in ["composition", *written]],
                "recorded": _instant(record.ended_at or record.started_at),
                "activity": {"text": "speech recognition, and reading of what was recognised"},
                "agent": [
                    {
                        "type": _term("provenance-participant-type", "assembler"),
                        "who": self._reference("device", "voicemed"),
                    }
                ],
                "entity": [heard] if "sound" in self._entries else [],
            },
        )
        for number, consent in enumerate(record.consents, 1):
            self._add(
                f"provenance of consent {number}",
                "Provenance",
                {
                    "target": [self._reference(f"consent {number}")],
                    "recorded": _instant(consent.at),
                    "agent": [
                        {
                            "type": _term("provenance-participant-type", "enterer"),
                            "who": self._who(consent.recorded_by),
                        }
                    ],
                },
            )
        for number, edit in enumerate(record.edits, 1):
            self._add(f"edit {number}", "Provenance", self._edit(edit))

    def _edit(self, edit: Edit) -> _Resource:
        part, number = [*edit.what.split(" "), "", ""][:2]
        names = {"turn": "transcript", "finding": f"finding {number}", "patient": "patient"}
        name = names.get(part, "composition")
        before = {"role": "revision", "what": {"display": _text(edit.before) or "nothing"}}
        return {
            "text": _narrative(f"{edit.what}: before {edit.before!r}, after {edit.after!r}"),
            "target": [self._reference(name if name in self._entries else "composition")],
            "recorded": _instant(edit.at),
            "activity": {
                "coding": [_coding(f"{_TERMS}v3-DataOperation", "UPDATE", "revise")],
                "text": _text(f"correction of {edit.what}"),
            },
            "agent": [
                {
                    "type": _term("provenance-participant-type", "author"),
                    "who": self._who(edit.by),
                }
            ],
            "entity": [before],
        }


def _is_coded(finding: Finding) -> bool:
    """Whether a finding of the patient becomes a resource, as in the table at the top."""
    status = finding.assertion.status
    if finding.kind is FindingKind.MEDICATION:
        return True
    if finding.kind is FindingKind.MEASUREMENT and status is Status.ABSENT:
        return False
    return status is not Status.HYPOTHETICAL


def _is_date(text: str) -> bool:
    """Whether a year, month or day is one of the calendar."""
    try:
        datetime.fromisoformat(f"{text}-01-01"[:10])
    except ValueError:
        return False
    return True


def _attachment(kind: str, content: bytes, name: str) -> _Resource:
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    return {
        "contentType": kind,
        "size": len(content),
        "hash": base64.b64encode(digest).decode(),
        "title": name,
    }


def _consent_line(consent: Consent) -> str:
    said = "given" if consent.given else "refused"
    clip = ""
    if consent.clip:
        clip = f"; said at {clock(consent.clip[0])} to {clock(consent.clip[1])} of the sound"
    return (
        f"Consent to the recording {said} ({consent.by}), {_instant(consent.at)}, "
        f"noted by {consent.recorded_by}{clip}"
    )
