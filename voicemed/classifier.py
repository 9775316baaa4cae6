"""The trained heads: what a candidate finding really is, and how sure that is.

    lexicon and rules -> Candidate -> features + sentence vector -> Heads -> probabilities

The rules say what a consultation seems to say of a symptom; the heads, trained on annotated
consultations (train.py), have seen where the rules go wrong. They are a multinomial logistic
regression over signs of the evidence and the meaning of its words, so that a decision can be read
off the weights, costs next to nothing, and is a probability (Platt 1999; it is well calibrated
where cross-validation says so).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import as_file, files
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicemed.assertion import Assertion, Experiencer, Status
from voicemed.encoder import Encoder, Vector
from voicemed.errors import ModelDamaged
from voicemed.findings import MAX_EVIDENCE, Finding, StatusChange
from voicemed.lexicon import Concept
from voicemed.transcript import Span, Turn

FORMAT = "voicemed-heads/1"
CLASSES = ("present", "absent", "neither")
"""What a candidate can be at the time of the visit; neither: uncertain, past, hypothetical,
somebody else's, or no symptom at all."""
MEANING = 1.5
"""Factor on the sentence vector, so that regularisation weighs it about as the signs."""
_MOST = 3
"Evidence of one kind is counted up to that."
_DOUBT = 0.2
"""Probability from which on a symptom that the rules see, but the heads do not, is shown as
uncertain; below, it is taken for a misunderstanding and left out."""
_BESIDE_ANOTHER = 0.5
"""The same where an earlier time or somebody else is spoken of too: likelier than not."""
_LONGEST = 30
"Words of a sentence that are looked at."


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing said of a symptom."""

    status: str
    "As the rules read it; `other` for somebody else's, `asked` for a question without an answer."
    strength: str
    signs: frozenset[str]
    "Who said it, how, with which cues."
    text: str
    "The words, the question's first."
    spans: tuple[Span, ...]
    "Where they are."


@dataclass(frozen=True, slots=True)
class Candidate:
    """All that was said of a symptom so far."""

    concept: Concept
    pieces: tuple[Piece, ...]
    "Oldest first."
    decisive: Piece | None
    "By which the rules decide; None where they see no status for the time of the visit."

    @property
    def rule(self) -> str:
        """The status by the rules; empty if there is none."""
        return self.decisive.status if self.decisive else ""

    @property
    def text(self) -> str:
        """The words that say most."""
        decisive = self.decisive or (self.pieces[-1] if self.pieces else None)
        return decisive.text if decisive else ""


def features(candidate: Candidate) -> dict[str, float]:
    """The signs of a candidate, by name; what is not there is 0."""
    rule = candidate.rule or "none"
    found: dict[str, float] = {
        f"rule {rule}": 1.0,
        f"concept {candidate.concept.display}": 1.0,
        f"concept {candidate.concept.display} {rule}": 1.0,
    }
    counts: Counter[str] = Counter()
    for piece in candidate.pieces:
        counts[f"some {piece.status}"] += 1
        counts[f"some {piece.status} {piece.strength}"] += 1
        for sign in piece.signs:
            found[f"{piece.status}: {sign}"] = 1.0
    for name, count in counts.items():
        found[name] = min(count, _MOST) / _MOST
        if count > 1:
            found[f"{name}, again"] = 1.0
    if candidate.decisive is not None:
        found[f"decisive {rule} {candidate.decisive.strength}"] = 1.0
        for sign in candidate.decisive.signs:
            found[f"decisive {rule}: {sign}"] = 1.0
    for sign in _wording(candidate.text):
        found[f"{rule or 'none'}: {sign}"] = 1.0
    current = [one for one in candidate.pieces if one.status in ("present", "absent", "uncertain")]
    if current:
        found[f"first {current[0].status}"] = 1.0
        found[f"last {current[-1].status} {current[-1].strength}"] = 1.0
    if len({one.status for one in current}) > 1:
        found["contradictory"] = 1.0
    return found


def _wording(text: str) -> set[str]:
    """The words of an answer or statement, and of the question before it; pairs of the answer's."""
    question, _, said = text.rpartition(" / ")
    words = said.split()
    return (
        {f"says {word}" for word in words[:_LONGEST]}
        | {f"says {one} {other}" for one, other in pairwise(words[:_LONGEST])}
        | {f"begins {word}" for word in words[:2]}
        | {f"asked {word}" for word in question.split()[:_LONGEST]}
    )


@dataclass(frozen=True, slots=True)
class Heads:
    """Weights of the classifier, and what was measured when they were trained."""

    names: Mapping[str, int]
    "Features and their columns."
    weights: NDArray[np.float32]
    "Shape (classes, features + vector)."
    bias: NDArray[np.float32]
    "Shape (classes,)."
    threshold: float
    "Probability from which on a candidate is reported as present or absent."
    about: Mapping[str, str]
    "The model card's figures: data, date, seed, ..."

    def probabilities(self, candidate: Candidate, meaning: Vector | None) -> dict[str, float]:
        """Of each class; they add up to 1. meaning: the vector of the candidate's text."""
        scores = self.bias.astype(np.float64)
        for name, value in features(candidate).items():
            column = self.names.get(name)
            if column is not None:
                scores = scores + value * self.weights[:, column]
        if meaning is not None:
            scores = scores + MEANING * (self.weights[:, len(self.names) :] @ meaning)
        powers = np.exp(scores - scores.max())
        return dict(zip(CLASSES, (powers / powers.sum()).tolist(), strict=True))

    def save(self, path: Path) -> None:
        """Write them as .safetensors; nothing in such a file is ever executed."""
        from safetensors.numpy import save_file

        about = {
            **self.about,
            "threshold": repr(self.threshold),
            "features": json.dumps(sorted(self.names, key=self.names.__getitem__)),
        }
        # As one entry: the library writes several in any order, and the same heads are to be the
        # same file.
        described = {FORMAT: json.dumps(about, sort_keys=True)}
        save_file({"weights": self.weights, "bias": self.bias}, path, metadata=described)


def load_heads(path: Path) -> Heads:
    """The heads in a file that `Heads.save` wrote; ModelDamaged if it is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            described = (file.metadata() or {}).get(FORMAT)
            weights, bias = file.get_tensor("weights"), file.get_tensor("bias")
        if described is None:
            raise ModelDamaged(f"{path}: not the heads of this version; train them again")
        about = json.loads(described)
        names = {name: column for column, name in enumerate(json.loads(about.pop("features")))}
        heads = Heads(names, weights, bias, float(about.pop("threshold")), about)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelDamaged(f"{path}: no symptom heads ({type(error).__name__})") from error
    if weights.shape[0] != len(CLASSES) or bias.shape != (len(CLASSES),):
        raise ModelDamaged(f"{path}: heads of another shape; train them again")
    return heads


@cache
def shipped_heads() -> Heads:
    """The heads of the package."""
    with as_file(files("voicemed.data").joinpath("symptoms.safetensors")) as path:
        return load_heads(path)


class CandidateSource(Protocol):
    """An extractor by rules that also tells what its findings rest on."""

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """See findings.Extractor."""
        ...

    def candidates(self) -> list[Candidate]:
        """All that has been said of each symptom so far, whatever the rules make of it."""
        ...


_Said = tuple[tuple[str, str], ...]
"Status and text of each piece: an earlier one may be taken back, or turn out to be long past."


class ClassifyingExtractor:
    """An Extractor whose findings by rules are judged by the heads.

    What the heads are sure of is reported with their status and probability, also where the rules
    saw another status. What only the rules see becomes uncertain or is left out. What was never
    stated or answered, and uncertain, past, hypothetical and other people's findings stay the
    rules'.
    """

    def __init__(self, source: CandidateSource, heads: Heads, encoder: Encoder) -> None:
        self._source = source
        self._heads = heads
        self._encoder = encoder
        self._judged: dict[Concept, tuple[_Said, dict[str, float]]] = {}
        self._changes: dict[Concept, tuple[StatusChange, ...]] = {}

    def update(self, turn: Turn) -> tuple[Finding, ...]:
        """Take the next turn and return all findings so far, in order of first mention."""
        by_concept: dict[Concept, list[Finding]] = {}
        for finding in self._source.update(turn):
            by_concept.setdefault(finding.concept, []).append(finding)
        return tuple(
            finding
            for candidate in self._source.candidates()
            for finding in self._settle(candidate, by_concept.get(candidate.concept, []), turn)
        )

    def _settle(self, candidate: Candidate, found: list[Finding], turn: Turn) -> list[Finding]:
        """The findings of a symptom as the heads see them, with the statuses they had before."""
        of_now, rest = self._judge(candidate, found)
        settled = []
        for one in of_now:
            before = self._changes.get(candidate.concept, ())
            if not before or before[-1].status is not one.assertion.status:
                before = (*before, StatusChange(one.assertion.status, turn.id))
                self._changes[candidate.concept] = before
            settled.append(replace(one, history=before))
        return [*settled, *rest]

    def _judge(
        self, candidate: Candidate, found: list[Finding]
    ) -> tuple[list[Finding], list[Finding]]:
        """The findings for the time of the visit (one at most), and the others."""
        likely = self._probabilities(candidate)
        status = max((Status.PRESENT, Status.ABSENT), key=likely.__getitem__)
        probability = likely[status]
        of_now = [one for one in found if _is_of_now(one)]
        rest = [one for one in found if not _is_of_now(one)]
        if probability >= self._needed(candidate):
            return [_as(status, probability, candidate, of_now)], rest
        kept = [
            replace(one, confidence=round(1 - probability, 3))
            for one in of_now
            if one.assertion.status in (Status.UNCERTAIN, Status.HYPOTHETICAL)
        ]
        if of_now and not kept and probability >= _DOUBT:
            doubted = _as(Status.UNCERTAIN, probability, candidate, of_now)
            kept = [replace(doubted, attributes={})]
        return kept, rest

    def _needed(self, candidate: Candidate) -> float:
        """The probability from which on the candidate is reported; above 1 if it never is.

        What nobody has stated or answered, and what the patient is not sure of, never becomes a
        finding, however likely it seems.
        """
        if candidate.rule in ("", Status.UNCERTAIN):
            return 2.0
        traps = {Status.PAST, Experiencer.OTHER} & {one.status for one in candidate.pieces}
        return max(self._heads.threshold, _BESIDE_ANOTHER if traps else 0.0)

    def _probabilities(self, candidate: Candidate) -> dict[str, float]:
        said = tuple((one.status, one.text) for one in candidate.pieces)
        before, likely = self._judged.get(candidate.concept, (None, {}))
        if said != before:
            likely = self._heads.probabilities(candidate, self._encoder(candidate.text))
            self._judged[candidate.concept] = said, likely
        return likely


def _is_of_now(finding: Finding) -> bool:
    """Whether it is the patient's for the time of the visit, or not known to be anything else."""
    patient = finding.assertion.experiencer is Experiencer.PATIENT
    return patient and finding.assertion.status is not Status.PAST


def _as(
    status: Status, probability: float, candidate: Candidate, found: Sequence[Finding]
) -> Finding:
    """The finding with that status, resting on what speaks for it, else on all that was said."""
    if found and found[0].assertion.status is status:
        return replace(found[0], confidence=round(probability, 3))
    supporting = [one for one in candidate.pieces if one.status == status] or candidate.pieces
    spans = tuple(dict.fromkeys(span for one in supporting for span in one.spans))
    return Finding(
        candidate.concept,
        Assertion(status, Experiencer.PATIENT),
        spans[:MAX_EVIDENCE],
        found[0].attributes if found and status is Status.PRESENT else {},
        round(probability, 3),
    )
