"""An encounter as an HL7 v2.5.1 message MDM^T02: a new document with its text.

A segment ends with a carriage return; text stands in OBX segments, a line in each. What delimits in
HL7 is escaped wherever it stands in a text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

from voicemed import __version__
from voicemed.documents import latest, page, plain_lines
from voicemed.encounter import EncounterRecord
from voicemed.transcript import one_line, printable

_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})


def to_hl7(record: EncounterRecord) -> bytes:
    """The message in UTF-8, which MSH-18 says."""
    return "".join(f"{segment}\r" for segment in _segments(record)).encode()


def escaped(text: str) -> str:
    """A text in which nothing delimits, on one line."""
    return one_line(printable(text)).translate(_ESCAPES)


def _segments(record: EncounterRecord) -> Iterator[str]:
    at, began = _time(latest(record)), _time(record.started_at)
    number, patient = escaped(record.id), record.patient
    born = f"{patient.birth_date:%Y%m%d}" if patient.birth_date else ""
    clinician = f"^{escaped(record.clinician)}" if record.clinician.strip() else ""
    version = f"voicemed {__version__}"
    # MSH-10 has at most 20 characters, and is another one after a correction.
    control = hashlib.sha256(f"{record.id} {at}".encode()).hexdigest()[:20]
    yield _segment(
        "MSH", "^~\\&", version, "", "", "", at, "", "MDM^T02^MDM_T02", control, "P",
        "2.5.1", *[""] * 5, "UNICODE UTF-8",
    )  # fmt: skip
    yield _segment("EVN", "T02", at)
    yield _segment("PID", "1", "", escaped(patient.identifier), "", escaped(patient.name), "", born)
    # U: whether an in- or an outpatient, nobody said.
    yield _segment("PV1", "1", "U", *[""] * 4, clinician, *[""] * 11, number)
    # CN: a consultation. DO: written down, authenticated by nobody. UN: not for patient care yet.
    yield _segment(
        "TXA", "1", "CN", "TX", began, clinician, *[""] * 6, number, *[""] * 4, "DO", "", "UN"
    )
    for row, line in enumerate(plain_lines(page(record)), 1):
        # P: preliminary.
        yield _segment("OBX", str(row), "TX", "34109-9^Note^LN", "", escaped(line), *[""] * 5, "P")


def _segment(*fields: str) -> str:
    return "|".join(fields).rstrip("|")


def _time(at: datetime) -> str:
    return f"{at:%Y%m%d%H%M%S%z}"
