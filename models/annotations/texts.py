"""Puts the transcripts beside the annotations: NAME.json for each NAME.jsonl.

    python models/annotations/texts.py ../shared/data build/annotations

The dialogues of ACI-Bench, MTS-Dialog and the OSCE interviews are not part of this repository; they
are read from the folder of development data, and both go to the target, a folder for each set.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from voicemed.transcript_reader import read_turns

HERE = Path(__file__).parent
Utterances = list[tuple[str, str]]
"Speaker and text."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder of development data")
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    for name, read in SETS.items():
        folder = options.target / name
        folder.mkdir(parents=True, exist_ok=True)
        for annotation in sorted((HERE / name).glob("*.jsonl")):
            said = read(options.data, annotation.stem)
            if not said:
                sys.exit(f"{options.data} lacks the transcript of {name}/{annotation.stem}")
            rows = [
                {"id": number, "speaker": speaker, "text": text}
                for number, (speaker, text) in enumerate(said, 1)
            ]
            (folder / f"{annotation.stem}.json").write_text(json.dumps(rows), encoding="utf-8")
            shutil.copy(annotation, folder)


def aci_bench(data: Path, name: str) -> Utterances:
    for table in sorted((data / "dialogues/aci_bench").glob("*.csv")):
        for row in _rows(table):
            if row.get("encounter_id") == name and "dialogue" in row:
                return list(_utterances(row["dialogue"], r"\s*\[(doctor|patient\w*)\]\s*(.*)"))
    return []


def mts_dialog(data: Path, name: str) -> Utterances:
    tables = {"T": "MTS-Dialog-TrainingSet.csv", "V": "MTS-Dialog-ValidationSet.csv"}
    for row in _rows(data / "dialogues/mts_dialog/Main-Dataset" / tables[name[0]]):
        if row["ID"] == name[1:]:
            speakers = r"\s*(Doctor|Patient|Guest_[a-z]+|Clinician)[^:]*:\s*(.*)"
            return list(_utterances(row["dialogue"], speakers))
    return []


def osce_more(data: Path, name: str) -> Utterances:
    path = data / "osce/transcripts" / f"{name}.txt"
    return [(turn.speaker, turn.text) for turn in read_turns(path)] if path.is_file() else []


SETS: dict[str, Callable[[Path, str], Utterances]] = {
    "aci_bench": aci_bench,
    "mts_dialog": mts_dialog,
    "osce_more": osce_more,
}


def _rows(table: Path) -> Iterator[dict[str, str]]:
    csv.field_size_limit(10_000_000)
    with table.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def _utterances(dialogue: str, pattern: str) -> Iterator[tuple[str, str]]:
    """Lines with a speaker; what has none goes on with the one before."""
    speaker, parts = "", list[str]()
    for line in dialogue.splitlines():
        match = re.match(pattern, line)
        if match:
            if speaker:
                yield speaker, " ".join(parts)
            speaker = "doctor" if match[1].lower() == "doctor" else "patient"
            parts = [match[2]]
        elif line.strip() and speaker:
            parts.append(line.strip())
    if speaker:
        yield speaker, " ".join(parts)


if __name__ == "__main__":
    main()
