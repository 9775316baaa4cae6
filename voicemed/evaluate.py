"""How good the symptom extractor is, on annotated consultations.

Findings are compared as sets of (symptom, status) for each consultation; only what the patient has
or denies at the time of the visit counts. Everything else in the annotation is a trap: an
extractor that reports it as present or absent is charged with it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from voicemed.annotations import SCORED, Annotated, Row
from voicemed.assertion import Experiencer
from voicemed.findings import Extractor, Finding, FindingKind

RESAMPLES = 1000
"Bootstrap samples of consultations (Efron 1979), for intervals of 95 %."
BINS = 10


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and F1 over some consultations (micro-average)."""

    right: int
    predicted: int
    annotated: int

    @property
    def precision(self) -> float:
        """Share of what was reported that is right; 1 if nothing was."""
        return self.right / self.predicted if self.predicted else 1.0

    @property
    def recall(self) -> float:
        """Share of what is annotated that was found; 1 if nothing is."""
        return self.right / self.annotated if self.annotated else 1.0

    @property
    def f1(self) -> float:
        """Their harmonic mean."""
        total = self.predicted + self.annotated
        return 2 * self.right / total if total else 1.0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.right + other.right,
            self.predicted + other.predicted,
            self.annotated + other.annotated,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an extractor made of a consultation, beside its annotation."""

    name: str
    rows: tuple[Row, ...]
    found: Mapping[tuple[str, str], Finding]
    "The patient's present and absent symptoms, by (symptom, status)."

    @property
    def expected(self) -> set[tuple[str, str]]:
        """The (symptom, status) pairs that are annotated and count."""
        return {(row.symptom, row.status) for row in self.rows if row.is_scored}

    def score(self, status: str = "") -> Score:
        """Over all findings, or over those of one status."""
        expected = {pair for pair in self.expected if not status or pair[1] == status}
        found = {pair for pair in self.found if not status or pair[1] == status}
        return Score(len(expected & found), len(found), len(expected))

    def evidence(self) -> Score:
        """Of the right findings, those whose evidence names an annotated utterance."""
        lines: dict[tuple[str, str], set[int]] = {}
        for row in self.rows:
            if row.is_scored:
                lines.setdefault((row.symptom, row.status), set()).update(row.evidence)
        right = [pair for pair in self.found if pair in lines]
        hits = sum(
            not lines[pair].isdisjoint(span.turn for span in self.found[pair].evidence)
            for pair in right
        )
        return Score(hits, len(right), len(right))

    def traps(self) -> Score:
        """Of the symptoms that are only past, hypothetical or somebody else's, those reported."""
        counted = {symptom for symptom, _ in self.expected}
        traps = {row.symptom for row in self.rows if row.is_trap} - counted
        sprung = {symptom for symptom, _ in self.found} & traps
        return Score(len(sprung), len(traps), len(traps))

    def judgements(self) -> list[tuple[float, bool]]:
        """Confidence of each reported finding, and whether it is right."""
        expected = self.expected
        return [(finding.confidence, pair in expected) for pair, finding in self.found.items()]


def observe(annotated: Annotated, extractor: Extractor) -> Outcome:
    """Run a new extractor over a consultation."""
    findings: tuple[Finding, ...] = ()
    for turn in annotated.turns:
        findings = extractor.update(turn)
    found: dict[tuple[str, str], Finding] = {
        (one.concept.display, one.assertion.status.value): one
        for one in findings
        if one.kind is FindingKind.SYMPTOM
        and one.assertion.experiencer is Experiencer.PATIENT
        and one.assertion.status.value in SCORED
    }
    return Outcome(annotated.name, annotated.rows, found)


def total(scores: Iterable[Score]) -> Score:
    """All of them together."""
    return sum(scores, Score(0, 0, 0))


def interval(outcomes: Sequence[Outcome], seed: int = 0) -> tuple[float, float]:
    """95 % of the finding F1, by bootstrap over consultations."""
    return _quantiles(_resampled(len(outcomes), seed, lambda ks: _f1(outcomes, ks)))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether one extractor is better than another on the same consultations."""

    difference: float
    "Of the finding F1, new minus old."
    low: float
    high: float
    "The interval of 95 % of that difference (paired bootstrap over consultations)."

    @property
    def verdict(self) -> str:
        """In words."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no clear difference"


def compare(new: Sequence[Outcome], old: Sequence[Outcome], seed: int = 0) -> Comparison:
    """Both on the same consultations in the same order."""
    low, high = _quantiles(_resampled(len(new), seed, lambda ks: _f1(new, ks) - _f1(old, ks)))
    everything = range(len(new))
    return Comparison(_f1(new, everything) - _f1(old, everything), low, high)


def _f1(outcomes: Sequence[Outcome], chosen: Iterable[int]) -> float:
    return total(outcomes[k].score() for k in chosen).f1


def _resampled(count: int, seed: int, figure: Callable[[Sequence[int]], float]) -> list[float]:
    rng = random.Random(seed)  # noqa: S311 - no secret
    return sorted(figure(rng.choices(range(count), k=count)) for _ in range(RESAMPLES))


def _quantiles(values: Sequence[float]) -> tuple[float, float]:
    return values[RESAMPLES // 40], values[-1 - RESAMPLES // 40]


@dataclass(frozen=True, slots=True)
class Bin:
    """Findings of similar confidence."""

    low: float
    high: float
    count: int
    confidence: float
    "Mean."
    accuracy: float
    "Share that is right."


def reliability(judgements: Iterable[tuple[float, bool]]) -> list[Bin]:
    """Findings by confidence, in BINS bins of equal width; empty ones left out."""
    binned: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, right in judgements:
        binned[min(int(confidence * BINS), BINS - 1)].append((confidence, right))
    return [
        Bin(
            k / BINS,
            (k + 1) / BINS,
            len(some),
            sum(confidence for confidence, _ in some) / len(some),
            sum(right for _, right in some) / len(some),
        )
        for k, some in enumerate(binned)
        if some
    ]


def calibration_error(judgements: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error (Naeini et al. 2015; Guo et al. 2017): 0 is perfect."""
    if not judgements:
        return 0.0
    gaps = (one.count * abs(one.confidence - one.accuracy) for one in reliability(judgements))
    return sum(gaps) / len(judgements)


def by_folder(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Outcomes by the folder that their consultation lies in."""
    folders: dict[str, list[Outcome]] = {}
    for one in outcomes:
        folders.setdefault(one.name.rpartition("/")[0], []).append(one)
    return folders


FIGURES = "| {} | n | finding F1 (P, R) | 95 % | present | absent | evidence | traps | ECE |\n" + (
    "|---|---|---|---|---|---|---|---|---|"
)
"""Heading of a Markdown table of `figures`; to be formatted with the name of its first column."""


def figures(name: str, outcomes: Sequence[Outcome]) -> str:
    """A row of a Markdown table: scores, interval, traps sprung, calibration error."""
    score = total(one.score() for one in outcomes)
    low, high = interval(outcomes)
    traps = total(one.traps() for one in outcomes)
    judgements = [judgement for one in outcomes for judgement in one.judgements()]
    return (
        f"| {name} | {len(outcomes)} | {score.f1:.3f} ({score.precision:.3f}, {score.recall:.3f}) "
        f"| {low:.3f} to {high:.3f} "
        f"| {total(one.score('present') for one in outcomes).f1:.3f} "
        f"| {total(one.score('absent') for one in outcomes).f1:.3f} "
        f"| {total(one.evidence() for one in outcomes).recall:.3f} "
        f"| {traps.right}/{traps.annotated} | {calibration_error(judgements):.3f} |"
    )


def reliability_table(outcomes: Sequence[Outcome]) -> str:
    """A Markdown table: of findings of some confidence, how many are right."""
    rows = ["| confidence | findings | mean | right |", "|---|---|---|---|"]
    judgements = [judgement for one in outcomes for judgement in one.judgements()]
    rows += [
        f"| {b.low:.1f} to {b.high:.1f} | {b.count} | {b.confidence:.3f} | {b.accuracy:.3f} |"
        for b in reliability(judgements)
    ]
    return "\n".join(rows)
