"""Short versions of the scripts in tests/faults/ about the store itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import audit_chain
import power_cut
import pytest
import sample_store
import tamper


@pytest.fixture
def scratch() -> Iterator[Path]:
    with sample_store.scratch() as folder:
        yield folder


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_recorder_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    import kill_recorder

    problems, most = kill_recorder.kill_often(tmp_path / "store", moments=10, seed=0)
    assert problems == []
    assert most <= kill_recorder.ALLOWED


def test_a_power_cut_leaves_what_was_acknowledged(scratch: Path) -> None:
    cuts, problems = power_cut.cut_often(scratch, randomly=15, seed=0, every=4)
    assert cuts > 30
    assert problems == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits")
def test_a_full_disk_is_noticed_and_costs_nothing_of_before(scratch: Path) -> None:
    import disk_full

    problems, slowest = disk_full.limit_often(scratch, limits=3)
    assert problems == []
    assert slowest <= 2.0


@pytest.mark.skipif(sys.platform == "win32", reason="limits")
def test_recording_and_import_go_on_when_there_is_room_again(scratch: Path) -> None:
    import disk_full

    assert disk_full.run_out_of_room(scratch / "room") == []
    assert disk_full.fail_to_import(scratch / "import") == []


def test_tampering_is_found(scratch: Path) -> None:
    done, _, unnoticed = tamper.tamper_often(scratch, times=100, seed=0)
    assert done.total() == 100
    assert unnoticed == []


def test_each_forgery_of_the_audit_log_is_found(scratch: Path) -> None:
    tried, unnoticed = audit_chain.forge_all(12)
    assert tried > 250
    assert unnoticed == []
    assert audit_chain.forge_database(scratch / "store")[1] == []
