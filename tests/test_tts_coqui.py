"""Coqui voices, with a tiny untrained VITS that the test generates; needs the torch environment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voicemed.config import SpeechSettings
from voicemed.errors import ModelDamaged, ModelMissing
from voicemed.tts import Coqui, create_synthesizer

pytestmark = pytest.mark.torch


def save_tiny_vits(folder: Path) -> None:
    """A VITS over characters, with random weights of a few hundred kilobytes."""
    import torch
    from TTS.tts.configs.vits_config import VitsArgs, VitsConfig
    from TTS.tts.models.vits import Vits

    torch.manual_seed(0)
    config = VitsConfig(
        model_args=VitsArgs(
            hidden_channels=16,
            hidden_channels_ffn_text_encoder=16,
            num_heads_text_encoder=2,
            num_layers_text_encoder=1,
            num_layers_flow=1,
            num_layers_posterior_encoder=1,
            upsample_initial_channel_decoder=32,
            init_discriminator=False,
        ),
        use_phonemes=False,
        text_cleaner="basic_cleaners",
    )
    model = Vits(config)
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    torch.save({"model": model.state_dict()}, folder / "model.pth")


@pytest.fixture(scope="module")
def tiny_vits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices") / "tiny"
    save_tiny_vits(folder)
    return folder


def test_a_local_checkpoint_speaks_clause_by_clause(tiny_vits: Path) -> None:
    voice = create_synthesizer(SpeechSettings(engine="coqui", model=str(tiny_vits)))
    assert (voice.name, voice.sample_rate) == ("Coqui tiny", 22_050)
    chunks = list(voice.synthesize("Yes, since yesterday."))
    assert len(chunks) == 2
    for chunk in chunks:
        assert chunk.samples.dtype == np.float32
        assert chunk.samples.ndim == 1
        assert 0 < np.abs(chunk.samples).max() <= 1
        assert chunk.samples[-1] != 0, "without Coqui's silence after each sentence"
    assert chunks[1].start == pytest.approx(len(chunks[0].samples) / 22_050)
    assert list(voice.synthesize(" ... ")) == []


def test_rate_is_the_reciprocal_of_length_scale(tiny_vits: Path) -> None:
    voice = Coqui(tiny_vits, rate=2.0)
    assert voice._coqui.tts_model.length_scale == pytest.approx(0.5)


class Payload:
    """Unpickled, it would call the function that it holds."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def test_a_pickle_in_a_checkpoint_runs_nothing(tiny_vits: Path, tmp_path: Path) -> None:
    import torch

    ran = tmp_path / "ran"
    (tmp_path / "config.json").write_text((tiny_vits / "config.json").read_text())
    torch.save({"model": Payload(os.mkdir, str(ran))}, tmp_path / "model.pth")
    with pytest.raises(ModelDamaged, match="not a Coqui voice that loads safely"):
        Coqui(tmp_path)
    assert not ran.exists()


def test_a_folder_without_a_checkpoint_and_an_unknown_name_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"found 0 \*\.pth"):
        Coqui(tmp_path)
    with pytest.raises(ModelMissing, match="neither a folder nor a Coqui name"):
        Coqui("piper-en-us-joe")
