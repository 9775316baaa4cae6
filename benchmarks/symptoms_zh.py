"""Scores the Chinese symptom extractor on the annotated dialogues of ReMeDi.

    python benchmarks/symptoms_zh.py [--data DIR] [--half development|held-out] [--show NUMBER]

ReMeDi (Yan et al. 2022, SIGIR; MIT) marks each message of a patient with intents such as "Inform
symptom 反酸 无". What counts as gold here, and why, is in docs/symptoms-zh.md;
benchmarks/remedi_labels.tsv maps its labels to our concepts:

    concept     the label says that the concept is present (or absent, by its value)
    !concept    the label itself says absent
    ?pattern    such concepts are neither demanded nor wrong: the label does not tell which it is

A dialogue counts as development if its number (from 0, in the file's order) is even. Prints a
Markdown table of (symptom, status), the status being present or absent, summed over the dialogues.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from voicemed.assertion import Experiencer, Status
from voicemed.extraction import extract
from voicemed.transcript import Turn, Word

ROOT = Path(__file__).resolve().parents[2]
LABELS = Path(__file__).with_name("remedi_labels.tsv")
STRICT = frozenset({("Inform", "symptom")})
WIDE = STRICT | {("Inform", "disease"), ("Inquire", "pathogeny"), ("Inquire", "treatment")}
"""'What can I do about my migraine?' is marked as Inquire treatment 偏头痛 instead."""
DENIED = frozenset({"无", "不", "No", "没有", "不发烧"})
UNCLEAR = frozenset({"平时没有"})
Pair = tuple[str, str]


@dataclass(slots=True)
class Dialogue:
    """A dialogue and its annotation."""

    turns: list[Turn] = field(default_factory=list)
    labels: list[tuple[tuple[str, str], str, str]] = field(default_factory=list)
    "Act and slot, label, value, in order."


@dataclass(slots=True)
class Score:
    """How many pairs were found."""

    right: int = 0
    missed: int = 0
    wrong: int = 0

    def row(self) -> str:
        """Cells of the table."""
        precision = self.right / max(self.right + self.wrong, 1)
        recall = self.right / max(self.right + self.missed, 1)
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        return f"{precision:.3f} | {recall:.3f} | {f1:.3f} | {self.right + self.missed}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT / "shared" / "data")
    parser.add_argument("--half", choices=("development", "held-out"), default="")
    parser.add_argument("--show", type=int, default=-1, help="print this dialogue and its errors")
    args = parser.parse_args()
    path = args.data / "dialogues" / "remedi_zh" / "dev_human_annotation.txt"
    dialogues = list(read_dialogues(path.read_text(encoding="utf-8")))
    labels = read_labels()
    if args.show >= 0:
        show(dialogues[args.show], labels)
        return
    print("| half | gold | counted | P | R | F1 | gold pairs |")
    print("|---|---|---|---|---|---|---|")
    for half, first in (("development", 0), ("held-out", 1)):
        if args.half in ("", half):
            print_half(half, dialogues[first::2], labels)


def print_half(half: str, dialogues: list[Dialogue], labels: Mapping[str, list[str]]) -> None:
    predictions = [predicted(dialogue) for dialogue in dialogues]
    for name, slots in (("Inform symptom", STRICT), ("wide", WIDE)):
        both, symptoms, plain = Score(), Score(), Score()
        for dialogue, ours in zip(dialogues, predictions, strict=True):
            theirs, free = gold(dialogue, labels, slots)
            count(both, ours, theirs, free)
            count(symptoms, {(n, "") for n, _ in ours}, {(n, "") for n, _ in theirs}, free)
            count(plain, ours, theirs, set())
        print(f"| {half} | {name} | (symptom, status) | {both.row()} |")
        print(f"| {half} | {name} | symptom | {symptoms.row()} |")
        print(f"| {half} | {name} | (symptom, status), vague labels ignored | {plain.row()} |")
    said = [label for d in dialogues for slot, label, _ in d.labels if slot in STRICT]
    known = [labels[label] for label in said if label in labels]
    vague = sum(all(concept.startswith("?") for concept in concepts) for concepts in known)
    print(
        f"\n{half}: {len(said)} Inform symptom labels, {len(said) - len(known)} of them without "
        f"a concept of ours, {vague} too vague to demand one\n"
    )


def count(score: Score, ours: set[Pair], theirs: set[Pair], free: set[str]) -> None:
    score.right += len(ours & theirs)
    score.missed += len(theirs - ours)
    extra = ours - theirs
    score.wrong += sum(not any(fnmatch(name, pattern) for pattern in free) for name, _ in extra)


def read_dialogues(text: str) -> Iterator[Dialogue]:
    """A blank line ends a dialogue; each line is a patient's message and the doctor's response."""
    for block in re.split(r"\n\s*\n", text.strip()):
        dialogue = Dialogue()
        for line in block.splitlines():
            for speaker, name in (("patient", "currentuser"), ("doctor", "response")):
                said = between(line, name)
                words = tuple(Word(char, 0.0, 0.0, 1.0) for char in said)
                dialogue.turns.append(Turn(len(dialogue.turns) + 1, speaker, words))
            for intent in between(line, "intent").split("<|continue|>"):
                act, slot, label, *value = [*intent.split(), "", "", ""][:4]
                if label:
                    dialogue.labels.append(((act, slot), label, " ".join(value)))
        yield dialogue


def between(line: str, name: str) -> str:
    found = re.search(rf"<\|{name}\|>(.*?)<\|endof{name}\|>", line)
    return found.group(1).strip() if found else ""


def read_labels() -> Mapping[str, list[str]]:
    with LABELS.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["label"]: row["concepts"].split("; ") for row in rows}


def gold(
    dialogue: Dialogue, labels: Mapping[str, list[str]], slots: frozenset[tuple[str, str]]
) -> tuple[set[Pair], set[str]]:
    """The pairs that are demanded (the last status of each symptom), and patterns that are free."""
    statuses: dict[str, str] = {}
    free: set[str] = set()
    for slot, label, value in dialogue.labels:
        for concept in labels.get(label, []):
            name = concept.lstrip("!")
            if concept.startswith("?"):
                free.add(concept[1:])
            elif value in UNCLEAR or slot in WIDE - slots:
                free.add(name)
            elif slot in slots:
                absent = concept.startswith("!") or value in DENIED
                statuses[name] = "absent" if absent else "present"
    return set(statuses.items()), free


def predicted(dialogue: Dialogue) -> set[Pair]:
    return {
        (finding.concept.display, finding.assertion.status.value)
        for finding in extract(dialogue.turns)
        if finding.assertion.experiencer is Experiencer.PATIENT
        and finding.assertion.status in (Status.PRESENT, Status.ABSENT)
    }


def show(dialogue: Dialogue, labels: Mapping[str, list[str]]) -> None:
    for turn in dialogue.turns:
        print(f"{turn.speaker[0].upper()}: {turn.text}")
    ours = predicted(dialogue)
    theirs, free = gold(dialogue, labels, WIDE)
    print("labels", [label for slot, label, _ in dialogue.labels if slot in WIDE])
    print("missed", sorted(theirs - ours), "extra", sorted(ours - theirs), "free", sorted(free))


if __name__ == "__main__":
    main()
