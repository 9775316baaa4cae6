"""Scores the attributes of symptoms against the development gold.

    python benchmarks/attributes.py [--data DIR] [--only] [--show ATTRIBUTE] [MORE ...]

Runs over the reference transcripts of PriMock57 and of the OSCE recordings (and further folders, as
voicemed/annotations.py describes them; with --only just those), as they are and in upper case
without punctuation. Only symptoms that both the gold and the extractor report as the
patient's present ones count, so that this measures the attributes and not the symptoms. A value is
right where its words and the gold's overlap with an F1 of at least 0.5; numbers in words count as
their digits, and articles, possessives and the annotators' brackets do not count. The gold is near
the speakers' words and not exhaustive, and has no row for radiation. Prints a Markdown table, of
each attribute precision and recall with the number of values in the prediction and in the gold.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from symptoms import SETS, SHARED

from voicemed.annotations import read_annotations
from voicemed.evaluate import observe
from voicemed.extraction import create_extractor
from voicemed.lexicon import tokenize
from voicemed.quantities import numbers, plain
from voicemed.train import VARIANTS

NAMES = (
    "onset", "duration", "frequency", "severity", "character", "location", "side", "radiation",
    "aggravating", "relieving", "trend", "amount",
)  # fmt: skip
IGNORED = frozenset("a an the my your his her their its of".split())
Pair = tuple[str, str, str, str, str]
"Consultation, symptom, attribute, the value of the gold and ours; empty where there is none."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("more", type=Path, nargs="*", help="further annotated consultations")
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--only", action="store_true", help="leave out what lies in the data")
    parser.add_argument("--show", default="", help="print the values of this attribute")
    args = parser.parse_args()
    folders = [*(() if args.only else (args.data / name for name in SETS)), *args.more]
    texts = ("as written", "upper case, no punctuation")
    found = {text: list(pairs(folders, text)) for text in texts}
    if args.show:
        for consultation, symptom, name, gold, ours in found[texts[0]]:
            if name == args.show:
                sign = "=" if matches(gold, ours) else " "
                print(f"{sign} {consultation} {symptom}: {gold or '-'} | {ours or '-'}")
        return
    print("| attribute | " + " | ".join(f"{text}: P | R" for text in texts) + " |")
    print("|---|" + "---|" * 2 * len(texts))
    for name in (*NAMES, ""):
        print(
            f"| {name or 'all'} | " + " | ".join(cells(found[text], name) for text in texts) + " |"
        )


def cells(found: list[Pair], name: str) -> str:
    """Precision and recall of an attribute, or of all."""
    count: Counter[str] = Counter()
    for _, _, attribute, gold, ours in found:
        if name in ("", attribute):
            count["gold"] += gold != ""
            count["ours"] += ours != ""
            count["right"] += matches(gold, ours)
    precision = f"{count['right'] / count['ours']:.2f}" if count["ours"] else "-"
    recall = f"{count['right'] / count['gold']:.2f}" if count["gold"] else "-"
    return f"{precision} ({count['ours']}) | {recall} ({count['gold']})"


def pairs(folders: Sequence[Path], text: str) -> Iterator[Pair]:
    """The attributes of the symptoms that gold and extractor agree on."""
    for folder in folders:
        rows = folder / "gold" if (folder / "gold").is_dir() else folder
        for one in read_annotations([folder]):
            found = observe(VARIANTS[text](one), create_extractor()).found
            stem = one.name.rpartition("/")[2]
            for symptom, gold in annotated(rows / f"{stem}.jsonl").items():
                if (symptom, "present") not in found:
                    continue
                ours = found[symptom, "present"].attributes
                for attribute in NAMES:
                    values = gold.get(attribute, ""), ours.get(attribute, "")
                    if any(values):
                        yield (stem, symptom, attribute, *values)


def annotated(path: Path) -> dict[str, Mapping[str, str]]:
    """The attributes of the patient's present symptoms."""
    rows = map(json.loads, filter(str.strip, path.read_text(encoding="utf-8").splitlines()))
    return {
        row["symptom"]: row["attrs"]
        for row in rows
        if (row["status"], row["experiencer"]) == ("present", "patient")
    }


def matches(gold: str, ours: str) -> bool:
    """Whether the words of two values overlap with an F1 of at least 0.5."""
    left, right = words(gold), words(ours)
    shared = (left & right).total()
    return shared > 0 and 2 * shared / (left.total() + right.total()) >= 0.5


def words(value: str) -> Counter[str]:
    """The words of a value that count."""
    tokens = tokenize(re.sub(r"\([^)]*\)", " ", value).replace("/", " out of ").split())
    texts = {at: token.stem for at, token in enumerate(tokens)}
    for number in numbers(tokens):
        for at in range(number.first, number.last + 1):
            texts.pop(at)
        texts[number.first] = plain(number.value)
    return Counter(text for text in texts.values() if text not in IGNORED)


if __name__ == "__main__":
    main()
