"""Short versions of the scripts in tests/faults/ about a live session, with the real store."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and pseudo-terminals")

if sys.platform != "win32":
    import canaries
    import disk_full_session
    import kill_session
    import no_network


def test_a_killed_session_keeps_what_it_had(tmp_path: Path) -> None:
    problems, most = kill_session.kill_often(tmp_path / "store", moments=5, seed=0)
    assert problems == []
    assert most <= 1.0


def test_a_full_disk_is_said_at_once_and_costs_nothing_of_before(tmp_path: Path) -> None:
    after, problems = disk_full_session.fill(tmp_path / "store", kilobytes=100, pace="fast")
    assert problems == []
    assert after <= 2.0


def test_nothing_that_was_said_or_typed_stays_outside_of_the_store(tmp_path: Path) -> None:
    names = ["a whole session", "recognition fails", "dictation"]
    assert canaries.run_all(tmp_path, names) == []


def test_nothing_of_the_record_stays_outside_of_it(tmp_path: Path) -> None:
    names = ["init", "what is recorded", "another passphrase", "search", "a correction fails"]
    assert canaries.run_record(tmp_path, names) == []


@pytest.mark.models
def test_a_session_uses_no_network(tmp_path: Path) -> None:
    isolated = no_network.isolation()
    assert no_network.run_all(tmp_path, isolated, only=["session"]) == []
