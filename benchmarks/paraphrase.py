"""Whether a search for paraphrases finds symptoms that no phrase names: an ablation.

    python benchmarks/paraphrase.py [--data DIR] [MORE ...] [--mentions N ...]

A linear head for each concept, on the sentence vector, learns from the sentences of unannotated
OSCE transcripts in which the lexicon names the concept (distant supervision, Mintz et al. 2009),
from names, definitions and plain phrases of the inventory, and from the annotated evidence of the
consultations in the other folds. The N best pairs of a sentence and a concept that it does not name
become mentions, marked with a negative weight by their rank, and the rules and the trained heads
treat them as any other. Needs the extra `train`.

Prints a Markdown table by cross-validation: the classifier without the search, then with it; the
gain is the difference of the finding F1, with the interval of 95 % (paired bootstrap over
consultations). The search itself never sees the fold that it is asked about; but N is cut over all
folds, and the mentions that heads learn from came from searches that saw other folds' evidence,
both of which can only flatter it.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from unittest.mock import patch

import numpy as np
from _scores import heading, line
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import expit

from voicemed.annotations import Annotated, read_annotations, without_duplicates
from voicemed.assertion import load_rules, split
from voicemed.attributes import load_attributes
from voicemed.classifier import ClassifyingExtractor
from voicemed.encoder import Encoder, load_encoder
from voicemed.evaluate import Outcome, compare, observe, total
from voicemed.lexicon import Kind, Lexicon, Mention, Token, load_lexicon, tokenize
from voicemed.symptoms import SymptomExtractor
from voicemed.train import FOLDS, Example, examples, fit, folds
from voicemed.transcript import Turn
from voicemed.transcript_reader import read_turns

SHARED = Path(__file__).resolve().parents[2] / "shared"
SETS = ("primock57", "osce")
MENTIONS = (50, 150, 400)
OTHERS = 10_000
"Unannotated sentences that name nothing, from which heads learn what is no symptom."
SCALE = 4.0
"Of the vectors, against the prior of the weights."
TRUST = 4.0
"Weight of an annotated paraphrase, against that of a sentence that the lexicon understood."
ROUNDS, ROUNDS_AGAIN = 60, 12
"Of the optimiser: from nothing, and for a fold from what the unannotated texts taught."
SHORTEST = 3
GENERIC = "pain"
"Is resolved by what was said before, so that a sentence that misses it says nothing."
UNSPOKEN = frozenset(
    "a an the my your his her our their of in on at to and or for with i you he she it we they im "
    "ive youre its that this is are was were be been am do does did dont didnt doesnt have has had "
    "no not yes yeah okay ok well so but just any there theres thats me him them what when how if "
    "then oh right would could can will".split()
)
"Words that a paraphrase does not span; 'can't' is part of one."

Array = NDArray[np.float32]
Proposals = Mapping[str, Sequence[tuple[str, int]]]
"By sentence: concepts that it may paraphrase, each with a rank from 1 (doubtful) to 3."


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence as the extractor reads it."""

    consultation: str
    turn: int
    text: str
    named: frozenset[str]
    "Concepts that the lexicon finds in it."


def spoken(name: str, turns: Sequence[Turn]) -> list[Spoken]:
    """The sentences of a consultation."""
    lexicon, rules = load_lexicon(), load_rules()
    return [
        Spoken(
            name,
            turn.id,
            _text(tokens),
            frozenset(one.concept.display for one in lexicon.mentions(tokens)),
        )
        for turn in turns
        for tokens in split(tokenize(word.text for word in turn.words), rules)
        if tokens
    ]


def _text(tokens: Sequence[Token]) -> str:
    return " ".join(token.text + token.mark for token in tokens)


class SearchingLexicon(Lexicon):
    """The lexicon, with the mentions that a search proposes for whole sentences."""

    def __init__(self, proposals: Proposals) -> None:
        self._plain = load_lexicon()
        self.concepts = self._plain.concepts
        self._proposals = proposals

    def mentions(self, tokens: Sequence[Token]) -> list[Mention]:
        """See Lexicon."""
        named = self._plain.mentions(tokens)
        words = tuple(at for at, token in enumerate(tokens) if token.text not in UNSPOKEN)
        found = [
            Mention(self.concepts[name], Kind.SYMPTOM, words, -rank)
            for name, rank in self._proposals.get(_text(tokens), ())
            if words
        ]
        return sorted([*named, *found], key=lambda mention: (mention.first, mention.last))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("more", type=Path, nargs="*", help="further annotated consultations")
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--mentions", type=int, nargs="+", default=MENTIONS, metavar="N")
    options = parser.parse_args()
    folders = [*(options.data / name for name in SETS), *options.more]
    consultations = without_duplicates(read_annotations(folders))
    # Every text is met several times, and the encoder keeps only the last few hundred.
    encoder: Encoder = cache(load_encoder())
    before = cross_validated(consultations, encoder, {})
    print(heading("search", "finding F1", "P", "R", "primock57 and osce", "gain"))
    print(row("none", before, before))
    sentences = [one for known in consultations for one in spoken(known.name, known.turns)]
    scores = searched(consultations, sentences, unannotated(options.data, consultations), encoder)
    for count in options.mentions:
        found = proposals(sentences, scores, count)
        after = cross_validated(consultations, encoder, found)
        print(row(f"{count} mentions", after, before))


def row(name: str, after: Sequence[Outcome], before: Sequence[Outcome]) -> str:
    """A row of the table."""
    score = total(one.score() for one in after)
    looked_at = total(one.score() for one in after if one.name.partition("/")[0] in SETS)
    found = compare(after, before)
    return line(
        [
            name,
            f"{score.f1:.4f}",
            f"{score.precision:.3f}",
            f"{score.recall:.3f}",
            f"{looked_at.f1:.4f}",
            f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f})",
        ]
    )


# --- the search ----------------------------------------------------------------------------------


def unannotated(data: Path, consultations: Sequence[Annotated]) -> list[Spoken]:
    """Sentences of the OSCE transcripts that are not annotated: those that name something, and
    some others, each once."""
    texts = [
        Annotated(f"unannotated/{path.stem}", tuple(read_turns(path)), ())
        for path in sorted((data / "osce" / "transcripts").glob("*.txt"))
    ]
    fresh = without_duplicates([*consultations, *texts])[len(consultations) :]
    each = {one.text: one for text in fresh for one in spoken(text.name, text.turns)}
    others = [one for one in each.values() if not one.named and one.text.count(" ") + 1 >= SHORTEST]
    chosen = random.Random(0).sample(others, min(OTHERS, len(others)))
    return [one for one in each.values() if one.named] + chosen


def searched(
    consultations: Sequence[Annotated],
    sentences: Sequence[Spoken],
    further: Sequence[Spoken],
    encoder: Encoder,
) -> Array:
    """How likely each sentence is about each concept (log odds), by heads of the other folds."""
    written = described()
    vectors = _rows([one.text for one in sentences], encoder)
    taught = _rows([one.text for one in [*further, *written]], encoder)
    answers = _named([*further, *written])
    first = fit_search(taught, answers, np.ones(len(taught), np.float32), None, ROUNDS)
    extra = paraphrases(consultations, sentences, vectors @ first)
    known, weight = _named(sentences), np.ones(len(sentences), np.float32)
    for at, concept in extra:
        known[at, concept], weight[at] = 1.0, TRUST
    assigned = dict(zip((one.name for one in consultations), folds(consultations, 0), strict=True))
    fold = np.array([assigned[one.consultation] for one in sentences])
    scores = np.empty_like(known)
    for this in range(FOLDS):
        rest = fold != this
        heads = fit_search(
            np.vstack([taught, vectors[rest]]),
            np.vstack([answers, known[rest]]),
            np.concatenate([np.ones(len(taught), np.float32), weight[rest]]),
            first,
            ROUNDS_AGAIN,
        )
        scores[~rest] = vectors[~rest] @ heads
    return scores


def described() -> list[Spoken]:
    """The inventory in words: names, definitions, and the phrases that are plain words."""
    folder = files("voicemed.data")
    said = tomllib.loads(folder.joinpath("phrases.toml").read_text(encoding="utf-8"))["concepts"]
    table = folder.joinpath("concepts.tsv").read_text(encoding="utf-8").splitlines()
    written: list[Spoken] = []
    for one in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
        # What follows the last semicolon before an arrow is of another concept.
        meant = one["definition"].split(" -> ")[0]
        meant = meant.rpartition(";")[0] if " -> " in one["definition"] else meant
        phrases = said.get(one["name"], {}).get("phrases", ())
        plain = [phrase for phrase in phrases if re.fullmatch("[a-z ]+", phrase)]
        written += [
            Spoken("", 0, text, frozenset({one["name"]}))
            for text in (one["name"], meant, *plain)
            if text
        ]
    return written


def paraphrases(
    consultations: Sequence[Annotated], sentences: Sequence[Spoken], scores: Array
) -> list[tuple[int, int]]:
    """Where a finding of the patient's is annotated on words in which the lexicon does not see it:
    the sentence of them that comes nearest, and the concept's column."""
    places: dict[tuple[str, int], list[int]] = defaultdict(list)
    for at, one in enumerate(sentences):
        places[one.consultation, one.turn].append(at)
    columns = _columns()
    found: list[tuple[int, int]] = []
    for known in consultations:
        for finding in known.rows:
            evidence = [at for turn in finding.evidence for at in places[known.name, turn]]
            named = any(finding.symptom in sentences[at].named for at in evidence)
            if finding.experiencer != "patient" or named or not evidence:
                continue
            long = [at for at in evidence if sentences[at].text.count(" ") + 1 >= SHORTEST]
            concept = columns[finding.symptom]
            nearest = max((float(scores[at, concept]), at) for at in long or evidence)[1]
            found.append((nearest, concept))
    return found


def fit_search(
    vectors: Array, answers: Array, weight: Array, start: Array | None, rounds: int
) -> Array:
    """A logistic regression for each concept, shape (vector and 1, concepts)."""
    if start is None:
        start = np.zeros((vectors.shape[1], answers.shape[1]), np.float32)
        start[-1] = -6.0  # most sentences name none
    shape = start.shape

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(shape).astype(np.float32)
        odds = vectors @ weights
        missed = np.logaddexp(0, odds) - answers * odds
        away = weights.copy()
        away[-1] = 0.0  # the bias is free
        gradient = vectors.T @ (weight[:, np.newaxis] * (expit(odds) - answers)) + away
        value = float((weight @ missed).sum(dtype=np.float64)) + float((away**2).sum()) / 2
        return value, gradient.astype(np.float64).ravel()

    found = optimize.minimize(
        loss,
        start.astype(np.float64).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": rounds},
    )
    return np.asarray(found.x.reshape(shape), np.float32)


def proposals(sentences: Sequence[Spoken], scores: Array, count: int) -> dict[str, Proposals]:
    """The likeliest pairs of a sentence and a concept that it does not name, by consultation."""
    free = np.where(_named(sentences) > 0, -np.inf, scores)
    free[:, _columns()[GENERIC]] = -np.inf
    order = np.argsort(-free, axis=None, kind="stable")[:count]
    names = list(_columns())
    found: dict[str, dict[str, list[tuple[str, int]]]] = defaultdict(lambda: defaultdict(list))
    for place, pair in enumerate(order):
        at, concept = divmod(int(pair), len(names))
        rank = 3 if place < count / 4 else 2 if place < count / 2 else 1
        said = found[sentences[at].consultation][sentences[at].text]
        if names[concept] not in {name for name, _ in said}:
            said.append((names[concept], rank))
    return dict(found)


def _columns() -> dict[str, int]:
    return {name: column for column, name in enumerate(load_lexicon().concepts)}


def _rows(texts: Sequence[str], encoder: Encoder) -> Array:
    """Their vectors, and 1 for the bias."""
    vectors = SCALE * np.stack([encoder(text) for text in texts])
    return np.hstack([vectors, np.ones((len(texts), 1), np.float32)]).astype(np.float32)


def _named(sentences: Sequence[Spoken]) -> Array:
    """1 where a sentence names a concept."""
    columns = _columns()
    found = np.zeros((len(sentences), len(columns)), np.float32)
    for at, one in enumerate(sentences):
        for name in one.named:
            found[at, columns[name]] = 1.0
    return found


# --- the whole -----------------------------------------------------------------------------------


def cross_validated(
    consultations: Sequence[Annotated], encoder: Encoder, found: Mapping[str, Proposals]
) -> list[Outcome]:
    """As train.cross_validate on texts as written, with these further mentions."""

    def source(one: Annotated) -> SymptomExtractor:
        lexicon = SearchingLexicon(found.get(one.name, {}))
        return SymptomExtractor(lexicon, load_rules(), load_attributes())

    learnt: list[list[Example]] = []
    for one in consultations:
        with patch("voicemed.train.create_symptom_extractor", partial(source, one)):
            learnt.append(examples(one, encoder, ["as written"]))
    assigned = folds(consultations, 0)
    outcomes: dict[int, Outcome] = {}
    for fold in range(FOLDS):
        rest = [some for some, place in zip(learnt, assigned, strict=True) if place != fold]
        heads = fit([example for some in rest for example in some])
        for k, one in enumerate(consultations):
            if assigned[k] == fold:
                outcomes[k] = observe(one, ClassifyingExtractor(source(one), heads, encoder))
    return [outcomes[k] for k in range(len(consultations))]


if __name__ == "__main__":
    main()
