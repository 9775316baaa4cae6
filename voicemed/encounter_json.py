"""An encounter as JSON and back: everything that the record holds.

The format is described in docs/exports.md. Turns and findings are those of a transcript
(docs/transcript-format.md): times to 1 ms, probabilities and confidences to 0.0001; all else is as
it was.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from typing import Any

from voicemed.documents import DISCLAIMER, grounded, statement
from voicemed.encounter import (
    AuditEntry,
    Consent,
    Edit,
    EncounterKind,
    EncounterRecord,
    Patient,
)
from voicemed.transcript import (
    Json,
    finding_from_json,
    finding_to_json,
    parse_json,
    turn_from_json,
    turn_to_json,
)

SCHEMA = "voicemed-encounter/1"
"Described in docs/exports.md; a change that breaks readers takes the next number."


def to_json(record: EncounterRecord) -> str:
    """Everything, as in docs/exports.md."""
    record = grounded(record)
    turns = {turn.id: turn for turn in record.turns}
    born = record.patient.birth_date
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "statement": f"{statement(record)} {DISCLAIMER}",
        "id": record.id,
        "kind": str(record.kind),
        "started_at": record.started_at.isoformat(),
        "ended_at": record.ended_at.isoformat() if record.ended_at else None,
        "recovered": record.recovered,
        "patient": asdict(record.patient) | {"birth_date": born.isoformat() if born else None},
        "clinician": record.clinician,
        "source": record.source,
        "language": record.language,
        "model": record.model,
        "audio_seconds": record.audio_seconds,
        "dropped": dict(record.dropped),
        "consents": [asdict(one) | {"at": one.at.isoformat()} for one in record.consents],
        "note": record.note,
        "turns": [turn_to_json(turn) for turn in record.turns],
        "findings": [finding_to_json(finding, turns) for finding in record.findings],
        "edits": [asdict(one) | {"at": one.at.isoformat()} for one in record.edits],
        "audit": [asdict(one) | {"at": one.at.isoformat()} for one in record.audit],
    }
    return json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def from_json(text: str, name: str) -> EncounterRecord:
    """Read what `to_json` wrote; `name` stands for the file in messages.

    Raises TranscriptError for what is no JSON, another version of the format, or not as described.
    """
    root = parse_json(text, name, SCHEMA)
    turns = tuple(turn_from_json(turn) for turn in root["turns"].items())
    lengths = {turn.id: len(turn.words) for turn in turns}
    ended = root["ended_at"]
    return EncounterRecord(
        id=root["id"].text(),
        kind=root["kind"].member(EncounterKind),
        started_at=root["started_at"].time(),
        ended_at=None if ended.value is None else ended.time(),
        recovered=root["recovered"].boolean(),
        patient=_patient(root["patient"]),
        clinician=root["clinician"].text(),
        turns=turns,
        findings=tuple(finding_from_json(one, lengths) for one in root["findings"].items()),
        note=root["note"].text(),
        consents=tuple(map(_consent, root["consents"].items())),
        edits=tuple(map(_edit, root["edits"].items())),
        audit=tuple(map(_audit_entry, root["audit"].items())),
        audio_seconds=root["audio_seconds"].number(),
        language=root["language"].text(),
        model=root["model"].text(),
        source=root["source"].text(),
        dropped={key: value.integer() for key, value in root["dropped"].fields().items()},
    )


def _patient(data: Json) -> Patient:
    born = data["birth_date"]
    try:
        birth_date = None if born.value is None else date.fromisoformat(born.text())
    except ValueError as error:
        raise born.error("is not a date") from error
    return Patient(data["name"].text(), data["identifier"].text(), birth_date)


def _consent(data: Json) -> Consent:
    clip = data["clip"]
    bounds = [] if clip.value is None else [one.number() for one in clip.items()]
    if len(bounds) not in (0, 2):
        raise clip.error("is not a start and an end")
    return Consent(
        data["given"].boolean(),
        data["at"].time(),
        data["by"].text(),
        data["recorded_by"].text(),
        (bounds[0], bounds[1]) if bounds else None,
    )


def _edit(data: Json) -> Edit:
    what, before, after = data["what"].text(), data["before"].text(), data["after"].text()
    return Edit(data["at"].time(), data["by"].text(), what, before, after)


def _audit_entry(data: Json) -> AuditEntry:
    return AuditEntry(
        data["number"].integer(),
        data["at"].time(),
        data["who"].text(),
        data["action"].text(),
        data["encounter"].text(),
        data["details"].text(),
        data["digest"].text(),
    )
