"""What a finding says of itself in a line."""

from __future__ import annotations

import pytest

from voicemed.assertion import Assertion, Status
from voicemed.findings import DOUBTFUL, Finding, FindingKind
from voicemed.lexicon import Concept
from voicemed.transcript import Span


def finding(
    kind: FindingKind, attributes: dict[str, str] | None = None, confidence: float = 0.9
) -> Finding:
    concept, assertion = Concept("s", "c", "x"), Assertion(Status.PRESENT)
    return Finding(concept, assertion, (Span(1, 0, 0),), attributes or {}, confidence, kind)


@pytest.mark.parametrize(
    ("kind", "attributes", "details"),
    [
        (FindingKind.SYMPTOM, {}, ""),
        (FindingKind.SYMPTOM, {"side": "left", "onset": "yesterday"}, "since yesterday, left"),
        (FindingKind.SYMPTOM, {"duration": "two weeks", "trend": ""}, "for two weeks"),
        (
            FindingKind.SYMPTOM,
            {"onset": "two weeks ago", "duration": "all night"},
            "started two weeks ago, all night",
        ),
        (FindingKind.MEDICATION, {"dose": "500 mg", "frequency": " daily "}, "500 mg, daily"),
        (
            FindingKind.MEDICATION,
            {"dose": "500", "unit": "mg", "frequency": "2/d", "since": "May"},
            "500 mg, twice a day, since May",
        ),
        (FindingKind.MEDICATION, {"frequency": "1/2wk"}, "every 2 weeks"),
        (FindingKind.MEDICATION, {"frequency": "4-6/d"}, "4-6 times a day"),
        (FindingKind.MEDICATION, {"frequency": "as needed"}, "as needed"),
        (
            FindingKind.SYMPTOM,
            {"severity": "seven", "severity_score": "7", "frequency": "1/d"},
            "seven, once a day",
        ),
        (FindingKind.ALLERGY, {"reaction": "rash"}, "rash"),
        (FindingKind.MEASUREMENT, {"value": "140/90", "unit": "mmHg"}, "140/90 mmHg"),
        (FindingKind.MEASUREMENT, {"value": "15"}, "15"),
    ],
)
def test_details(kind: FindingKind, attributes: dict[str, str], details: str) -> None:
    assert finding(kind, attributes).details == details


def test_below_the_threshold_it_is_to_be_checked() -> None:
    assert not finding(FindingKind.SYMPTOM, confidence=DOUBTFUL).doubtful
    assert finding(FindingKind.SYMPTOM, confidence=DOUBTFUL - 0.01).doubtful
