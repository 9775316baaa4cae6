"""Texts to findings: what is written and where, and what goes wrong."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import SHARED

from voicemed.assertion import Assertion, Status
from voicemed.config import Settings
from voicemed.findings import Finding, FindingKind, StatusChange
from voicemed.lexicon import Concept
from voicemed.text_batch import Extracted, ExtractReport, extract_files, to_scored_jsonl
from voicemed.transcript import Span

pytestmark = pytest.mark.models

DIALOGUE = """\
D: Any fever or chills?
P: No.
D: Anything else?
P: Actually, I do have a fever since Monday. My blood pressure was 140 over 90.
"""


def run(*paths: Path, output: Path | None = None) -> tuple[ExtractReport, list[Extracted]]:
    shown: list[Extracted] = []
    return extract_files(paths, output=output, settings=Settings(), show=shown.append), shown


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def dialogue(tmp_path: Path) -> Path:
    path = tmp_path / "visit.txt"
    path.write_text(DIALOGUE, "utf-8")
    return path


def test_findings_are_written_beside_the_text(dialogue: Path, tmp_path: Path) -> None:
    report, (shown,) = run(dialogue)
    target = tmp_path / "visit.jsonl"
    assert report == ExtractReport([dialogue], [])
    assert (shown.source, shown.target, len(shown.turns)) == (dialogue, target, 4)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    fever, chills, pressure = rows(target)
    assert fever == {
        "symptom": "fever",
        "status": "present",
        "experiencer": "patient",
        "kind": "symptom",
        "system": "http://purl.obolibrary.org/obo/hp.owl",
        "code": "HP:0001945",
        "display": "fever",
        "icd10": "R50.9",
        "display_zh": "发热",
        "evidence": [4],
        "history": [{"status": "absent", "turn": 2}, {"status": "present", "turn": 4}],
        "confidence": fever["confidence"],
        "attrs": {"onset": "monday"},
    }
    assert 0 < fever["confidence"] <= 1
    assert (chills["symptom"], chills["status"], chills["evidence"]) == ("chills", "absent", [1, 2])
    assert pressure["symptom"] == "other: blood pressure"
    assert (pressure["kind"], pressure["display"]) == ("measurement", "blood pressure")
    assert pressure["attrs"] == {"value": "140/90", "unit": "mmHg"}


def test_it_can_be_done_again(dialogue: Path, tmp_path: Path) -> None:
    run(dialogue)
    before = (tmp_path / "visit.jsonl").read_bytes()
    assert run(dialogue)[0].done == [dialogue]
    assert (tmp_path / "visit.jsonl").read_bytes() == before
    dialogue.write_text("Nothing at all.", "utf-8")
    assert run(dialogue)[0].done == [dialogue]
    assert (tmp_path / "visit.jsonl").read_bytes() == b""
    assert run(dialogue)[0].done == [dialogue]


def test_what_is_not_by_us_is_not_replaced(dialogue: Path, tmp_path: Path) -> None:
    gold = tmp_path / "visit.jsonl"
    for content in ('{"symptom": "fever", "status": "absent"}\n', "not JSON", "7\n", "\xff"):
        gold.write_text(content, "latin-1")
        ((path, reason),) = run(dialogue)[0].failed
        assert path == dialogue
        assert reason.startswith(f"{gold}: is there, and not by `voicemed extract`")
        assert gold.read_text("latin-1") == content
    assert run(dialogue, output=tmp_path / "new" / "findings")[0].done == [dialogue]
    assert (tmp_path / "new" / "findings" / "visit.jsonl").exists()


def test_a_folder_stands_for_its_texts(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    transcript = '{"schema": "voicemed-transcript/1"}'
    for name, content in {
        "a.txt": "I have a cough.",
        "inner/b.json": '[{"id": 1, "text": "I have a cough."}]',
        "inner/b.txt": "I have a fever.",
        "call.json": transcript,
        "call.txt": "as transcribe wrote it",
        ".voicemed-done.json": "{}",
        "c.md": "# cough",
    }.items():
        (tmp_path / name).write_text(content, "utf-8")
    report, shown = run(tmp_path, tmp_path / "a.txt")
    assert report.done == [tmp_path / "a.txt", inner / "b.json", inner / "b.txt"]
    assert [path for path, _ in report.failed] == [tmp_path / "call.json"]
    assert [one.target.name for one in shown] == ["a.jsonl", "b.json.jsonl", "b.txt.jsonl"]


def test_a_bad_text_does_not_stop_the_others(dialogue: Path, tmp_path: Path) -> None:
    empty, missing, nothing = tmp_path / "e.txt", tmp_path / "m.txt", tmp_path / "nothing"
    empty.touch()
    nothing.mkdir()
    report, shown = run(empty, missing, nothing, dialogue)
    assert report.done == [dialogue]
    assert [one.source for one in shown] == [dialogue]
    assert [path for path, _ in report.failed] == [nothing, empty, missing]
    assert all(str(path) in reason and "\n" not in reason for path, reason in report.failed)
    assert not empty.with_suffix(".jsonl").exists()


def test_results_that_cannot_be_written(dialogue: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    report, shown = run(dialogue, output=tmp_path / "file")
    assert [path for path, _ in report.failed] == [dialogue]
    assert shown == []


def test_only_symptoms_count_for_the_scorer() -> None:
    drug = Finding(
        Concept("s", "c", "metformin"),
        Assertion(Status.PRESENT),
        (Span(7, 0, 0), Span(3, 1, 2), Span(3, 5, 5)),
        {"dose": "500 mg"},
        kind=FindingKind.MEDICATION,
        history=(StatusChange(Status.PRESENT, 3),),
    )
    (row,) = map(json.loads, to_scored_jsonl([drug]).splitlines())
    assert row["symptom"].startswith("other:")
    assert row["evidence"] == [3, 7]
    assert row["history"] == [{"status": "present", "turn": 3}]


def test_every_key_is_documented(dialogue: Path, tmp_path: Path) -> None:
    run(dialogue)
    page = (Path(__file__).parents[1] / "docs" / "extract.md").read_text("utf-8")
    documented = set(re.findall(r"`(\w+)`", page))
    assert all(row.keys() <= documented for row in rows(tmp_path / "visit.jsonl"))


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["osce", "primock57"])
def test_the_results_can_be_scored(name: str, tmp_path: Path) -> None:
    folder = SHARED / name
    gold = tmp_path / "gold"
    gold.mkdir()
    paths = sorted((folder / "gold").glob("*.jsonl"))[:3]
    for path in paths:
        (gold / path.name).write_bytes(path.read_bytes())
    texts = [next((folder / "transcripts").glob(f"{path.stem}.*")) for path in paths]
    report, _ = run(*texts, output=tmp_path / "found")
    assert report.failed == []
    scorer = SHARED.parent / "tools" / "score_symptoms.py"
    command = [sys.executable, str(scorer), str(gold), str(tmp_path / "found"), "--json"]
    scores = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert scores["finding"]["f1"] > 0.7
    assert scores["evidence"]["hit_rate"] > 0.9  # so ids are those of the utterances
