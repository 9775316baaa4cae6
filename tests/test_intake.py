"""Before the microphone is opened: the questions, on a real (pseudo-)terminal and in a pipe."""

from __future__ import annotations

import dataclasses
import getpass
import io
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeRecorder
from test_ui import PseudoTerminal

from voicemed import intake, store
from voicemed.config import StoreSettings
from voicemed.encounter import Consent, EncounterKind, Patient
from voicemed.errors import ConfigError, ConsentMissing

ELSEWHERE = dataclasses.replace(StoreSettings(), consent="elsewhere", clinician="Dr Ada")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> PseudoTerminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return PseudoTerminal()


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the recorder was begun with."""
    arguments: dict[str, Any] = {}

    class Recorder(FakeRecorder):
        @classmethod
        def begin(cls, folder: Path, **given: Any) -> Recorder:
            arguments.update(given, folder=folder)
            return cls()

    monkeypatch.setattr(store, "Recorder", Recorder, raising=False)
    return arguments


def admit(
    settings: StoreSettings,
    *,
    kind: EncounterKind = EncounterKind.SESSION,
    source: str = "",
    with_patient: bool = False,
) -> FakeRecorder:
    """The recorder that the loop would write to."""
    record = intake.admit(settings, Path("store"), kind, source=source, with_patient=with_patient)
    recorder = record.begin()
    assert isinstance(recorder, FakeRecorder)
    return recorder


# -- the terminal


@pytest.mark.parametrize(
    ("answer", "by"),
    [(b"y\n", "patient"), (b"what?\nR\n", "relative"), (b"guardian\n", "guardian")],
)
def test_consent_is_asked_for_and_recorded(
    terminal: PseudoTerminal, begun: dict[str, Any], answer: bytes, by: str
) -> None:
    before = datetime.now(UTC)
    terminal.press(answer)
    with terminal.as_stdio():
        recorder = admit(StoreSettings())
    (consent,) = recorder.consents
    assert before <= consent.at <= datetime.now(UTC)
    assert consent == Consent(True, consent.at, by, getpass.getuser())
    assert begun == {
        "folder": Path("store"),
        "kind": EncounterKind.SESSION,
        "clinician": getpass.getuser(),
        "patient": Patient(),
        "source": "",
    }
    assert "Does the patient agree to be recorded?" in terminal.shown()


@pytest.mark.parametrize("answer", [b"n\n", b"\x04"])
def test_without_consent_nothing_is_begun(
    terminal: PseudoTerminal, begun: dict[str, Any], answer: bytes
) -> None:
    terminal.press(answer)
    with terminal.as_stdio(), pytest.raises(ConsentMissing, match="nothing was recorded"):
        admit(StoreSettings())
    assert begun == {}
    terminal.shown()


def test_the_patient_is_asked_for_on_the_alternate_screen(
    terminal: PseudoTerminal, begun: dict[str, Any]
) -> None:
    terminal.press("Zoë Quill\n 4711 \n31.12.1950\n1950-12-31\n".encode())
    with terminal.as_stdio():
        admit(ELSEWHERE, with_patient=True)
    assert begun["patient"] == Patient("Zoë Quill", "4711", date(1950, 12, 31))
    shown = terminal.shown()
    asked = shown.partition("\x1b[?1049h")[2].partition("\x1b[?1049l")[0]
    for question in ("name", "Number", "Born", "must be written as 1950-12-31"):
        assert question in asked
    assert "name" not in shown.rpartition("\x1b[?1049l")[2]


# -- without a terminal


def test_a_pipe_gives_the_patient_by_lines(
    monkeypatch: pytest.MonkeyPatch, begun: dict[str, Any]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Zoë Quill\n4711\n1950-12-31\n"))
    admit(ELSEWHERE, with_patient=True)
    assert begun["patient"] == Patient("Zoë Quill", "4711", date(1950, 12, 31))
    monkeypatch.setattr(sys, "stdin", io.StringIO("Zoë Quill\n"))
    admit(ELSEWHERE, with_patient=True)
    assert begun["patient"] == Patient("Zoë Quill")
    monkeypatch.setattr(sys, "stdin", io.StringIO("Zoë Quill\n\nyesterday\n"))
    with pytest.raises(ConfigError) as error:
        admit(ELSEWHERE, with_patient=True)
    assert "yesterday" not in str(error.value)


def test_where_nobody_can_be_asked_it_says_what_to_configure(
    monkeypatch: pytest.MonkeyPatch, begun: dict[str, Any]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ConsentMissing, match='consent = "elsewhere"'):
        admit(StoreSettings())
    assert begun == {}


def test_consent_from_elsewhere_is_recorded_as_that(begun: dict[str, Any]) -> None:
    (consent,) = admit(ELSEWHERE).consents
    assert (consent.given, consent.by, consent.recorded_by) == (True, "configuration", "Dr Ada")
    assert begun["clinician"] == "Dr Ada"


# -- who need not be asked


def test_a_recording_was_made_elsewhere_and_that_is_recorded(begun: dict[str, Any]) -> None:
    recorder = admit(StoreSettings(), source="visit.wav")
    assert recorder.consents == []
    assert recorder.log == ["event consent not asked"]
    assert begun["source"] == "visit.wav"


def test_the_doctors_own_dictation_needs_no_consent(begun: dict[str, Any]) -> None:
    recorder = admit(StoreSettings(), kind=EncounterKind.DICTATION)
    assert (recorder.consents, recorder.log) == ([], [])
    assert begun["kind"] is EncounterKind.DICTATION


def test_a_dictation_with_the_patient_needs_it(
    monkeypatch: pytest.MonkeyPatch, begun: dict[str, Any]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Zoë Quill\n"))
    with pytest.raises(ConsentMissing):
        admit(StoreSettings(), kind=EncounterKind.DICTATION, with_patient=True)
    assert begun == {}


# -- whether anything is kept


def test_the_store_is_used_once_it_exists_and_if_wanted(tmp_path: Path) -> None:
    settings = dataclasses.replace(StoreSettings(), folder=str(tmp_path))
    assert intake.folder_of(settings, keep=True) == (None, intake.NO_STORE_YET)
    (tmp_path / "store.json").touch()
    assert intake.folder_of(settings, keep=True) == (tmp_path, "")
    assert intake.folder_of(settings, keep=False) == (None, "--no-store")
