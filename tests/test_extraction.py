"""All kinds of findings together, with the shipped classifier."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicemed.classifier import shipped_heads
from voicemed.errors import ModelDamaged, ModelMissing
from voicemed.extraction import create_extractor, extract
from voicemed.findings import Finding, FindingKind
from voicemed.transcript import Turn
from voicemed.transcript_reader import turns_of_text

CONSULTATION = """\
Doctor: Hello, what can I do for you?
Patient: I've had this awful headache since Monday, and I feel sick with it.
Doctor: I see. Any fever, or a stiff neck?
Patient: No, nothing like that.
Doctor: And are you taking anything for it?
Patient: Just paracetamol, two tablets four times a day.
Doctor: Any allergies?
Patient: I'm allergic to penicillin, it brings me out in a rash.
Doctor: Your blood pressure is 140 over 90.
Patient: My mum has high blood pressure. Actually, I did feel a bit feverish last night.
Doctor: If you get any chest pain, call 999.
"""


def turns(text: str = CONSULTATION) -> list[Turn]:
    return turns_of_text(text)


@pytest.mark.models
def test_every_kind_is_found() -> None:
    found = {
        (one.kind, one.concept.display): one.assertion.status.value for one in extract(turns())
    }
    symptom = FindingKind.SYMPTOM
    assert found[symptom, "headache"] == "present"
    assert found[symptom, "nausea"] == "present"
    assert found[symptom, "neck stiffness"] == "absent"
    assert found[symptom, "fever"] == "present"
    assert found.get((symptom, "chest pain")) in (None, "hypothetical")
    kinds = {kind for kind, _ in found}
    assert kinds == set(FindingKind)


@pytest.mark.models
def test_a_live_session_finds_what_the_batch_finds() -> None:
    extractor = create_extractor("en")
    live: tuple[Finding, ...] = ()
    for turn in turns():
        live = extractor.update(turn)
    assert live == extract(turns(), "en") == extract(turns())


@pytest.mark.models
def test_a_status_that_changes_keeps_its_history() -> None:
    (fever,) = [one for one in extract(turns()) if one.concept.display == "fever"]
    assert [change.status.value for change in fever.history] == ["absent", "present"]


def test_without_the_encoder_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from voicemed.encoder import load_encoder

    load_encoder.cache_clear()
    monkeypatch.setenv("VOICEMED_MODELS", str(tmp_path))
    with pytest.raises(ModelMissing, match="voicemed models pull minilm-l6"):
        create_extractor("en")
    load_encoder.cache_clear()


def test_heads_of_ones_own_have_to_be_some(tmp_path: Path) -> None:
    (tmp_path / "heads.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelDamaged, match="no symptom heads"):
        create_extractor("en", str(tmp_path / "heads.safetensors"))


def test_the_shipped_heads_tell_what_they_were_trained_on() -> None:
    about = shipped_heads().about
    assert int(about["consultations"]) > 100
    assert len(about["data"]) == 64
