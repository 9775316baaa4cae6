"""Runs an extractor over annotated consultations and puts its scores into a row of a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from voicemed.annotations import Annotated
from voicemed.assertion import Assertion, Experiencer, Status
from voicemed.evaluate import Outcome, Score, interval, observe, total
from voicemed.findings import Extractor, Finding
from voicemed.lexicon import Concept
from voicemed.transcript import Span

COLUMNS = (
    "finding F1 (P, R)", "95 %", "symptom", "present", "absent", "evidence", "traps", "ms/turn",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """What an extractor made of some consultations."""

    outcomes: Sequence[Outcome]
    "In the order of the consultations."
    ms_per_turn: float

    def cells(self) -> list[str]:
        """What COLUMNS name."""
        finding = total(one.score() for one in self.outcomes)
        low, high = interval(self.outcomes)
        traps = total(one.traps() for one in self.outcomes)
        return [
            f"{finding.f1:.3f} ({finding.precision:.3f}, {finding.recall:.3f})",
            f"{low:.3f}–{high:.3f}",
            f"{total(map(_symptoms, self.outcomes)).f1:.3f}",
            f"{total(one.score(Status.PRESENT) for one in self.outcomes).f1:.3f}",
            f"{total(one.score(Status.ABSENT) for one in self.outcomes).f1:.3f}",
            f"{total(one.evidence() for one in self.outcomes).precision:.3f}",
            f"{traps.right}/{traps.annotated}",
            f"{self.ms_per_turn:.2f}",
        ]


def run(consultations: Sequence[Annotated], create: Callable[[], Extractor]) -> Run:
    """Read each consultation with a new extractor."""
    create()  # what an extractor needs loads once, and is not what is timed
    began = time.perf_counter()
    outcomes = [observe(one, create()) for one in consultations]
    spent = time.perf_counter() - began
    return Run(outcomes, 1e3 * spent / sum(len(one.turns) for one in consultations))


def _symptoms(outcome: Outcome) -> Score:
    """Of the symptoms alone, whatever their status."""
    expected = {symptom for symptom, _ in outcome.expected}
    found = {symptom for symptom, _ in outcome.found}
    return Score(len(expected & found), len(found), len(expected))


def line(cells: Iterable[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def heading(*columns: str) -> str:
    """The head of a Markdown table."""
    return f"{line(columns)}\n|{'---|' * len(columns)}"


class Statements:
    """Single mentions, each with what its own sentence says, as findings."""

    def __init__(self) -> None:
        self._spans: dict[tuple[Concept, Assertion], list[Span]] = {}
        self._last: dict[tuple[Concept, Experiencer], Assertion] = {}

    def add(self, concept: Concept, assertion: Assertion, span: Span) -> None:
        """Take the next mention."""
        self._spans.setdefault((concept, assertion), []).append(span)
        if assertion.status not in (Status.PAST, Status.HYPOTHETICAL):
            self._last[concept, assertion.experiencer] = assertion

    def findings(self, *, last: bool = True) -> tuple[Finding, ...]:
        """Each symptom with its last status, or with every status that a mention of it had."""
        return tuple(
            Finding(concept, assertion, tuple(spans))
            for (concept, assertion), spans in self._spans.items()
            if not last or self._last.get((concept, assertion.experiencer)) == assertion
        )
