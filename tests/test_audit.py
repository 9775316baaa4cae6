"""The chain of the audit log; tests/test_store_faults.py forges it in every way."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from voicemed import audit
from voicemed.encounter import AuditEntry
from voicemed.errors import StoreError

STORE, OTHER = "store one", "store two"


def log(count: int, store: str = STORE) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for number in range(count):
        at = datetime(2026, 1, 1, 0, number, tzinfo=UTC)
        last = entries[-1] if entries else None
        entries.append(audit.entry(last, store, who="Dr Lee", action="opened", at=at))
    return entries


def test_an_honest_log_has_no_problems() -> None:
    entries = log(5)
    assert [one.number for one in entries] == [1, 2, 3, 4, 5]
    for count in range(6):
        assert audit.problems(entries, STORE, audit.head(entries[:count])) == []


def test_a_digest_is_computed_as_ever() -> None:
    # A change here makes every audit log a forgery.
    assert log(2)[1].digest == DIGEST


DIGEST = "ccf8c8e8e7c1fcc6f3495c1cf8932a2543f64cb17901020b082e7262776adb4a"


def test_a_cut_log_is_told_by_its_head() -> None:
    entries = log(5)
    head = audit.head(entries)
    assert audit.problems(entries[:3], STORE) == []
    assert "cut: entry 5" in audit.problems(entries[:3], STORE, head)[0]
    assert "cut: entry 5" in audit.problems([], STORE, head)[0]


def test_the_log_of_another_store_does_not_fit() -> None:
    assert audit.problems(log(3, OTHER), STORE)
    assert (
        "not the one of the printed head"
        in audit.problems(log(3), STORE, audit.head(log(3, OTHER)))[-1]
    )


@pytest.mark.parametrize("head", ["x", "5", "5-", "5-abc", "-" * 40, "five-" + "a" * 32])
def test_what_is_no_head_is_refused(head: str) -> None:
    with pytest.raises(StoreError, match="audit head"):
        audit.problems(log(5), STORE, head)
