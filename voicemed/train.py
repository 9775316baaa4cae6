"""Train the heads of the symptom classifier: clean, deduplicate, split, train, evaluate, export.

    annotated consultations -> candidates of the rules, in four kinds of text -> Heads

Every figure comes from cross-validation by consultation: what is said of a consultation was
predicted by heads that saw neither it nor anything nearly the same. Needs the extra `train`.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from voicemed import __version__
from voicemed.annotations import (
    Annotated,
    flattened,
    read_annotations,
    without_duplicates,
    without_speakers,
)
from voicemed.assertion import Status
from voicemed.classifier import (
    CLASSES,
    MEANING,
    Candidate,
    ClassifyingExtractor,
    Heads,
    features,
)
from voicemed.encoder import Encoder, Vector
from voicemed.errors import EngineError, OutputError
from voicemed.evaluate import (
    FIGURES,
    Outcome,
    by_folder,
    compare,
    figures,
    observe,
    reliability_table,
)
from voicemed.findings import Extractor
from voicemed.symptoms import create_symptom_extractor
from voicemed.transcript import save_text

FOLDS = 10
VARIANTS: Mapping[str, Callable[[Annotated], Annotated]] = {
    "as written": lambda one: one,
    "no speakers": without_speakers,
    "upper case, no punctuation": flattened,
    "neither": lambda one: without_speakers(flattened(one)),
}
"""Kinds of text that the heads learn from and are measured on."""
_WEIGHTS = {"as written": 1.0}
_OTHER_WEIGHT = 0.3
"Of an example in another kind of text."
_TRAP_WEIGHT = 3.0
"""Factor for what was only past, advice or somebody else's: to report that as the patient's harms
more than another error. It springs a sixth of the traps less, for 0.003 of F1."""
_STIFFNESS = 20.0
"Of the prior; by cross-validation 5 to 20 differ by less than 0.01."
_RARE = 3
"A sign that fewer examples show is not learnt."
THRESHOLD = 0.45
"""Probability from which on a finding is reported: half of the F1 that can be had gives the best F1
(Lipton et al. 2014)."""


@dataclass(frozen=True, slots=True)
class Example:
    """A candidate, what it really was, and where it comes from."""

    candidate: Candidate
    meaning: Vector
    answer: str
    "Of CLASSES."
    weight: float
    consultation: str


def examples(
    annotated: Annotated, encoder: Encoder, variants: Sequence[str] = tuple(VARIANTS)
) -> list[Example]:
    """The candidates of a consultation in each kind of text, with what the annotation says."""
    truth: dict[str, str] = {}
    for row in annotated.rows:
        if row.is_scored and truth.get(row.symptom) != Status.PRESENT:
            truth[row.symptom] = row.status
    traps = {row.symptom for row in annotated.rows if row.is_trap} - truth.keys()
    found: list[Example] = []
    for variant in variants:
        source = create_symptom_extractor()
        for turn in VARIANTS[variant](annotated).turns:
            source.update(turn)
        weight = _WEIGHTS.get(variant, _OTHER_WEIGHT)
        found += [
            Example(
                candidate,
                encoder(candidate.text),
                truth.get(candidate.concept.display, "neither"),
                weight * (_TRAP_WEIGHT if candidate.concept.display in traps else 1.0),
                annotated.name,
            )
            for candidate in source.candidates()
        ]
    return found


def fit(chosen: Sequence[Example], prior: Heads | None = None) -> Heads:
    """Heads trained on examples; the same examples give the same heads.

    Multinomial logistic regression with a Gaussian prior: around the weights of `prior` where they
    are given, so that a clinic's few consultations only change what they speak against, else 0.

    Raises EngineError where scipy is missing or the examples lack one of CLASSES.
    """
    optimize, sparse = _scipy()
    answers = np.array([CLASSES.index(one.answer) for one in chosen], np.int64)
    if missing := [name for k, name in enumerate(CLASSES) if k not in answers]:
        raise EngineError(
            f"too little to learn from: no candidate is {', '.join(missing)}; annotate more"
        )
    names = _names(chosen, prior)
    rows = _matrix(sparse, chosen, names)
    start = _placed(prior, names, rows.shape[1])
    truth = np.eye(len(CLASSES))[answers]
    weight = np.array([one.weight for one in chosen])[:, np.newaxis]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(start.shape)
        scores = rows @ weights.T
        scores -= scores.max(axis=1, keepdims=True)
        log_likely = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        away = weights - start
        away[:, -1] = 0.0  # the bias is free
        gradient = (rows.T @ (weight * (np.exp(log_likely) - truth))).T + _STIFFNESS * away
        value = -float((weight * truth * log_likely).sum()) + _STIFFNESS / 2 * float(
            (away**2).sum()
        )
        return value, gradient.ravel()

    found = optimize.minimize(
        loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 300}
    )
    weights = found.x.reshape(start.shape).astype(np.float32)
    return Heads(names, weights[:, :-1], weights[:, -1], THRESHOLD, {})


def _names(chosen: Sequence[Example], prior: Heads | None) -> dict[str, int]:
    """The signs that are learnt, with their columns: those of the prior first."""
    counts = Counter(sign for one in chosen for sign in features(one.candidate))
    known = sorted(prior.names, key=prior.names.__getitem__) if prior else []
    new = sorted(s for s, count in counts.items() if count >= _RARE and s not in set(known))
    return {sign: column for column, sign in enumerate([*known, *new])}


def _matrix(sparse: Any, chosen: Sequence[Example], names: Mapping[str, int]) -> Any:
    """A row for each example: its signs, the meaning of its text, and 1 for the bias."""
    places: list[tuple[int, int, float]] = [
        (row, names[sign], value)
        for row, one in enumerate(chosen)
        for sign, value in features(one.candidate).items()
        if sign in names
    ]
    rows, columns, values = zip(*places, strict=True)
    signs = sparse.csr_matrix((values, (rows, columns)), shape=(len(chosen), len(names)))
    meanings = MEANING * np.stack([one.meaning for one in chosen])
    return sparse.hstack([signs, meanings, np.ones((len(chosen), 1))]).tocsr()


def _placed(prior: Heads | None, names: Mapping[str, int], columns: int) -> NDArray[np.float64]:
    """The prior's weights in these columns, the bias last; shape (classes, columns)."""
    placed = np.zeros((len(CLASSES), columns))
    if prior is not None:
        known = len(prior.names)
        placed[:, :known] = prior.weights[:, :known]
        placed[:, len(names) : -1] = prior.weights[:, known:]
        placed[:, -1] = prior.bias
    return placed


def _scipy() -> tuple[Any, Any]:
    try:
        from scipy import optimize, sparse
    except ImportError as error:
        raise EngineError(
            f"training is not installed ({error}): pip install 'voicemed[train]'"
        ) from error
    return optimize, sparse


def folds(consultations: Sequence[Annotated], seed: int) -> list[int]:
    """The fold of each consultation: every folder is spread over all of them."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    order = list(range(len(consultations)))
    rng.shuffle(order)
    order.sort(key=lambda k: consultations[k].name.rpartition("/")[0])
    assigned = [0] * len(consultations)
    for place, k in enumerate(order):
        assigned[k] = place % FOLDS
    return assigned


def cross_validate(
    consultations: Sequence[Annotated],
    encoder: Encoder,
    *,
    seed: int = 0,
    prior: Heads | None = None,
    variants: Sequence[str] = ("as written",),
    progress: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, list[Outcome]]:
    """Predict each consultation with heads that were trained on those of the other folds.

    Returns the outcomes by kind of text, in the order of the consultations.
    """
    learnt = {one.name: examples(one, encoder) for one in consultations}
    assigned = folds(consultations, seed)
    outcomes: dict[str, dict[int, Outcome]] = {variant: {} for variant in variants}
    for fold in range(FOLDS):
        progress(fold, FOLDS)
        training = [
            example
            for one, place in zip(consultations, assigned, strict=True)
            if place != fold
            for example in learnt[one.name]
        ]
        heads = fit(training, prior)
        for k, one in enumerate(consultations):
            if assigned[k] == fold:
                for variant in variants:
                    extractor = classified(heads, encoder)
                    outcomes[variant][k] = observe(VARIANTS[variant](one), extractor)
    progress(FOLDS, FOLDS)
    return {v: [found[k] for k in range(len(consultations))] for v, found in outcomes.items()}


def classified(heads: Heads, encoder: Encoder) -> Extractor:
    """A new extractor of symptoms with these heads."""
    return ClassifyingExtractor(create_symptom_extractor(), heads, encoder)


@dataclass(frozen=True, slots=True)
class Trained:
    """Heads, and what cross-validation says of them."""

    heads: Heads
    consultations: Sequence[Annotated]
    "Without near-duplicates."
    duplicates: int
    outcomes: Mapping[str, Sequence[Outcome]]
    "By kind of text, in the order of the consultations."
    shipped: Sequence[Outcome]
    "Of the text as written by the prior, where the heads were trained from one; else empty."


def train(
    folders: Sequence[Path],
    encoder: Encoder,
    *,
    seed: int = 0,
    prior: Heads | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Trained:
    """Heads from annotated consultations, with figures by cross-validation.

    prior: heads from which these only depart where the consultations say so.

    Raises TranscriptError for the annotations, EngineError where there is too little of them.
    """
    annotated = read_annotations(folders)
    consultations = without_duplicates(annotated)
    validated = cross_validate(
        consultations,
        encoder,
        seed=seed,
        prior=prior,
        variants=tuple(VARIANTS),
        progress=progress,
    )
    heads = fit([e for one in consultations for e in examples(one, encoder)], prior)
    seen = {*_seen(prior), *map(fingerprint, consultations)}
    about = {
        "voicemed": __version__,
        "seed": str(seed),
        "consultations": str(len(consultations)),
        "data": _digest(consultations),
        "seen": json.dumps(sorted(seen)),
    }
    return Trained(
        replace(heads, about=about),
        consultations,
        len(annotated) - len(consultations),
        validated,
        [observe(one, classified(prior, encoder)) for one in consultations] if prior else [],
    )


def fingerprint(one: Annotated) -> str:
    """Of the words of a consultation, so that heads can tell what they were trained on."""
    return hashlib.sha256(" ".join(one.words).encode()).hexdigest()[:16]


def _seen(heads: Heads | None) -> list[str]:
    return list(json.loads(heads.about.get("seen", "[]"))) if heads else []


def unseen(consultations: Sequence[Annotated], *heads: Heads) -> list[Annotated]:
    """The consultations that none of these heads was trained on."""
    seen = {one for some in heads for one in _seen(some)}
    return [one for one in consultations if fingerprint(one) not in seen]


def _digest(consultations: Sequence[Annotated]) -> str:
    """sha256 of the texts and annotations that heads were trained on."""
    digest = hashlib.sha256()
    for one in consultations:
        rows = sorted(f"{r.symptom}|{r.status}|{r.experiencer}" for r in one.rows)
        digest.update("\n".join([one.name, *one.words, *rows, ""]).encode())
    return digest.hexdigest()


def compare_heads(
    folders: Sequence[Path], new: Heads, old: Heads | None, encoder: Encoder
) -> tuple[list[Outcome], list[Outcome], int]:
    """What both make of the consultations that neither was trained on; and how many it was.

    Without old ones, the second list is empty.

    Raises TranscriptError for the annotations, EngineError if the heads have seen all of them.
    """
    annotated = without_duplicates(read_annotations(folders))
    fresh = unseen(annotated, new, *([old] if old else []))
    if not fresh:
        raise EngineError(
            "these heads were trained on all of these consultations, so they say nothing of how "
            "good they are; name others, or read the figures of cross-validation in their card"
        )
    return (
        [observe(one, classified(new, encoder)) for one in fresh],
        [observe(one, classified(old, encoder)) for one in fresh] if old else [],
        len(annotated) - len(fresh),
    )


def save(trained: Trained, path: Path) -> str:
    """Write the heads, and beside them their card (NAME.md), which is returned.

    Raises OutputError where that cannot be done.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        trained.heads.save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path}: the heads cannot be written ({error})") from error
    card = model_card(trained, path.name, digest)
    save_text(path.with_suffix(".md"), card)
    return card


def model_card(trained: Trained, name: str, digest: str) -> str:
    """What should be known of the heads before they are used, as Markdown.

    name: of their file; digest: its sha256.
    """
    about = trained.heads.about
    written = trained.outcomes["as written"]
    parts = [
        "# Symptom heads of voicemed",
        f"`{name}`, sha256 `{digest}`, made by `voicemed train` (voicemed {about['voicemed']}, "
        f"seed {about['seed']}).",
        "A multinomial logistic regression over what the rules of voicemed see in a consultation "
        "and the meaning of the decisive sentence (all-MiniLM-L6-v2, Apache-2.0): whether a "
        "symptom is present, absent or neither. Not a medical device; it errs as the figures say.",
        "## Data",
        f"{len(trained.consultations)} consultations ({trained.duplicates} near-duplicates left "
        f"out), sha256 of texts and annotations `{about['data']}`.",
        "## Figures",
        "By cross-validation: each consultation was judged by heads that had seen neither it nor "
        f"anything nearly the same ({FOLDS} folds). The rules below the heads were written with "
        "some of these consultations in sight, as the project's docs say.",
    ]
    for variant, outcomes in trained.outcomes.items():
        groups = by_folder(outcomes)
        rows = [figures(folder, some) for folder, some in groups.items()]
        rows += [figures("all", outcomes)] if len(groups) > 1 else []
        parts += [f"### Text: {variant}", "\n".join([FIGURES.format("folder"), *rows])]
    if trained.shipped:
        result = compare(written, trained.shipped)
        parts += [
            "### Against the heads they started from",
            f"Finding F1 {result.difference:+.3f} (95 %: {result.low:+.3f} to "
            f"{result.high:+.3f}): {result.verdict}.",
        ]
    parts += ["## Reliability, text as written", reliability_table(written)]
    return "\n\n".join(parts) + "\n"
