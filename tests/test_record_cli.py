"""The commands of the encrypted record, on real stores whose passphrase is cheap to guess."""

from __future__ import annotations

import functools
import getpass
import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyperclip
import pytest
from fakes import tone
from typer.testing import CliRunner, Result

from voicemed import access, batch, cli, documents, keyfile, record_cli, record_view, store
from voicemed.assertion import Assertion, Status
from voicemed.audio import Seconds
from voicemed.crypto import Effort
from voicemed.encounter import Consent, EncounterKind, Patient
from voicemed.findings import Finding
from voicemed.lexicon import Concept
from voicemed.store import Recorder, Store
from voicemed.transcript import Span, Turn, Word
from voicemed.transcript_reader import words_of

PASSPHRASE = "correct horse battery"
COUGH = Finding(
    Concept("http://purl.obolibrary.org/obo/hp.owl", "HP:0012735", "cough", "R05.9"),
    Assertion(Status.PRESENT),
    (Span(2, 3, 3),),
)
TURNS = (
    Turn(1, "doctor", words_of("What brings you here?")),
    Turn(2, "patient", words_of("I have a cough [bold]since[/bold] Monday.")),
)


@pytest.fixture(autouse=True)
def nobody_at_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """As without a terminal, also where a developer runs this in one."""

    def ask(prompt: str = "") -> str:
        warnings.warn("no terminal", getpass.GetPassWarning, stacklevel=2)
        pytest.fail("the passphrase would be shown")

    monkeypatch.setattr(getpass, "getpass", ask)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings of a practice; passphrases cost nothing."""
    cheap = functools.partial(store.create, effort=Effort(64, 1, 4))
    monkeypatch.setattr(store, "create", cheap)
    return configure(tmp_path)


@pytest.fixture
def folder(config: Path, tmp_path: Path) -> Path:
    """An empty store."""
    store.create(tmp_path / "store", PASSPHRASE)
    return tmp_path / "store"


@pytest.fixture
def encounter(folder: Path) -> str:
    """The id of the one encounter that is there."""
    return record(folder)


def configure(tmp_path: Path, **settings: object) -> Path:
    file = tmp_path / "practice.toml"
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in settings.items()]
    folder = json.dumps(str(tmp_path / "store"))
    file.write_text(f'[store]\nfolder = {folder}\nclinician = "Dr Lee"\n{"".join(lines)}', "utf-8")
    return file


def record(
    folder: Path,
    name: str = "Zoë Quill",
    *,
    days_ago: int = 0,
    seconds: Seconds = 8.0,
    finish: bool = True,
    turns: Sequence[Turn] = TURNS,
) -> str:
    recorder = begin(folder, name, days_ago)
    recorder.consent(Consent(True, datetime.now(UTC), "patient", "Dr Lee"))
    if seconds:
        recorder.audio(tone(seconds))
        recorder.sync()
    for turn in turns:
        recorder.turn(turn, "en")
    recorder.findings([COUGH] if turns else [])
    recorder.note("# Plan")
    if finish:
        recorder.finish(model="stand-in")
    else:
        recorder.close()
    return recorder.id


def begin(folder: Path, name: str = "Zoë Quill", days_ago: int = 0) -> Recorder:
    return Recorder.begin(
        folder,
        kind=EncounterKind.SESSION,
        clinician="Dr Lee",
        patient=Patient(name, "P-77", date(1980, 2, 29)),
        started_at=datetime.now(UTC) - timedelta(days=days_ago),
    )


def invoke(config: Path, *arguments: str, typed: str | bytes = "") -> Result:
    return CliRunner().invoke(cli.app, [*arguments, "--config", str(config)], input=typed)


def run(config: Path, *arguments: str, then: str = "", passphrase: str = PASSPHRASE) -> Result:
    """With the passphrase, and what follows it, on standard input."""
    typed = f"{passphrase}\n{then}"
    return invoke(config, *arguments, "--passphrase-stdin", typed=typed)


def stored(folder: Path, passphrase: str = PASSPHRASE) -> Store:
    return Store.open(folder, passphrase, who="tester", wait=0)


def error_of(result: Result) -> str:
    """The one line that an error is."""
    assert result.exit_code == 1, result.output
    line: str = result.stderr.splitlines()[-1]
    assert line.startswith("voicemed: error: ")
    return line.removeprefix("voicemed: error: ")


# -- init


def test_init_shows_the_recovery_key_once_and_what_to_do_with_it(
    config: Path, tmp_path: Path
) -> None:
    result = run(config, "init")
    assert result.exit_code == 0, result.stderr
    key = result.stdout.strip()
    assert [len(group) for group in key.split("-")] == [4] * 9
    assert "write it down" in result.stderr
    assert key not in result.stderr
    with Store.open_with_recovery_key(tmp_path / "store", key, who="tester") as opened:
        assert opened.encounters() == []


def test_init_refuses_where_there_is_a_store(config: Path, folder: Path) -> None:
    assert error_of(run(config, "init")) == (
        f"{folder}: there is a store already: see `voicemed encounters list`"
    )


@pytest.mark.parametrize(
    ("typed", "message"),
    [("short\n", "too short"), ("", "there is no passphrase on standard input")],
)
def test_init_without_a_good_passphrase(
    config: Path, tmp_path: Path, typed: str, message: str
) -> None:
    assert message in error_of(invoke(config, "init", "--passphrase-stdin", typed=typed))
    assert not store.exists(tmp_path / "store")


def test_a_pipe_is_not_taken_for_a_keyboard_unasked(config: Path, tmp_path: Path) -> None:
    assert "--passphrase-stdin" in error_of(invoke(config, "init", typed=f"{PASSPHRASE}\n" * 2))
    assert not store.exists(tmp_path / "store")


class Typist:
    """Answers at the terminal, unseen ones and others."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str | BaseException) -> None:
        self.answers = list(answers)
        self.prompts: list[str] = []
        monkeypatch.setattr(getpass, "getpass", self)
        monkeypatch.setattr(access, "ask_line", self)

    def __call__(self, prompt: str = "", **_: object) -> str:
        self.prompts.append(prompt)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def test_init_at_the_terminal_asks_twice(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typist = Typist(monkeypatch, "short", PASSPHRASE, "mistyped again", PASSPHRASE, PASSPHRASE)
    result = invoke(config, "init")
    assert result.exit_code == 0
    new, again = "New passphrase: ", "The same again: "
    assert typist.prompts == [new, new, again, new, again]
    assert "too short" in result.stderr
    assert "not the same" in result.stderr
    stored(tmp_path / "store").close()


def test_ctrl_c_at_the_prompt_makes_no_store(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Typist(monkeypatch, PASSPHRASE, KeyboardInterrupt())
    result = invoke(config, "init")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (130, "voicemed: stopped")
    assert not store.exists(tmp_path / "store")


def test_a_recovery_key_that_was_not_read_can_be_had_again(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(key: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(record_view, "show_recovery_key", leave)
    result = run(config, "init")
    assert result.exit_code == 130
    assert "make another with `voicemed recovery-key`" in result.stderr
    stored(tmp_path / "store").close()


# -- opening


READING = [
    ("encounters", "list"),
    ("encounters", "show", "last"),
    ("encounters", "search", "cough"),
    ("audit", "list"),
    ("audit", "verify"),
    ("audit", "head"),
]


@pytest.mark.parametrize("arguments", READING)
def test_without_a_store_it_says_how_to_make_one(config: Path, arguments: tuple[str, ...]) -> None:
    message = error_of(invoke(config, *arguments))  # before anybody is asked for a passphrase
    assert message.endswith("there is no store: make one with `voicemed init`")


@pytest.mark.parametrize("arguments", READING)
def test_a_wrong_passphrase(config: Path, encounter: str, arguments: tuple[str, ...]) -> None:
    result = run(config, *arguments, passphrase="wrong horse battery")
    assert "the passphrase is wrong" in error_of(result)
    assert result.stdout == ""
    assert "horse" not in result.stderr


def test_at_the_terminal_there_are_three_attempts(
    config: Path, encounter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    typist = Typist(monkeypatch, "wrong", "wrong", PASSPHRASE)
    result = invoke(config, "encounters", "list")
    assert result.exit_code == 0
    assert typist.prompts == ["Passphrase: "] * 3
    assert result.stderr.count("the passphrase is wrong") == 2
    assert encounter[:8] in result.stdout


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), EOFError()])
def test_nothing_is_opened_when_the_prompt_is_left(
    config: Path, encounter: str, monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    Typist(monkeypatch, stop)
    result = invoke(config, "encounters", "list")
    assert result.exit_code == (130 if isinstance(stop, KeyboardInterrupt) else 1)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1


def test_what_is_not_text_is_refused_in_one_line(config: Path, encounter: str) -> None:
    result = invoke(config, "encounters", "list", "--passphrase-stdin", typed=b"\xff\xfe\n")
    assert "is not text" in error_of(result)
    typed = PASSPHRASE.encode() + b"\n\xff\xfe\n"
    edit = ("encounters", "edit", "last", "--turn", "1", "--passphrase-stdin")
    assert "is not text" in error_of(invoke(config, *edit, typed=typed))


def test_a_store_that_is_in_use(
    config: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "open", functools.partial(Store.open, wait=0))
    with stored(folder):
        assert "another voicemed has it open" in error_of(run(config, "encounters", "list"))


def test_a_damaged_store(config: Path, folder: Path) -> None:
    (folder / "store.json").write_text("{}")
    assert "is damaged" in error_of(run(config, "encounters", "list"))


def test_damage_of_one_encounter_is_told_and_the_others_are_listed(
    config: Path, folder: Path, encounter: str
) -> None:
    other = record(folder, "Ann Other")
    journal = folder / "encounters" / other / "journal"
    journal.write_bytes(b"\0" * journal.stat().st_size)
    result = run(config, "encounters", "list")
    assert result.exit_code == 0
    assert "voicemed: warning: " in result.stderr
    assert other in result.stderr
    assert encounter[:8] in result.stdout


def test_the_policy_is_kept_whenever_the_store_is_opened(tmp_path: Path, folder: Path) -> None:
    record(folder, days_ago=40, finish=False)  # its end is not known, so its beginning counts
    old, new = record(folder, days_ago=400, finish=False), record(folder)
    config = configure(tmp_path, audio_days=30, text_days=365)
    result = run(config, "encounters", "list")
    assert result.stderr == (
        "voicemed: destroyed the sound of 1 encounter and all of 1 encounter, by the policy in "
        "[store] of the settings\n"
    )
    assert old[:8] not in result.stdout
    assert new[:8] in result.stdout
    assert run(config, "encounters", "list").stderr == ""


class FakeKeyring:
    """What `keyfile` keeps in the keyring of the system."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kept: list[bytearray] = []
        monkeypatch.setattr(keyfile, "remember", self.remember)
        monkeypatch.setattr(
            keyfile, "remembered", lambda file: self.kept[0][:] if self.kept else None
        )
        monkeypatch.setattr(keyfile, "forget", self.forget)

    def remember(self, file: keyfile.KeyFile, keys: keyfile.Keys) -> None:
        self.kept = [keys.master[:]]

    def forget(self, file: keyfile.KeyFile) -> None:
        self.kept.clear()


def test_with_the_keyring_the_passphrase_is_asked_once(
    tmp_path: Path, encounter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, keyring = configure(tmp_path, keyring=True), FakeKeyring(monkeypatch)
    assert run(config, "encounters", "list").exit_code == 0
    assert keyring.kept
    assert encounter[:8] in invoke(config, "encounters", "list").stdout
    # A change of the keys needs somebody who knows the passphrase.
    assert "no terminal" in error_of(invoke(config, "passphrase"))
    assert "out of the keyring" in invoke(config, "lock").stderr
    assert not keyring.kept
    assert "no terminal" in error_of(invoke(config, "encounters", "list"))
    assert "does not have the key" in invoke(config, "lock").stderr


def test_a_system_without_a_keyring_is_told_of(tmp_path: Path, encounter: str) -> None:
    result = run(configure(tmp_path, keyring=True), "encounters", "list")
    if "warning" in result.stderr:  # a developer may have a keyring
        assert "set keyring = false" in result.stderr
    assert result.exit_code == 0


# -- list, show, search


def test_an_empty_list(config: Path, folder: Path) -> None:
    assert run(config, "encounters", "list").stdout == "No encounters yet.\n"
    assert error_of(run(config, "encounters", "show", "last")) == "there are no encounters yet"


def test_a_list_of_every_state(config: Path, folder: Path) -> None:
    complete = record(folder, "Complete", days_ago=4)
    cut_off = record(folder, "Cut off", days_ago=3, finish=False)
    silent = record(folder, "Silent", days_ago=2, seconds=0)
    live = begin(folder, "Live")
    live.turn(TURNS[0])
    listed = run(config, "encounters", "list").stdout.splitlines()
    live.close()
    rows = {line[:8]: " ".join(line.split()) for line in listed[1:]}
    assert list(rows) == [one[:8] for one in (live.id, silent, cut_off, complete)]
    assert rows[complete[:8]].endswith("Complete, P-77 2 1 complete")
    assert "recovered, 00:0" in rows[cut_off[:8]]
    assert rows[cut_off[:8]].endswith("of sound not transcribed")
    assert rows[silent[:8]].endswith("complete, no sound")
    assert rows[live.id[:8]].endswith("1 0 being recorded, no sound")


def test_a_long_list_is_whole_and_quick_to_find_in(config: Path, folder: Path) -> None:
    ids = [record(folder, f"Patient {n}", seconds=0, turns=()) for n in range(60)]
    listed = run(config, "encounters", "list").stdout
    assert len(listed.splitlines()) == 61
    assert {line[:8] for line in listed.splitlines()[1:]} == {one[:8] for one in ids}


def test_an_encounter_as_a_page(config: Path, encounter: str) -> None:
    page = run(config, "encounters", "show", encounter[:6].upper()).stdout
    lines = [" ".join(line.split()) for line in page.splitlines()]
    assert "patient Zoë Quill" in lines
    assert "1 cough present 00:00" in lines
    assert "# Plan" in lines
    assert "2 00:00 Patient: I have a cough [bold]since[/bold] Monday." in lines
    assert any(line.startswith("consent to the recording given (patient)") for line in lines)
    assert "\x1b" not in page


@pytest.mark.parametrize("command", ["show", "delete"])
@pytest.mark.parametrize("wrong", ["zzz", "", " ", "0123abcd-ffff", "%", "../.."])
def test_a_wrong_id(config: Path, encounter: str, command: str, wrong: str) -> None:
    result = run(config, "encounters", command, wrong)
    assert "no encounter begins so" in error_of(result)


def test_an_id_of_several(config: Path, folder: Path) -> None:
    ids = sorted(record(folder, seconds=0) for _ in range(17))  # two begin alike
    first = next(a[0] for a, b in pairwise(ids) if a[0] == b[0])
    assert "give more of the id" in error_of(run(config, "encounters", "show", first))


def test_an_encounter_that_is_being_recorded_is_left_alone(config: Path, folder: Path) -> None:
    live = begin(folder)
    for command in ("show", "delete"):
        assert "is being recorded" in error_of(run(config, "encounters", command, live.id[:8]))
    live.close()


def test_words_are_found(config: Path, encounter: str) -> None:
    found = run(config, "encounters", "search", "cough", "mon").stdout
    assert f"{encounter[:8]}" in found
    assert "turn 2" in found
    assert run(config, "encounters", "search", "zebra").stdout == "Nothing found.\n"


def test_a_name_is_searched_for_without_being_an_argument(config: Path, encounter: str) -> None:
    found = run(config, "encounters", "search", then="quill\n").stdout
    assert "patient" in found
    assert encounter[:8] in found
    assert "nothing came from standard input" in error_of(run(config, "encounters", "search"))


# -- edit


def test_edits_keep_what_was_there(config: Path, folder: Path, encounter: str) -> None:
    edits: list[tuple[list[str], str]] = [
        (["--turn", "2"], "I have a cough since Tuesday.\n"),
        (["--turn", "2", "--speaker", "relative"], ""),
        (["--finding", "1", "--status", "past"], ""),
        (["--note"], "# Plan\n\n- rest\n"),
    ]
    for options, text in edits:
        result = run(config, "encounters", "edit", "last", *options, then=text)
        assert result.exit_code == 0, result.stderr
        assert "corrected" in result.stderr
        assert "Tuesday" not in result.output
    with stored(folder) as opened:
        now = opened.read(encounter)
    assert now.turns[1].text == "I have a cough since Tuesday."
    assert now.turns[1].speaker == "relative"
    assert now.findings[0].assertion.status is Status.PAST
    assert now.note == "# Plan\n\n- rest"
    assert {edit.by for edit in now.edits} == {f"Dr Lee ({getpass.getuser()})"}
    assert now.edits[0].before == TURNS[1].text
    assert "corrected" in run(config, "encounters", "list").stdout
    shown = run(config, "encounters", "show", "last").stdout
    assert "Corrected in 4 places by Dr Lee" in shown


def test_patient_and_consent_are_corrected_after_the_start(
    config: Path, folder: Path, encounter: str
) -> None:
    edit = ("encounters", "edit", "last")
    result = run(config, *edit, "--patient", then="Zoë Quail\n")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == f"voicemed: {encounter[:8]}: the patient is corrected\n"
    assert run(config, *edit, "--patient", then="Zoë Quail\n\n1980-02-28\n").exit_code == 0
    left = run(config, *edit, "--patient", then="Zoë Quail\n")
    assert left.stderr == "voicemed: left as it was\n"
    assert "1950-12-31" in error_of(run(config, *edit, "--patient", then="a\nb\nc\n"))
    refused = run(config, *edit, "--consent", then="no\n")
    assert f"encounters delete {encounter[:8]}" in refused.stderr
    assert run(config, *edit, "--consent", then="g\n").exit_code == 0
    assert "write y, r, g or n there" in error_of(run(config, *edit, "--consent", then="x\n"))
    with stored(folder) as opened:
        now = opened.read(encounter)
        assert opened.encounters()[0].patient == Patient("Zoë Quail", "", date(1980, 2, 28))
        assert [hit.part for hit in opened.search("quail")] == ["patient"]
        assert opened.search("Quill") == []
        assert opened.verify_audit() == opened.verify_files() == []
    assert now.patient == Patient("Zoë Quail", "", date(1980, 2, 28))
    said = [(one.given, one.by) for one in now.consents]
    assert said == [(True, "patient"), (False, "patient"), (True, "guardian")]
    assert [(one.what, one.before, one.after) for one in now.edits] == [
        ("patient name", "Zoë Quill", "Zoë Quail"),
        ("patient identifier", "P-77", ""),
        ("patient birth_date", "1980-02-29", "1980-02-28"),
        ("consent", "given by patient", "refused by patient"),
        ("consent", "refused by patient", "given by guardian"),
    ]
    log = run(config, "audit", "list").stdout
    assert "patient name" in log
    assert "Quail" not in log
    shown = run(config, "encounters", "show", "last").stdout
    assert "not checked by anybody" in shown  # nothing that was heard is corrected
    assert "patient birth_date" in shown
    assert "given (guardian)" in shown


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--turn", "1", "--note"],
        ["--patient", "--consent"],
        ["--turn", "1", "--finding", "1"],
        ["--speaker", "doctor"],
        ["--turn", "1", "--speaker", " "],
        ["--finding", "1"],
        ["--status", "past"],
        ["--finding", "1", "--status", "gone"],
        ["--turn", "one"],
    ],
)
def test_an_edit_is_of_one_thing(config: Path, encounter: str, options: list[str]) -> None:
    assert run(config, "encounters", "edit", "last", *options).exit_code == 2


@pytest.mark.parametrize(
    "options",
    [
        ["--turn", "3"],
        ["--turn", "0"],
        ["--turn", "-1", "--speaker", "doctor"],
        ["--finding", "2", "--status", "past"],
        ["--finding", "0", "--status", "past"],
    ],
)
def test_what_is_not_there_cannot_be_edited(
    config: Path, encounter: str, options: list[str]
) -> None:
    result = run(config, "encounters", "edit", "last", *options, then="new\n")
    assert "there is none of that number" in error_of(result)


@pytest.mark.parametrize("options", [["--turn", "2"], ["--note"], ["--patient"]])
def test_no_text_is_no_edit(config: Path, folder: Path, encounter: str, options: list[str]) -> None:
    result = run(config, "encounters", "edit", "last", *options)
    assert result.stderr == "voicemed: left as it was\n"
    with stored(folder) as opened:
        assert opened.read(encounter).edits == ()


# -- export


def test_exports_of_every_format(
    config: Path, folder: Path, encounter: str, tmp_path: Path
) -> None:
    assert tuple(documents.WRITERS) == record_cli.FORMATS
    out = tmp_path / "out"
    formats = ",".join(record_cli.FORMATS)
    options = ("--format", formats, "--sound", "--output", str(out))
    result = run(config, "encounters", "export", "last", *options)
    assert result.exit_code == 0, result.stderr
    names = sorted(path.name.removeprefix(f"{path.name.split(encounter)[0]}{encounter}")
                   for path in out.iterdir())  # fmt: skip
    assert names == [".docx", ".fhir.json", ".hl7", ".json", ".md", ".pdf", ".wav"]
    assert sorted(result.stdout.splitlines()) == sorted(map(str, out.iterdir()))
    assert "not encrypted" in result.stderr
    with stored(folder) as opened:
        logged = [one.details for one in opened.audit() if one.action == "exported"]
    assert logged == [f"{name} to {out}" for name in (*record_cli.FORMATS, "wav")]
    assert "exported" in run(config, "encounters", "list").stdout


def test_an_export_that_failed_is_none(config: Path, encounter: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, no folder")
    result = run(config, "encounters", "export", "last", "--output", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "exported" not in run(config, "encounters", "list").stdout


def test_a_policy_waits_for_the_export(tmp_path: Path, folder: Path, encounter: str) -> None:
    config = configure(tmp_path, until_exported=True)
    assert encounter[:8] in run(config, "encounters", "list").stdout
    run(config, "encounters", "export", "last", "--output", str(tmp_path / "out"))
    result = run(config, "encounters", "list")
    assert "destroyed all of 1 encounter," in result.stderr
    assert result.stdout == "No encounters yet.\n"


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--clipboard", "--output", "out"],
        ["--clipboard", "--sound"],
        ["--output", "out", "--format", "xml"],
    ],
)
def test_wrong_usage_of_export(config: Path, encounter: str, options: list[str]) -> None:
    assert run(config, "encounters", "export", "last", *options).exit_code == 2


def test_sound_that_is_gone_cannot_be_exported(config: Path, folder: Path, tmp_path: Path) -> None:
    record(folder, seconds=0)
    options = ("--sound", "--output", str(tmp_path / "out"))
    assert "its sound is not stored" in error_of(
        run(config, "encounters", "export", "last", *options)
    )
    assert not (tmp_path / "out").exists()


def test_the_clipboard(
    config: Path, folder: Path, encounter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[str] = []
    monkeypatch.setattr(pyperclip, "copy", copied.append)
    result = run(config, "encounters", "export", "last", "--clipboard")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert copied[0].startswith("# Consultation of")
    with stored(folder) as opened:
        assert opened.audit()[-1].details == "md to the clipboard"


def test_without_a_clipboard(config: Path, encounter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(text: str) -> None:
        raise pyperclip.PyperclipException("none")

    monkeypatch.setattr(pyperclip, "copy", fail)
    message = error_of(run(config, "encounters", "export", "last", "--clipboard"))
    assert "use --format md" in message
    assert "exported" not in run(config, "encounters", "list").stdout


# -- delete


def test_delete_asks_for_the_id(config: Path, folder: Path, encounter: str) -> None:
    for typed in ("y\n", "\n"):
        result = run(config, "encounters", "delete", "last", then=typed)
        assert "not deleted" in error_of(result)
    assert "add --yes" in error_of(run(config, "encounters", "delete", "last"))
    result = run(config, "encounters", "delete", "last", then=f"{encounter[:8]}\n")
    assert result.exit_code == 0
    assert f"{encounter[:8]} is destroyed. No backup by voicemed holds it" in result.stderr
    assert not (folder / "encounters" / encounter).exists()
    assert run(config, "encounters", "list").stdout == "No encounters yet.\n"


def test_what_cannot_be_read_is_deleted_by_its_id(
    config: Path, folder: Path, encounter: str
) -> None:
    other = record(folder, "Ann Other")
    journal = folder / "encounters" / other / "journal"
    journal.write_bytes(b"\0" * journal.stat().st_size)
    (journal.parent / "audio.key").write_bytes(b"\0" * 80)
    told = run(config, "encounters", "list").stderr
    assert told.rstrip().endswith(f"or destroy it: voicemed encounters delete {other[:8]}")
    assert "no encounter begins so" in error_of(run(config, "encounters", "show", other[:8]))
    delete = ("encounters", "delete", other[:8])
    assert "not deleted" in error_of(run(config, *delete, then="y\n"))
    result = run(config, *delete, then=f"{other[:8]}\n")
    assert result.exit_code == 0
    assert f"{other[:8]} is destroyed. No backup by voicemed holds it" in result.stderr
    assert not journal.parent.exists()
    listed = run(config, "encounters", "list")
    assert (listed.stderr, encounter[:8] in listed.stdout) == ("", True)
    assert "deleted" in run(config, "audit", "list", "--encounter", other[:8]).stdout
    assert run(config, "audit", "verify").exit_code == 0


def test_delete_says_which_backups_hold_it(config: Path, encounter: str, tmp_path: Path) -> None:
    run(config, "backup", str(tmp_path / "may.backup"))
    result = run(config, "encounters", "delete", encounter, "--yes")
    assert "may.backup" in result.stderr
    listed = run(config, "audit", "list", "--encounter", encounter[:8]).stdout
    assert "deleted" in listed  # the log keeps that it was there


# -- recover


class FakeTranscriber:
    """Hears one sentence in each encounter."""

    def __init__(self, settings: object) -> None:
        pass

    def transcribe_sound(
        self, blocks: Iterator[Any], duration: Seconds, progress: Any, visit: date
    ) -> batch.Heard:
        samples = sum(len(block.samples) for block in blocks)
        progress(duration, duration)
        said = (Turn(1, "", (Word(f" {samples} samples.", 0.5, 7.5, 0.9),)),)
        return batch.Heard(duration, "en", "stand-in 2", said, (), {})


@pytest.fixture
def transcriber(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "Transcriber", FakeTranscriber)


@pytest.mark.usefixtures("transcriber")
def test_what_a_crash_cut_off_is_transcribed_again(config: Path, folder: Path) -> None:
    complete, cut_off = record(folder), record(folder, finish=False)
    result = run(config, "encounters", "recover")
    assert result.exit_code == 0, result.stderr
    assert f"{cut_off[:8]} is transcribed, turns: 1" in result.stderr
    assert complete[:8] not in result.stderr
    with stored(folder) as opened:
        now = opened.read(cut_off)
        assert now.turns[0].text == "128000 samples."
        assert (now.model, now.language, now.findings) == ("stand-in 2", "en", ())
        assert now.note == "# Plan"
        assert opened.read(complete).turns == TURNS
    assert "nothing to recover" in run(config, "encounters", "recover").stderr


@pytest.mark.usefixtures("transcriber")
def test_a_corrected_or_complete_transcript_is_not_replaced_unasked(
    config: Path, folder: Path
) -> None:
    complete, cut_off = record(folder), record(folder, finish=False)
    edit = ("edit", cut_off, "--turn", "1", "--speaker", "relative")
    run(config, "encounters", *edit)
    result = run(config, "encounters", "recover")
    assert f"{cut_off[:8]} was corrected: give its id and --again" in result.stderr
    for one in (complete, cut_off):
        assert "add --again" in error_of(run(config, "encounters", "recover", one))
        assert run(config, "encounters", "recover", one, "--again").exit_code == 0


@pytest.mark.usefixtures("transcriber")
def test_without_sound_nothing_is_recovered(config: Path, folder: Path) -> None:
    record(folder, seconds=0)
    assert "its sound is not stored" in error_of(run(config, "encounters", "recover", "last"))


@pytest.mark.usefixtures("transcriber")
def test_damaged_sound_is_recovered_around_the_damage(config: Path, folder: Path) -> None:
    one = record(folder, finish=False)
    sound = folder / "encounters" / one / "audio"
    content = bytearray(sound.read_bytes())
    content[len(content) // 2] ^= 1
    sound.write_bytes(content)
    result = run(config, "encounters", "recover", one)
    assert result.exit_code == 0, result.stderr
    assert "warning" in result.stderr


# -- the audit log


def test_the_log_tells_who_did_what(config: Path, encounter: str) -> None:
    run(config, "encounters", "list")
    run(config, "encounters", "show", encounter)
    run(config, "encounters", "search", "cough")
    listed = run(config, "audit", "list").stdout
    assert "Dr Lee" in listed
    for action in ("recorded", "listed", "opened", "searched"):
        assert action in listed
    assert "Zoë" not in listed
    one = run(config, "audit", "list", "--encounter", encounter[:5]).stdout
    assert "store created" not in one
    assert "consent recorded" in one
    assert "no encounter that begins so" in error_of(
        run(config, "audit", "list", "--encounter", "zz")
    )


def test_verify_finds_nothing_and_then_something(
    config: Path, folder: Path, encounter: str
) -> None:
    head = run(config, "audit", "head").stdout.strip()
    result = run(config, "audit", "verify", "--head", head)
    assert result.exit_code == 0, result.stderr
    assert "all is well" in result.stdout
    assert f"head: {head}" in result.stdout
    sound = folder / "encounters" / encounter / "audio"
    content = bytearray(sound.read_bytes())
    content[-40] ^= 1
    sound.write_bytes(content)
    result = run(config, "audit", "verify", "--head", head)
    assert "found: restore a backup" in error_of(result)
    assert "all is well" not in result.stdout


def test_a_head_of_another_store(config: Path, encounter: str) -> None:
    result = run(config, "audit", "verify", "--head", f"1-{'0' * 32}")
    assert error_of(result).startswith("1 problem found")
    assert "that is no head" in error_of(run(config, "audit", "verify", "--head", "zebra"))


# -- keys and backups


def test_another_passphrase(config: Path, folder: Path, encounter: str) -> None:
    result = run(config, "passphrase", then="staple battery horse\n")
    assert result.exit_code == 0, result.stderr
    assert "is wrong" in error_of(run(config, "encounters", "list"))
    listed = run(config, "encounters", "list", passphrase="staple battery horse").stdout
    assert encounter[:8] in listed


def test_a_forgotten_passphrase(config: Path, encounter: str, tmp_path: Path) -> None:
    key = run(config, "recovery-key").stdout.strip()
    result = run(config, "passphrase", "--forgotten", passphrase=key, then="staple battery\n")
    assert result.exit_code == 0, result.stderr
    assert run(config, "encounters", "list", passphrase="staple battery").exit_code == 0
    mistyped = run(config, "passphrase", "--forgotten", passphrase=key[:-1] + "!")
    assert "recovery key is mistyped" in error_of(mistyped)


def test_a_backup_restored_elsewhere(
    config: Path, folder: Path, encounter: str, tmp_path: Path
) -> None:
    live = begin(folder)
    (tmp_path / "usb").mkdir()
    result = run(config, "backup", str(tmp_path / "usb"))
    live.close()
    (target,) = (tmp_path / "usb").iterdir()
    assert str(target) in result.stderr
    assert f"{live.id[:8]} is being recorded and not in it" in result.stderr
    result = run(config, "restore", str(target), "--folder", str(tmp_path / "trial"))
    assert result.exit_code == 0, result.stderr
    assert "set folder = " in result.stderr
    with stored(tmp_path / "trial") as opened:
        assert opened.read(encounter).turns == TURNS


def test_backups_that_cannot_be_made_or_read(config: Path, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "may.backup"
    target.write_bytes(b"something else")
    assert "choose another name" in error_of(run(config, "backup", str(target)))
    elsewhere = ("--folder", str(tmp_path / "trial"))
    assert "is no backup" in error_of(run(config, "restore", str(target), *elsewhere))
    assert "no such file" in error_of(run(config, "restore", str(tmp_path / "none")))
    assert run(config, "backup", str(tmp_path / "june.backup")).exit_code == 0
    june = str(tmp_path / "june.backup")
    # Before anybody is asked for a passphrase:
    assert "is not empty" in error_of(invoke(config, "restore", june))
    wrong = run(config, "restore", june, *elsewhere, passphrase="wrong horse")
    assert error_of(wrong) == (
        f"{june}: the passphrase is wrong: it is that of the day of the backup"
    )
    assert not (tmp_path / "trial").exists()


# -- on a terminal


class Terminal:
    """A program on a pseudo-terminal of 80 by 12, or what is left of it."""

    def __init__(self, config: Path, *arguments: str) -> None:
        import pty
        import termios

        self.screen, other = pty.openpty()
        termios.tcsetwinsize(other, (12, 80))
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "", "LINES": ""}
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "voicemed", *arguments, "--config", str(config)],
            stdin=other, stdout=other, stderr=other, env=environment, start_new_session=True,
            preexec_fn=lambda: self._take(other),
        )  # fmt: skip
        os.close(other)
        self.seen = ""

    @staticmethod
    def _take(terminal: int) -> None:
        """In the new process: it is its terminal, and Ctrl-C there interrupts it.

        A shell's background jobs, such as these tests may be, inherit that it does not.
        """
        os.close(os.open(os.ttyname(terminal), os.O_RDWR))
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def wait_for(self, text: str) -> None:
        import select
        import time

        began, end = len(self.seen), time.monotonic() + 30
        while text not in self.seen[began:]:
            if time.monotonic() > end:
                pytest.fail(f"{text!r} was not seen in {self.seen!r}")
            if select.select([self.screen], [], [], 0.2)[0]:
                self.seen += os.read(self.screen, 65536).decode(errors="replace")

    def unlock(self) -> None:
        """Type the passphrase when it is asked for."""
        self.wait_for("Passphrase: ")
        self.press(f"{PASSPHRASE}\n")

    def press(self, keys: str) -> None:
        os.write(self.screen, keys.encode())

    def end(self) -> int:
        """The exit code, after all that was written is in `seen`."""
        import select

        try:
            while select.select([self.screen], [], [], 30)[0]:
                if not (data := os.read(self.screen, 65536)):
                    break
                self.seen += data.decode(errors="replace")
        except OSError:
            pass  # so Linux says that the other side is closed
        os.close(self.screen)
        return self.process.wait(30)

    def remembered(self) -> str:
        """What stays: all that was written outside of the alternate screen."""
        kept = ""
        for part in self.seen.split("\x1b[?1049l"):
            kept += part.split("\x1b[?1049h")[0]
        return kept


needs_terminal = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")


@needs_terminal
@pytest.mark.parametrize("close", ["q", "\x03"])
def test_a_terminal_remembers_nothing_of_what_was_shown(
    config: Path, folder: Path, encounter: str, close: str
) -> None:
    many = [Turn(n, "patient", words_of(f"Sentence {n}.")) for n in range(1, 40)]
    record(folder, turns=many, days_ago=-1)
    terminal = Terminal(config, "encounters", "show", "last")
    terminal.unlock()
    terminal.wait_for("space b: move")
    terminal.press("\x1b[6~\x1b[6~")
    terminal.wait_for("cough")
    terminal.press("G")
    terminal.wait_for("Sentence 39.")
    terminal.press("g")
    terminal.wait_for("Zoë Quill")
    terminal.press(close)
    assert terminal.end() == 0
    kept = terminal.remembered()
    assert "Passphrase:" in kept
    for secret in (PASSPHRASE, "Zoë", "Sentence", "cough"):
        assert secret not in kept


@needs_terminal
def test_a_terminal_does_not_remember_what_was_searched_for(config: Path, encounter: str) -> None:
    terminal = Terminal(config, "encounters", "search")
    terminal.unlock()
    terminal.wait_for("Search for: ")
    terminal.press("Quill\n")
    terminal.wait_for("q: close")
    terminal.press("q")
    assert terminal.end() == 0
    assert encounter[:8] in terminal.seen
    assert "Quill" not in terminal.remembered()


@needs_terminal
def test_ids_stay_when_the_list_is_closed(config: Path, encounter: str) -> None:
    terminal = Terminal(config, "encounters", "list")
    terminal.unlock()
    terminal.wait_for("q: close")
    terminal.press("q")
    assert terminal.end() == 0
    assert "Zoë" in terminal.seen
    assert "Zoë" not in terminal.remembered()
    assert encounter[:8] in terminal.remembered()


@needs_terminal
def test_a_view_closes_by_itself(tmp_path: Path, folder: Path, encounter: str) -> None:
    terminal = Terminal(configure(tmp_path, lock_after=0.3), "encounters", "show", "last")
    terminal.unlock()
    assert terminal.end() == 0
    assert "Zoë" in terminal.seen
    assert "Zoë" not in terminal.remembered()


@needs_terminal
@pytest.mark.parametrize("what", [("--turn", "1"), ("--patient",)])
def test_an_editor_closes_by_itself_and_keeps_a_text(
    tmp_path: Path, folder: Path, encounter: str, what: tuple[str, ...]
) -> None:
    terminal = Terminal(configure(tmp_path, lock_after=2), "encounters", "edit", "last", *what)
    terminal.unlock()
    terminal.wait_for("What brings you here?" if "--turn" in what else "Name: ")
    terminal.press("!")
    assert terminal.end() == 0
    with stored(folder) as opened:
        now = opened.read(encounter)
    assert now.turns[0].text == ("What brings you here?!" if "--turn" in what else TURNS[0].text)
    assert now.patient.name == "Zoë Quill"


@needs_terminal
def test_who_the_patient_is_can_be_edited_in_place(
    config: Path, folder: Path, encounter: str
) -> None:
    terminal = Terminal(config, "encounters", "edit", "last", "--patient")
    terminal.unlock()
    terminal.wait_for("Name: ")
    terminal.press("ey\r")
    terminal.wait_for("Number in the practice")
    terminal.press("\r")
    terminal.wait_for("1980-02-29")
    terminal.press("\x7f8\r")
    assert terminal.end() == 0
    assert "Quilley" not in terminal.remembered()
    with stored(folder) as opened:
        assert opened.read(encounter).patient == Patient("Zoë Quilley", "P-77", date(1980, 2, 28))


@needs_terminal
@pytest.mark.parametrize("kept", [True, False])
def test_a_turn_is_edited_in_place(config: Path, folder: Path, encounter: str, kept: bool) -> None:
    terminal = Terminal(config, "encounters", "edit", "last", "--turn", "1")
    terminal.unlock()
    terminal.wait_for("What brings you here?")
    terminal.press("\x7f\x7f\x7f\x7f\x7fin?")
    terminal.press("\r" if kept else "\x03")
    assert terminal.end() == 0
    assert "brings" not in terminal.remembered()
    with stored(folder) as opened:
        text = opened.read(encounter).turns[0].text
    assert text == ("What brings you in?" if kept else TURNS[0].text)


@needs_terminal
def test_the_recovery_key_stays_until_it_was_written_down(config: Path, folder: Path) -> None:
    terminal = Terminal(config, "recovery-key")
    terminal.unlock()
    terminal.wait_for("last four characters: ")
    (key,) = {word for word in terminal.seen.split() if word.count("-") == 8}
    terminal.press("\n")
    terminal.wait_for("please compare")
    terminal.press(f"{key[-4:].lower()}\n")
    assert terminal.end() == 0
    assert key not in terminal.remembered()
    with Store.open_with_recovery_key(folder, key, who="tester") as opened:
        assert opened.encounters() == []
