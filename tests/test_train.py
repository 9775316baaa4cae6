"""Training: examples, folds, heads that learn, heads that start from others, their card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from voicemed import train as trainer
from voicemed.annotations import read_annotations
from voicemed.classifier import load_heads
from voicemed.encoder import SIZE, Vector
from voicemed.errors import EngineError, OutputError
from voicemed.train import FOLDS, compare_heads, examples, fit, folds, save, train, unseen

pytest.importorskip("scipy", reason="the extra train is not installed")

SYMPTOMS = [
    ("fever", "a fever"),
    ("cough", "a cough"),
    ("rash", "a rash"),
    ("nausea", "any nausea"),
    ("headache", "headaches"),
    ("dizziness", "dizziness"),
]


def encoder(text: str) -> Vector:
    """Another direction for each text."""
    vector = np.random.default_rng(len(text)).standard_normal(SIZE).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """Consultations in which 'I do' means yes, 'I do not' no, and what leaflets say nothing."""
    folder = tmp_path / "clinic"
    folder.mkdir()
    for number in range(2 * FOLDS):
        said: list[dict[str, object]] = []
        rows: list[dict[str, object]] = []
        for place, (symptom, words) in enumerate(SYMPTOMS):
            kind = (number + place) % 3
            lines = [
                (f"Do you have {words}?", "Yes, I do."),
                (f"Do you have {words}?", "No, I do not."),
                (f"The leaflet on page {number} speaks of {words}.", "Okay."),
            ][kind]
            for speaker, text in zip(("doctor", "patient"), lines, strict=True):
                said.append({"id": len(said) + 1, "speaker": speaker, "text": text})
            if kind < 2:
                status = ("present", "absent")[kind]
                rows.append({"symptom": symptom, "status": status, "evidence": [len(said)]})
        own = " ".join(f"word{number}x{place}" for place in range(200))  # no near-duplicate
        said.append({"id": len(said) + 1, "speaker": "doctor", "text": own})
        (folder / f"v{number}.json").write_text(json.dumps(said), encoding="utf-8")
        lines_ = "\n".join(map(json.dumps, rows))
        (folder / f"v{number}.jsonl").write_text(lines_, encoding="utf-8")
    return folder


def test_examples_say_what_each_candidate_was(clinic: Path) -> None:
    first = read_annotations([clinic])[0]
    found = examples(first, encoder, ["as written"])
    truth = {row.symptom: row.status for row in first.rows}
    assert {one.candidate.concept.display: one.answer for one in found} == {
        symptom: truth.get(symptom, "neither") for symptom, _ in SYMPTOMS
    }


def test_heads_learn_from_the_examples(clinic: Path) -> None:
    learnt = [e for one in read_annotations([clinic]) for e in examples(one, encoder)]
    heads = fit(learnt)
    likely = [heads.probabilities(one.candidate, one.meaning)[one.answer] for one in learnt]
    assert np.mean(likely) > 0.8


def test_the_prior_holds_where_the_examples_say_nothing(clinic: Path) -> None:
    learnt = [e for one in read_annotations([clinic]) for e in examples(one, encoder)]
    prior = fit(learnt)
    again = fit(learnt[: len(learnt) // 2], prior)
    assert set(prior.names) <= set(again.names)
    for one in learnt:
        before = prior.probabilities(one.candidate, one.meaning)[one.answer]
        assert again.probabilities(one.candidate, one.meaning)[one.answer] > before - 0.3


def test_too_little_to_learn_from(clinic: Path) -> None:
    some = [e for e in examples(read_annotations([clinic])[0], encoder) if e.answer != "absent"]
    with pytest.raises(EngineError, match="no candidate is absent"):
        fit(some)


def test_folds_depend_on_the_seed_and_spread_each_folder(clinic: Path) -> None:
    consultations = read_annotations([clinic])
    assert folds(consultations, 1) == folds(consultations, 1) != folds(consultations, 2)
    assert {folds(consultations, 1).count(fold) for fold in range(FOLDS)} == {2}


def test_the_same_seed_gives_the_same_file_and_a_card(clinic: Path, tmp_path: Path) -> None:
    trained = train([clinic], encoder, seed=3)
    card = save(trained, tmp_path / "a.safetensors")
    save(train([clinic], encoder, seed=3), tmp_path / "b.safetensors")
    a, b = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    assert a.read_bytes() == b.read_bytes()
    assert (tmp_path / "a.md").read_text("utf-8") == card
    assert f"{2 * FOLDS} consultations" in card
    heads = load_heads(a)
    assert unseen(trained.consultations, heads) == []
    with pytest.raises(EngineError, match="trained on all of these"):
        compare_heads([clinic], heads, None, encoder)


def test_where_the_heads_cannot_be_written_it_says_so(clinic: Path, tmp_path: Path) -> None:
    learnt = [e for one in read_annotations([clinic]) for e in examples(one, encoder)]
    trained = trainer.Trained(fit(learnt), [], 0, {}, [])
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        save(trained, tmp_path / "file" / "heads.safetensors")
