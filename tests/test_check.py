"""`voicemed check`: what each probe says of what it finds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import numpy as np
import platformdirs
import pytest

from voicemed import (
    asr,
    check,
    config,
    crypto,
    keyfile,
    microphone,
    playback,
    store,
    tts,
    weights,
    whisper_torch,
)
from voicemed.audio import SAMPLE_RATE, AudioChunk
from voicemed.check import CheckResult, State
from voicemed.errors import DeviceError, EngineError, ModelMissing
from voicemed.microphone import DeviceLost, SourceEvent


class FakeMicrophone:
    """Endless sound of one amplitude in blocks of 0.1 s, until closed; lost at `lost_at`."""

    name = "Desk microphone"
    paced = True
    overflows = 0

    def __init__(self, amplitude: float, lost_at: float = 1e9) -> None:
        self.amplitude = amplitude
        self.lost_at = lost_at
        self.closed = False

    def events(self) -> Iterator[SourceEvent]:
        for block in range(1000):
            if self.closed:
                return
            start = block * 0.1
            if start >= self.lost_at:
                yield DeviceLost(start, "gone")
            else:
                tone = np.full(SAMPLE_RATE // 10, self.amplitude, np.float32)
                yield AudioChunk(tone, SAMPLE_RATE, start)
        pytest.fail("the microphone was never closed")

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def healthy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which all works; a test breaks one thing."""
    model = weights.Model("whisper-base", "asr", "A model", "MIT", True, (), ())
    status = weights.ModelStatus(model, tmp_path, "present", "")
    engine = SimpleNamespace(name="whisper", device="cpu", synthesize=lambda text: iter([text]))
    speaker = SimpleNamespace(name="Desk speaker", close=lambda: None)
    monkeypatch.setattr(platformdirs, "user_config_path", lambda *args, **kwargs: tmp_path)
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *args, **kwargs: tmp_path)
    monkeypatch.setattr(microphone, "Microphone", lambda device: FakeMicrophone(0.1))
    monkeypatch.setattr(playback, "create_sink", lambda output, device: speaker)
    monkeypatch.setattr(weights, "models", lambda: (status,))
    monkeypatch.setattr(weights, "verify", lambda names: (status,))
    monkeypatch.setattr(weights, "model_folder", lambda: tmp_path / "not" / "yet")
    monkeypatch.setattr(asr, "create_recognizer", lambda settings: engine)
    monkeypatch.setattr(tts, "create_synthesizer", lambda settings: engine)
    monkeypatch.setattr(whisper_torch, "gpu_available", lambda: False)
    disk = SimpleNamespace(free=50e9)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: disk)


def result(name: str, path: Path | None = None) -> CheckResult:
    return {result.name: result for result in check.probes(path)}[name]


def broken(error: Exception) -> object:
    def fail(*args: object) -> None:
        raise error

    return fail


def test_all_is_well() -> None:
    results = list(check.probes())
    assert {result.state for result in results} == {State.OK, State.NONE}
    assert not any(result.remedy for result in results)
    assert [result.name for result in results] == [
        "Python",
        "settings",
        "microphone",
        "loudspeaker",
        "model",
        "recognition",
        "voice",
        "GPU",
        "store",
        "disk",
    ]


def test_the_microphones_level() -> None:
    assert result("microphone").detail == "Desk microphone: -20 dBFS"


@pytest.mark.parametrize(
    ("found", "detail"),
    [
        (FakeMicrophone(0.0), "Desk microphone: I can't hear anything"),
        (FakeMicrophone(1e-4), "Desk microphone: -80 dBFS, very quiet"),
        (FakeMicrophone(0.1, lost_at=0), "Desk microphone: I can't hear anything"),
    ],
)
def test_a_microphone_that_hears_little(
    monkeypatch: pytest.MonkeyPatch, found: FakeMicrophone, detail: str
) -> None:
    monkeypatch.setattr(microphone, "Microphone", lambda device: found)
    probed = result("microphone")
    assert (probed.state, probed.detail) == (State.WARNING, detail)
    assert probed.remedy
    assert found.closed


def test_a_missing_device_is_a_warning_as_recordings_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "Microphone", broken(DeviceError("no microphone")))
    monkeypatch.setattr(playback, "create_sink", broken(DeviceError("no speaker")))
    assert result("microphone") == CheckResult("microphone", State.WARNING, "no microphone")
    assert result("loudspeaker") == CheckResult("loudspeaker", State.WARNING, "no speaker")


@pytest.mark.parametrize(("kind", "state"), [("asr", State.FAILED), ("tts", State.WARNING)])
def test_a_damaged_model(
    monkeypatch: pytest.MonkeyPatch, kind: Literal["asr", "tts"], state: State
) -> None:
    model = weights.Model("some-model", kind, "A model", "MIT", True, (), ())
    status = weights.ModelStatus(model, Path(), "damaged", "model.bin: wrong")
    monkeypatch.setattr(weights, "verify", lambda names: (status,))
    assert result("model") == CheckResult(
        "model", state, "some-model: model.bin: wrong", "voicemed models pull some-model"
    )


def test_the_models_of_the_settings_are_verified_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = [
        weights.ModelStatus(
            weights.Model(name, "asr", "", "MIT", default, (), ()), tmp_path, "present", ""
        )
        for name, default in [("usual", True), ("chosen", False), ("other", False)]
    ]
    asked: list[list[str]] = []

    def verify(names: list[str]) -> tuple[weights.ModelStatus, ...]:
        asked.append(names)
        return ()

    monkeypatch.setattr(weights, "models", lambda: known)
    monkeypatch.setattr(weights, "verify", verify)
    (tmp_path / "voicemed.toml").write_text("[recognition]\nmodel = 'chosen'")
    list(check.probes())
    assert asked == [["usual", "chosen"]]


def test_engines_that_do_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asr, "create_recognizer", broken(EngineError("ct2")))
    monkeypatch.setattr(tts, "create_synthesizer", broken(ModelMissing("no voice")))
    assert result("recognition") == CheckResult("recognition", State.FAILED, "ct2")
    assert result("voice") == CheckResult("voice", State.WARNING, "no voice")


def test_a_wrong_settings_file_fails_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[audoi]")
    assert result("settings", path).state is State.FAILED
    assert "did you mean audio?" in result("settings", path).detail
    assert result("disk", path).state is State.OK
    path.write_text("")
    assert result("settings", path) == CheckResult("settings", State.OK, str(path))


def test_the_default_settings_file_is_named() -> None:
    assert str(config.default_path()) in result("settings").detail


def test_little_disk_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10_000_000))
    assert result("disk").state is State.WARNING


def test_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert result("GPU").state is State.NONE
    monkeypatch.setattr(whisper_torch, "gpu_available", lambda: True)
    assert result("GPU").state is State.OK


# -- the store


@pytest.fixture
def store_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    store.create(folder, "correct horse battery", effort=crypto.Effort(64, 1, 4))
    return folder


def keyring_settings(tmp_path: Path) -> Path:
    (file := tmp_path / "keyring.toml").write_text("[store]\nkeyring = true\n")
    return file


def test_without_a_store_it_says_how_to_make_one() -> None:
    probed = result("store")
    assert probed.state is State.NONE
    assert "`voicemed init`" in probed.detail


def test_a_store_without_its_passphrase(store_folder: Path) -> None:
    probed = result("store")
    assert (probed.state, probed.detail) == (
        State.OK,
        f"{store_folder}: 50 GB free, opens with the passphrase",
    )


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_a_store_that_others_may_read(store_folder: Path) -> None:
    (store_folder / "store.json").chmod(0o640)
    probed = result("store")
    assert probed.state is State.WARNING
    assert "other users may open 1 of its files" in probed.detail
    assert probed.remedy == f"chmod -R go= {store_folder}"


def test_a_store_on_a_disk_that_is_nearly_full(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=400e6))
    assert result("store").state is State.WARNING


def test_a_damaged_store(store_folder: Path) -> None:
    (store_folder / "store.json").write_text("{}")
    probed = result("store")
    assert probed.state is State.FAILED
    assert "restore a backup" in probed.detail


def test_a_keyring(store_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = keyring_settings(tmp_path)
    monkeypatch.setattr(keyfile, "has_keyring", lambda: False)
    monkeypatch.setattr(keyfile, "remembered", lambda file: None)
    assert result("store", settings).remedy == "set keyring = false in [store]"
    monkeypatch.setattr(keyfile, "has_keyring", lambda: True)
    assert "opens with the passphrase" in result("store", settings).detail
    monkeypatch.setattr(keyfile, "remembered", lambda file: crypto.new_key())
    assert "opens by the keyring" in result("store", settings).detail
