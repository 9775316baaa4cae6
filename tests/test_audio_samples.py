"""The samples are what their script and their README say, and fit to be heard."""

from __future__ import annotations

import importlib.util
import json
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from voicemed.audio import SAMPLE_RATE, level_dbfs, probe, read
from voicemed.diarization import speaker_channels
from voicemed.vad import create_vad

FOLDER = Path(__file__).parents[1] / "audio_samples"
SCRIPTS: Mapping[str, Any] = tomllib.loads((FOLDER / "scripts.toml").read_text("utf-8"))
SPOKEN = [name for name, script in SCRIPTS.items() if script["lines"]]
WORDLESS = sorted(SCRIPTS.keys() - set(SPOKEN))


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    pytest.importorskip("piper")
    spec = importlib.util.spec_from_file_location("make_samples", FOLDER / "make_samples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_no_others() -> None:
    assert {path.stem for path in FOLDER.glob("*.wav")} == set(SCRIPTS)
    assert len(SPOKEN) >= 5
    assert set(WORDLESS) == {"silence", "noise"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_expectations_are_those_of_the_script(name: str, maker: ModuleType) -> None:
    text = (FOLDER / f"{name}.txt").read_text("utf-8")
    assert text == maker.expected_text(SCRIPTS[name])
    findings = (FOLDER / f"{name}.findings.jsonl").read_text("utf-8")
    assert findings == maker.expected_findings(SCRIPTS[name])


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_findings_can_be_scored(name: str) -> None:
    table = (files("voicemed.data") / "concepts.tsv").read_text("utf-8")
    symptoms = {line.split("\t")[0] for line in table.splitlines()[1:]}
    rows = [
        json.loads(line)
        for line in (FOLDER / f"{name}.findings.jsonl").read_text("utf-8").splitlines()
    ]
    lines = (FOLDER / f"{name}.txt").read_text("utf-8").splitlines()
    assert bool(rows) == bool(lines)
    assert len({(row["symptom"], row["status"], row["experiencer"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["symptom"] in symptoms
        assert row["status"] in {"present", "absent", "uncertain", "past", "hypothetical"}
        assert row["experiencer"] in {"patient", "other"}
        assert row["evidence"]
        assert all(1 <= line <= len(lines) for line in row["evidence"])


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_sound_has_the_format_that_the_readme_names(name: str) -> None:
    info = probe(FOLDER / f"{name}.wav")
    assert info.duration is not None
    assert 10 <= info.duration <= 60
    form = (info.codec, info.sample_rate, info.channels)
    telephone = SCRIPTS[name]["sound"] == "telephone"
    assert form == (("pcm_mulaw", 8_000, 2) if telephone else ("pcm_s16le", SAMPLE_RATE, 1))
    readme = (FOLDER / "README.md").read_text("utf-8")
    (row,) = [line for line in readme.splitlines() if line.startswith(f"| `{name}.wav`")]
    assert row.endswith(f"| {info.duration:.0f} s |")


def test_they_are_small_enough_for_the_repository() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 6_000_000


@pytest.mark.parametrize("name", SPOKEN)
def test_each_line_can_be_heard(name: str) -> None:
    samples = read(FOLDER / f"{name}.wav")
    assert np.abs(samples).max() < 1.0  # not clipped
    vad = create_vad("silero")
    probability = vad.stream()
    speech = [
        probability(samples[start : start + vad.window]) > 0.5
        for start in range(0, len(samples) - vad.window + 1, vad.window)
    ]
    starts = sum(now and not before for before, now in zip([False, *speech], speech, strict=False))
    assert starts >= len(SCRIPTS[name]["lines"])
    words = sum(len(line["says"].split()) for line in SCRIPTS[name]["lines"])
    assert sum(speech) * vad.window / SAMPLE_RATE > 0.15 * words


def test_on_the_telephone_each_speaker_has_a_channel() -> None:
    assert speaker_channels(FOLDER / "phone_call.wav") is not None


def test_silence_is_silent() -> None:
    samples = read(FOLDER / "silence.wav")
    half = len(samples) // 2
    assert not samples[:half].any()
    assert -70 < level_dbfs(samples[half:]) < -60


def test_noise_is_loud() -> None:
    assert -40 < level_dbfs(read(FOLDER / "noise.wav")) < -20


def test_noise_is_shaped_as_it_says(maker: ModuleType) -> None:
    rng = np.random.default_rng(1)
    white = maker.noise(SAMPLE_RATE, -20.0, rng)
    assert level_dbfs(white) == pytest.approx(-20.0, abs=0.01)
    power = np.abs(np.fft.rfft(maker.band(white, SAMPLE_RATE, 300, 3400))) ** 2
    assert power[1000:2000].mean() > 50 * power[20:100].mean()
    assert power[1000:2000].mean() > 10 * power[7000:].mean()
