"""What is said of a symptom: present, absent, uncertain, past or hypothetical; and whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Of a symptom at the time of the visit."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"
    PAST = "past"
    HYPOTHETICAL = "hypothetical"


class Experiencer(StrEnum):
    """Whose symptom it is."""

    PATIENT = "patient"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Assertion:
    """A status and whose it is."""

    status: Status
    experiencer: Experiencer = Experiencer.PATIENT
