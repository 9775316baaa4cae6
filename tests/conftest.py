"""What the markers of pyproject.toml need, and engines that several test files share."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import virtual_microphone

from voicemed import weights
from voicemed.asr import GuardedRecognizer
from voicemed.errors import ModelError
from voicemed.whisper_ct2 import CT2Decoder, load

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "audio_samples"
SHARED = ROOT.parent / "shared" / "data"
"The development recordings, which are not part of the repository."


@cache
def _without_models() -> str:
    for status in weights.models():
        if status.model.default:
            try:
                weights.locate(status.model.name)
            except ModelError as error:
                return str(error)
    return ""


@cache
def _without_torch() -> str:
    return "" if find_spec("torch") else "torch is not installed: make test-torch"


@cache
def _without_portaudio() -> str:
    return virtual_microphone.missing()


def _without_shared_data() -> str:
    return "" if SHARED.is_dir() else "the development recordings are not here"


_NEEDS: dict[str, Callable[[], str]] = {
    "models": _without_models,
    "torch": _without_torch,
    "portaudio": _without_portaudio,
    "shared_data": _without_shared_data,
}
"What a marker asks for: why it is not here, or nothing."
_REQUIRED = {"models": "VOICEMED_REQUIRE_MODELS", "portaudio": "VOICEMED_REQUIRE_PORTAUDIO"}
"Set to 1, as in CI, a test fails where it would be skipped."


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run here, before any fixture is made."""
    for marker, reason_against in _NEEDS.items():
        if item.get_closest_marker(marker) is None or not (reason := reason_against()):
            continue
        switch = _REQUIRED.get(marker, "")
        if os.environ.get(switch) == "1":
            pytest.fail(f"{reason} ({switch}=1)", pytrace=False)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def ct2_base() -> CT2Decoder:
    """The real decoder, for up to two threads at once."""
    return load(weights.locate("whisper-base"), threads=1, workers=2)


@pytest.fixture(scope="session")
def whisper_base(ct2_base: CT2Decoder) -> GuardedRecognizer:
    """The real recogniser over it."""
    return GuardedRecognizer(ct2_base)
