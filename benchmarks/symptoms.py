"""Scores the symptom extractor on annotated consultations.

    python benchmarks/symptoms.py [--data DIR] [--ablation | --show NAME] [MORE ...]

Runs over the reference transcripts of PriMock57 and of the OSCE recordings (and further folders, as
voicemed/annotations.py describes them), as they are and with the speaker labels, or the case and
punctuation, taken away. Traps are annotated as hypothetical, past or somebody else's, and count as
sprung where the extractor reports the symptom as the patient's present or absent. ECE is the
expected calibration error of the confidence. Prints a Markdown table.

--ablation adds what the extractor is made of step by step, on the texts as they are; a step's gain
is the difference of the finding F1, with the interval of 95 % (paired bootstrap over
consultations). --show prints the errors in the consultations whose name begins so.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from _scores import COLUMNS, Run, Statements, heading, line, run

from voicemed.annotations import Annotated, read_annotations
from voicemed.assertion import Assertion, Sentence, Status, load_rules, split
from voicemed.evaluate import Outcome, calibration_error, compare, observe
from voicemed.extraction import create_extractor
from voicemed.findings import Extractor, Finding
from voicemed.lexicon import Kind, Mention, load_lexicon, tokenize
from voicemed.symptoms import create_symptom_extractor
from voicemed.train import VARIANTS
from voicemed.transcript import Span, Turn

SHARED = Path(__file__).resolve().parents[2] / "shared"
SETS = ("primock57", "osce")
SHOWN = 4
"Turns of the evidence that are printed for each error."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("more", type=Path, nargs="*", help="further annotated consultations")
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--ablation", action="store_true", help="build the extractor up in steps")
    choice.add_argument("--show", default="", help="print the errors in this consultation")
    options = parser.parse_args()
    folders = [*(options.data / name for name in SETS), *options.more]
    if options.show:
        show(read_annotations(folders), options.show)
        return
    table = ablation if options.ablation else variants
    for row in table({folder.name: read_annotations([folder]) for folder in folders}):
        print(row)


def variants(sets: Mapping[str, Sequence[Annotated]]) -> Iterator[str]:
    """The rows of the table of all kinds of text."""
    yield heading("set", "text", *COLUMNS, "ECE")
    for name, consultations in sets.items():
        for text, change in VARIANTS.items():
            result = run([change(one) for one in consultations], create_extractor)
            judged = [pair for one in result.outcomes for pair in one.judgements()]
            yield line([name, text, *result.cells(), f"{calibration_error(judged):.3f}"])


# --- ablation ------------------------------------------------------------------------------------


class SentenceExtractor:
    """An Extractor that sees one sentence at a time, whoever says it.

    A symptom has the status of its last mention.
    """

    def __init__(self, assertion: Callable[[Sentence, Mention], Assertion | None]) -> None:
        self._lexicon, self._rules = load_lexicon(), load_rules()
        self._assertion = assertion
        self._statements = Statements()

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn and return all findings so far, in order of first mention."""
        for tokens in split(tokenize(word.text for word in turn.words), self._rules):
            sentence = self._rules.read(tokens, self._lexicon.mentions(tokens))
            for mention in sentence.mentions:
                assertion = self._assertion(sentence, mention)
                if assertion is not None:
                    first, last = tokens[mention.first].word, tokens[mention.last].word
                    self._statements.add(mention.concept, assertion, Span(turn.id, first, last))
        return self._statements.findings()


def named(_: Sentence, mention: Mention) -> Assertion | None:
    """Whatever is named is present."""
    return Assertion(Status.PRESENT) if mention.kind is Kind.SYMPTOM else None


def asserted(sentence: Sentence, mention: Mention) -> Assertion | None:
    """As the sentence says; that 'your sleep' is spoken of says nothing."""
    return sentence.assertion(mention) if mention.kind is not Kind.TOPIC else None


STEPS: Mapping[str, Callable[[], Extractor]] = {
    "lexicon only": lambda: SentenceExtractor(named),
    "+ negation within the sentence": lambda: SentenceExtractor(asserted),
    "+ rules across turns": create_symptom_extractor,
}
"""What the extractor is made of: each step with all those before it."""


def ablation(sets: Mapping[str, Sequence[Annotated]]) -> Iterator[str]:
    """The rows of the table of STEPS."""
    yield heading("set", "extractor", *COLUMNS, "gain")
    for name, consultations in sets.items():
        before: Run | None = None
        for step, create in STEPS.items():
            result = run(consultations, create)
            yield line([name, step, *result.cells(), gain(result, before) if before else "–"])
            before = result


def gain(new: Run, old: Run) -> str:
    """The difference of the finding F1 with its interval of 95 %."""
    found = compare(new.outcomes, old.outcomes)
    return f"{found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


# --- errors --------------------------------------------------------------------------------------


def show(consultations: Sequence[Annotated], name: str) -> None:
    """The missed (-) and wrong (+) findings, each with the turns they rest on."""
    for one in consultations:
        if one.name.rpartition("/")[2].startswith(name):
            print(f"== {one.name}")
            outcome = observe(one, create_extractor())
            for pair in sorted(outcome.expected ^ outcome.found.keys()):
                print("-" if pair in outcome.expected else "+", *pair)
                for turn in one.turns:
                    if turn.id in evidence(outcome, pair)[:SHOWN]:
                        print(f"      {turn.id} {turn.speaker[:1].upper()}: {turn.text[:170]}")


def evidence(outcome: Outcome, pair: tuple[str, str]) -> list[int]:
    """The ids of the turns on which a finding rests, by the extractor or else the annotation."""
    if pair in outcome.found:
        return sorted({span.turn for span in outcome.found[pair].evidence})
    rows = (row for row in outcome.rows if row.is_scored and (row.symptom, row.status) == pair)
    return sorted({turn for row in rows for turn in row.evidence})


if __name__ == "__main__":
    main()
