"""Scores medspaCy, the outside reference for the symptom extractor, on the same consultations.

    python benchmarks/medspacy_peer.py [--data DIR] [--keep DIR] [MORE ...]

medspaCy (Eyre et al. 2021) is clinical text processing on spaCy. Its default pipeline, as it
comes: sentences by PyRuSH, phrases by TargetMatcher, and ConText (Harkema et al. 2009), which
decides within a sentence what is negated, hypothetical, historical, of the family or uncertain.
The phrases are the names of our concepts and, where HPO has them, its labels, synonyms (but not
those of a broader meaning) and lay terms. It reads the reference transcripts turn by turn, the
doctor's too, since it knows no speakers. A symptom said to have two statuses is reported with both
or with the last one; both rows are printed.

medspaCy has an environment of its own in build/ (0.3 GB; Python 3.11 or 3.12, whose wheels its
spaCy has), made at the first run, in which this script runs itself. --keep leaves predictions in
the format of the scorer of the data folder. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _scores import COLUMNS, Run, Statements, heading, line, run

from voicemed.annotations import read_annotations
from voicemed.assertion import Assertion, Experiencer, Status
from voicemed.findings import Finding
from voicemed.lexicon import Concept, load_lexicon
from voicemed.transcript import Span, Turn

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
SETS = ("primock57", "osce")
REQUIREMENT = "medspacy>=1.3.1"
ENVIRONMENT = ROOT / "build/medspacy"
STATUSES = {
    "is_negated": Status.ABSENT,
    "is_hypothetical": Status.HYPOTHETICAL,
    "is_historical": Status.PAST,
    "is_uncertain": Status.UNCERTAIN,
}
"""What ConText says of a phrase, the first that holds; otherwise it is present."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("more", type=Path, nargs="*", help="further annotated consultations")
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--keep", type=Path, help="leave the predictions there")
    options = parser.parse_args()
    if Path(sys.prefix).resolve() != ENVIRONMENT.resolve():
        sys.exit(run_in_environment())
    phrases = read_phrases(options.data / "lexicons/hpo")
    pipeline = create_pipeline(phrases)
    count = sum(map(len, phrases.values()))
    print(f"medspaCy {version('medspacy')}, {count} phrases of {len(phrases)} concepts\n")
    print(heading("set", "statuses", *COLUMNS))
    for folder in (*(options.data / name for name in SETS), *options.more):
        consultations = read_annotations([folder])
        for label, last in {"both": False, "the last": True}.items():
            result = run(consultations, extractors(pipeline, last=last))
            print(line([folder.name, label, *result.cells()]))
            if options.keep:
                keep(result, options.keep / label.replace(" ", "-") / folder.name)


def run_in_environment() -> int:
    """Run this script in medspaCy's environment, which is made where it is missing."""
    python, done = ENVIRONMENT / "bin/python", ENVIRONMENT / ".installed"
    if not done.exists():
        print(f"installing {REQUIREMENT} into {ENVIRONMENT}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", REQUIREMENT], check=True)
        done.touch()
    variables = {
        "PYTHONPATH": str(ROOT),  # of voicemed only what needs no package but numpy
        "LOGURU_LEVEL": "WARNING",  # PyRuSH logs every word that was said
    }
    command = [str(python), __file__, *sys.argv[1:]]
    return subprocess.run(command, env=os.environ | variables).returncode


# --- phrases -------------------------------------------------------------------------------------


def read_phrases(hpo: Path) -> dict[Concept, list[str]]:
    """How each concept is called; what several are called belongs to the first of them."""
    terms = defaultdict(list, read_terms(hpo / "hp.obo.gz"))
    for code, phrase in read_lay_terms(hpo / "layperson-synonyms.tsv"):
        terms[code].append(phrase)
    taken: set[str] = set()
    phrases: dict[Concept, list[str]] = {}
    for concept in load_lexicon().concepts.values():
        called = {phrase.lower() for phrase in (concept.display, *terms[concept.code])}
        phrases[concept] = sorted(called - taken)
        taken |= called
    return phrases


def read_terms(path: Path) -> dict[str, list[str]]:
    """The label and the synonyms, but for the broad ones, of each term of an OBO file."""
    terms: dict[str, list[str]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for block in file.read().split("\n\n"):
            code = re.search(r"^id: (HP:\d+)$", block, re.MULTILINE)
            if code:
                terms[code[1]] = re.findall(
                    r'^(?:name: |synonym: ")(.+?)(?:$|" (?!BROAD))', block, re.MULTILINE
                )
    return terms


def read_lay_terms(path: Path) -> Iterator[tuple[str, str]]:
    """HPO ids, each with a lay term."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            yield row["?term"].rpartition("/")[2].strip(">").replace("_", ":"), row["?layperson"]


# --- medspaCy ------------------------------------------------------------------------------------


def create_pipeline(phrases: Mapping[Concept, Sequence[str]]) -> Any:
    """medspaCy's default pipeline, in which a phrase's label is the name of its concept."""
    import medspacy
    from medspacy.ner import TargetRule

    pipeline = medspacy.load()
    pipeline.get_pipe("medspacy_target_matcher").add(
        [
            TargetRule(phrase, concept.display)
            for concept, said in phrases.items()
            for phrase in said
        ]
    )
    return pipeline


class MedspacyExtractor:
    """An Extractor by a pipeline of medspaCy; the evidence is the whole turn."""

    def __init__(self, pipeline: Any, *, last: bool) -> None:
        self._pipeline = pipeline
        self._last = last
        self._concepts = load_lexicon().concepts
        self._statements = Statements()

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn and return all findings so far, in order of first mention."""
        for phrase in self._pipeline(turn.text).ents:
            status = next(
                (status for name, status in STATUSES.items() if getattr(phrase._, name)),
                Status.PRESENT,
            )
            person = Experiencer.OTHER if phrase._.is_family else Experiencer.PATIENT
            self._statements.add(
                self._concepts[phrase.label_],
                Assertion(status, person),
                Span(turn.id, 0, len(turn.words) - 1),
            )
        return self._statements.findings(last=self._last)


def extractors(pipeline: Any, *, last: bool) -> Callable[[], MedspacyExtractor]:
    """What makes a new extractor for each consultation."""
    return lambda: MedspacyExtractor(pipeline, last=last)


def keep(result: Run, folder: Path) -> None:
    """Write the patient's present and absent symptoms, a file for each consultation."""
    folder.mkdir(parents=True, exist_ok=True)
    for outcome in result.outcomes:
        rows = [
            {
                "symptom": symptom,
                "status": status,
                "experiencer": finding.assertion.experiencer,
                "evidence": sorted({span.turn for span in finding.evidence}),
            }
            for (symptom, status), finding in outcome.found.items()
        ]
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / f"{Path(outcome.name).name}.jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
