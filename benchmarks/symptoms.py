"""Scores the symptom extractor against the development gold, with and without what it leans on.

    python benchmarks/symptoms.py [--data DIR] [--show NAME]

Runs over the reference transcripts of PriMock57 and of the OSCE recordings, as they are and with
the speaker labels, or the case and punctuation, taken away. Predictions go through the scorer of
the data folder; traps are gold rows that are hypothetical, past or somebody else's, and count as
sprung where the extractor reports the symptom as the patient's present or absent and the gold has
no such row. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from voicemed.extraction import extract
from voicemed.findings import Finding, FindingKind
from voicemed.transcript import Turn, Word

SHARED = Path(__file__).resolve().parents[2] / "shared"
Change = Callable[[str, str], tuple[str, str]]
VARIANTS: dict[str, Change] = {
    "as written": lambda speaker, text: (speaker, text),
    "no speakers": lambda _, text: ("", text),
    "upper case, no punctuation": lambda speaker, text: (
        speaker,
        re.sub(r"[^\w\s]", "", text).upper(),
    ),
    "neither": lambda _, text: ("", re.sub(r"[^\w\s]", "", text).upper()),
}
SCORED = {("present", "patient"), ("absent", "patient")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--show", default="", help="print the errors in this consultation")
    args = parser.parse_args()
    if args.show:
        show(args.data, args.show)
        return
    print(
        "| set | text | finding F1 (P, R) | symptom | present | absent "
        "| evidence | traps | ms/turn |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in ("primock57", "osce"):
        for label, change in VARIANTS.items():
            print(row(args.data / name, label, change))


def row(folder: Path, label: str, change: Change) -> str:
    with TemporaryDirectory() as predicted:
        started, turns = time.perf_counter(), 0
        for path in sorted((folder / "gold").glob("*.jsonl")):
            consultation = list(read_turns(folder, path.stem, change))
            turns += len(consultation)
            rows = [json.dumps(as_row(finding)) for finding in symptoms_of(consultation)]
            (Path(predicted) / path.name).write_text("\n".join(rows), encoding="utf-8")
        spent = (time.perf_counter() - started) / turns
        scores = score(folder / "gold", predicted)
        sprung, traps = count_traps(folder / "gold", Path(predicted))
    finding, symptom = scores["finding"], scores["symptom"]
    return (
        f"| {folder.name} | {label} | {finding['f1']:.3f} ({finding['precision']:.3f}, "
        f"{finding['recall']:.3f}) | {symptom['f1']:.3f} | {scores['present']['f1']:.3f} | "
        f"{scores['absent']['f1']:.3f} | {scores['evidence']['hit_rate'] or 0:.3f} | "
        f"{sprung}/{traps} | {spent * 1e3:.2f} |"
    )


def read_turns(folder: Path, name: str, change: Change) -> Iterator[Turn]:
    """The turns of a reference transcript, in either set's format."""
    path = folder / "transcripts" / f"{name}.json"
    if path.exists():
        said = [
            (row["id"], row["speaker"], row["text"])
            for row in json.loads(path.read_text(encoding="utf-8"))
        ]
    else:
        text = path.with_suffix(".txt").read_text(encoding="utf-8-sig")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = [
            (number, {"D": "doctor", "P": "patient"}.get(line[:1], ""), line[2:])
            for number, line in enumerate(lines, 1)
        ]
    for number, speaker, text in said:
        speaker, text = change(speaker, text)
        words = tuple(Word(f" {word}", 0.0, 0.0, 1.0) for word in text.split())
        yield Turn(number, speaker, words)


def symptoms_of(turns: Iterable[Turn]) -> list[Finding]:
    """What the extractor finds, without medicines, allergies and measurements."""
    return [finding for finding in extract(turns) if finding.kind is FindingKind.SYMPTOM]


def as_row(finding: Finding) -> dict[str, Any]:
    return {
        "symptom": finding.concept.display,
        "status": finding.assertion.status.value,
        "experiencer": finding.assertion.experiencer.value,
        "evidence": sorted({span.turn for span in finding.evidence}),
        "attrs": dict(finding.attributes),
        "confidence": finding.confidence,
    }


def score(gold: Path, predicted: str) -> Any:
    tool = [sys.executable, str(SHARED / "tools" / "score_symptoms.py")]
    done = subprocess.run(
        [*tool, str(gold), predicted, "--json"], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def load(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def count_traps(gold: Path, predicted: Path) -> tuple[int, int]:
    sprung = traps = 0
    for path in gold.glob("*.jsonl"):
        rows = load(path)
        scored = {row["symptom"] for row in rows if (row["status"], row["experiencer"]) in SCORED}
        trap = {row["symptom"] for row in rows if is_trap(row)} - scored
        said = {
            row["symptom"]
            for row in load(predicted / path.name)
            if (row["status"], row["experiencer"]) in SCORED
        }
        traps += len(trap)
        sprung += len(trap & said)
    return sprung, traps


def is_trap(row: dict[str, Any]) -> bool:
    return row["experiencer"] == "other" or row["status"] in ("hypothetical", "past")


def show(data: Path, name: str) -> None:
    """The transcript's missed and wrong findings, each with the sentences they rest on."""
    for folder in (data / "primock57", data / "osce"):
        for path in sorted((folder / "gold").glob(f"{name}*.jsonl")):
            turns = list(read_turns(folder, path.stem, VARIANTS["as written"]))
            text = {turn.id: f"{turn.speaker[:1].upper()}: {turn.text}" for turn in turns}
            gold = {
                (r["symptom"], r["status"]): r for r in load(path) if r["experiencer"] == "patient"
            }
            ours = {
                (r["symptom"], r["status"]): r
                for r in map(as_row, symptoms_of(turns))
                if (r["status"], r["experiencer"]) in SCORED
            }
            print(f"== {path.stem}")
            for sign, rows, other in (("-", gold, ours), ("+", ours, gold)):
                for key in rows.keys() - other.keys():
                    if key[1] in ("present", "absent") and not key[0].startswith("other:"):
                        print(sign, *key)
                        for turn in rows[key]["evidence"][:4]:
                            print("     ", turn, text.get(turn, "?")[:170])


if __name__ == "__main__":
    main()
