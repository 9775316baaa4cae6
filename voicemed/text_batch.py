"""Files of text to findings: read, extract, write, one file after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from voicemed.batch import find_files, name_results
from voicemed.config import Settings
from voicemed.errors import OutputError, TranscriptError
from voicemed.extraction import extract
from voicemed.findings import Finding
from voicemed.transcript import Turn, finding_row, save_text
from voicemed.transcript_reader import SUFFIXES, is_transcript, read_turns


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was found in a file."""

    source: Path
    target: Path
    "Where the findings are written."
    turns: tuple[Turn, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class ExtractReport:
    """What became of the files."""

    done: list[Path]
    failed: list[tuple[Path, str]]
    "With the reason, one line."


def extract_files(
    paths: Sequence[Path],
    *,
    output: Path | None,
    settings: Settings,
    show: Callable[[Extracted], None],
) -> ExtractReport:
    """Find the findings in texts and in those in folders, and write NAME.jsonl for each.

    output: the folder for the results, otherwise each text's own. Where two texts would have the
    same results, these are named apart as by `batch.transcribe_files`. `show` gets the findings of
    each file once they are written.

    The language of each shows in its script. Raises ModelError where nothing can be extracted; what
    is wrong with one file, or with where its results go, is in the report.
    """
    report = ExtractReport([], [])
    texts = find_files(paths, _is_text, "transcripts (.txt, .json)", report.failed)
    for path, name in name_results(texts, output):
        target = name.with_name(f"{name.name}.jsonl")
        try:
            turns = read_turns(path)
            one = Extracted(path, target, turns, extract(turns, heads=settings.extraction.heads))
            _refuse_to_replace(target)
            save_text(target, to_scored_jsonl(one.findings))
        except (TranscriptError, OutputError) as error:
            report.failed.append((path, str(error)))
        else:
            report.done.append(path)
            show(one)
    return report


def to_scored_jsonl(findings: Iterable[Finding]) -> str:
    """One finding a line, as in docs/extract.md."""
    rows = (finding_row(finding) | {"attrs": dict(finding.attributes)} for finding in findings)
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def _is_text(path: Path) -> bool:
    """Whether a file in a folder is meant; not what `transcribe` wrote beside its .json."""
    if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or not path.is_file():
        return False
    return path.suffix.lower() == ".json" or not is_transcript(path.with_suffix(".json"))


def _refuse_to_replace(target: Path) -> None:
    """Raises OutputError where a file of this name holds something else than findings of ours."""
    try:
        with target.open(encoding="utf-8") as file:
            line = file.readline()
        ours = not line or "kind" in json.loads(line)
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError):
        ours = False
    if not ours:
        raise OutputError(
            f"{target}: is there, and not by `voicemed extract`; choose a folder with --output"
        )
