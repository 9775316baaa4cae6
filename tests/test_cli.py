"""The command line: what it passes on, prints and exits with; the stages behind it are fakes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest
from fakes import FakeRecorder
from typer.testing import CliRunner, Result

import voicemed
from voicemed import batch, cli, intake, live, microphone, note, tts, weights
from voicemed.assertion import Assertion, Status
from voicemed.audio import AudioChunk
from voicemed.batch import BatchProgress, BatchReport
from voicemed.config import Settings, StoreSettings
from voicemed.encounter import Encounter, EncounterKind
from voicemed.errors import DeviceError, DownloadError, EngineError
from voicemed.findings import Finding
from voicemed.lexicon import Concept
from voicemed.live import Event, LiveLoop, LiveStatus, Replied, TurnAdded
from voicemed.transcript import Span, Turn, Word

MakeLoop = Callable[..., "FakeLoop"]


class FakeLoop(LiveLoop):
    """Two turns, a finding and a reply; then `ending`, if it is to end badly."""

    def __init__(self, ending: BaseException | None = None) -> None:
        self.encounter = Encounter()
        self.status = LiveStatus(input_name="fake")
        self.ending = ending
        self.record = ("", "")
        self.notes: list[str] = []
        self.built_with: dict[str, Any] = {}

    @property
    def record_id(self) -> str:
        return self.record[0]

    @property
    def record_failure(self) -> str:
        return self.record[1]

    def write_note(self, markdown: str) -> None:
        self.notes.append(markdown)

    def run(self, observe: Callable[[Event], None]) -> None:
        said = Turn(1, "", (Word(" Naïve", 1.0, 1.4, 0.9), Word(" cough.", 1.5, 1.9, 0.9)))
        cough = Concept("test", "cough", "cough")
        self.encounter.turns.append(said)
        self.encounter.findings.append(
            Finding(cough, Assertion(Status.PRESENT), (Span(1, 1, 1),), {"onset": "Monday"})
        )
        observe(TurnAdded(said))
        observe(Replied("Present: cough since Monday."))
        if self.ending is not None:
            raise self.ending
        last = Turn(2, "", (Word(" Bye.", 9.0, 9.4, 0.9),))
        self.encounter.turns.append(last)
        observe(TurnAdded(last))


@pytest.fixture(autouse=True)
def no_settings_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platformdirs, "user_config_path", lambda *args, **kwargs: tmp_path)
    monkeypatch.setattr(intake, "store_folder", lambda settings: tmp_path / "store")
    monkeypatch.delenv("VOICEMED_DEBUG", raising=False)


@pytest.fixture
def make_loop(monkeypatch: pytest.MonkeyPatch) -> MakeLoop:
    """Makes the next command run a FakeLoop."""

    def make(ending: BaseException | None = None) -> FakeLoop:
        loop = FakeLoop(ending)

        def build(settings: Settings, **options: object) -> FakeLoop:
            loop.built_with = {"settings": settings, **options}
            return loop

        monkeypatch.setattr(live, "build", build)
        return loop

    return make


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(cli.app, arguments, input=typed)


NOTHING_KEPT = "voicemed: nothing is kept: `voicemed init` makes an encrypted record\n"


# -- help


@pytest.mark.parametrize("name", cli.EXAMPLES)
def test_each_command_has_help_with_its_examples(name: str) -> None:
    result = run(*name.split(), "--help")
    assert result.exit_code == 0
    for example in cli.EXAMPLES[name]:
        assert example in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize(
    ("name", "example"), [(name, line) for name, lines in cli.EXAMPLES.items() for line in lines]
)
def test_each_example_parses(monkeypatch: pytest.MonkeyPatch, name: str, example: str) -> None:
    invoked: list[str] = []
    monkeypatch.setattr(cli._Command, "invoke", lambda self, ctx: invoked.append(ctx.info_name))
    program, *arguments = shlex.split(example.split(" > ")[0])
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    assert (program, invoked) == ("voicemed", [name.split()[-1]])


def test_every_command_has_examples() -> None:
    names = [
        f"{group} {command.name}".strip()
        for group, app in cli._GROUPS.items()
        for command in app.registered_commands
    ]
    assert sorted(names) == sorted(cli.EXAMPLES)


def test_without_a_command_it_shows_help() -> None:
    assert "transcribe" in run().stdout


def test_version() -> None:
    assert run("--version").stdout == f"voicemed {voicemed.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["sesion"], ["session", "--pace", "slow"], ["speak"], ["models", "push"]]
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


# -- session


def test_a_session_in_a_pipe(make_loop: MakeLoop) -> None:
    loop = make_loop()
    result = run("session", "--input", "visit.wav", "--output", "replies.wav", "--pace", "fast")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "[00:01] Naïve cough.",
        "  + cough: present (since Monday)",
        "  > Present: cough since Monday.",
        "[00:09] Bye.",
        "symptom  status   since      at",
        "cough    present  Monday  00:01",
        "2 turns, 1 finding",
    ]
    assert loop.built_with == {
        "settings": Settings(),
        "input": "visit.wav",
        "output": "replies.wav",
        "pace": "fast",
    }


def test_options_win_over_the_settings_file(make_loop: MakeLoop, tmp_path: Path) -> None:
    config = tmp_path / "practice.toml"
    config.write_text('[recognition]\nlanguage = "fr"\nmodel = "whisper-small"\n')
    loop = make_loop()
    run("session", "--config", str(config), "--language", "de", "--device", "3")
    settings = loop.built_with["settings"]
    assert settings.recognition.language == "de"
    assert settings.recognition.model == "whisper-small"
    assert settings.audio.input_device == "3"


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "practice.toml"
    config.write_text("[recognition]\nlangauge = 'fr'\n")
    result = run("session", "--config", str(config))
    assert result.exit_code == 1
    assert result.stderr == (
        f"voicemed: error: {config}: unknown key recognition.langauge; did you mean language?\n"
    )


def test_what_was_found_is_shown_when_a_stage_fails(make_loop: MakeLoop) -> None:
    make_loop(EngineError("whisper-base: the engine\nfailed"))
    result = run("session")
    assert result.exit_code == 1
    assert "cough    present  Monday  00:01\n" in result.stdout
    assert result.stderr == NOTHING_KEPT + "voicemed: error: whisper-base: the engine failed\n"


def test_ctrl_c_exits_with_130(make_loop: MakeLoop) -> None:
    make_loop(KeyboardInterrupt())
    result = run("session")
    assert (result.exit_code, result.stderr) == (130, NOTHING_KEPT + "voicemed: stopped\n")


def test_a_defect_says_where_but_not_what_was_said(
    make_loop: MakeLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_loop(ValueError("my headache"))
    result = run("session", "--no-store")
    assert result.exit_code == 70
    kept, error = result.stderr.splitlines()
    assert kept == "voicemed: nothing is kept: --no-store"
    assert error.startswith("voicemed: error: unexpected ValueError in test_cli.py:")
    assert "headache" not in result.output
    monkeypatch.setenv("VOICEMED_DEBUG", "1")
    traced = run("session").stderr
    assert "Traceback" in traced
    assert "raise self.ending" in traced
    assert "headache" not in traced


# -- the record


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """There is a store; what is asked before an encounter is recorded."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").touch()
    asked: list[dict[str, Any]] = []

    def admit(
        settings: StoreSettings, folder: Path, kind: EncounterKind, **options: Any
    ) -> intake.Record:
        asked.append({"folder": folder, "kind": kind, **options})
        return intake.Record(FakeRecorder, lambda passphrase: None)

    monkeypatch.setattr(intake, "admit", admit)
    return asked


@pytest.mark.parametrize(
    ("arguments", "kind", "source", "with_patient"),
    [
        (["session"], EncounterKind.SESSION, "", False),
        (["session", "--patient"], EncounterKind.SESSION, "", True),
        (["session", "--input", "a/visit.wav"], EncounterKind.SESSION, "visit.wav", False),
        (["dictate", "--patient"], EncounterKind.DICTATION, "", True),
    ],
)
def test_a_store_is_used_by_default(
    make_loop: MakeLoop,
    kept: list[dict[str, Any]],
    tmp_path: Path,
    arguments: list[str],
    kind: EncounterKind,
    source: str,
    with_patient: bool,
) -> None:
    loop = make_loop()
    loop.record = ("0123abcd-0000", "")
    result = run(*arguments)
    assert result.exit_code == 0
    assert kept == [
        {"folder": tmp_path / "store", "kind": kind, "source": source, "with_patient": with_patient}
    ]
    assert loop.built_with["recorder"] is FakeRecorder
    assert loop.built_with["unlock"] is None  # nobody is at a keyboard here
    assert result.stderr == "Encounter 0123abcd is kept: voicemed encounters show 0123abcd\n"
    assert "cough" in result.stdout  # a pipe gets what it always gets


@pytest.mark.parametrize("command", ["session", "dictate"])
def test_no_store_keeps_nothing_and_says_so(
    make_loop: MakeLoop, kept: list[dict[str, Any]], command: str
) -> None:
    loop = make_loop()
    result = run(command, "--no-store")
    assert result.stderr == "voicemed: nothing is kept: --no-store\n"
    assert kept == []
    assert "recorder" not in loop.built_with


def test_a_patient_without_a_record_is_refused(make_loop: MakeLoop) -> None:
    loop = make_loop()
    result = run("session", "--patient")
    assert result.exit_code == 1
    assert result.stderr == (
        "voicemed: error: --patient: there is no record to name them in: `voicemed init` makes an "
        "encrypted record\n"
    )
    assert loop.built_with == {}


def test_a_name_cannot_be_given_where_others_see_it() -> None:
    assert run("session", "--patient=Zoë Quill").exit_code == 2


def test_without_consent_the_microphone_is_not_opened(make_loop: MakeLoop, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").touch()
    loop = make_loop()
    result = run("session")
    assert result.exit_code == 1
    assert 'set consent = "elsewhere" in [store]' in result.stderr
    assert result.stderr.count("\n") == 1
    assert loop.built_with == {}


def test_the_note_is_kept_with_every_utterance(
    make_loop: MakeLoop, kept: list[dict[str, Any]]
) -> None:
    loop = make_loop()
    run("dictate")
    assert loop.notes == ["Naïve cough.", "Naïve cough. Bye."]


def test_transcribe_keeps_recordings_where_there_is_a_store(
    transcription: FakeTranscription, tmp_path: Path
) -> None:
    def recorder_of(*options: str) -> tuple[bool, bool]:
        unkept = "nothing is kept" in run("transcribe", "a.wav", *options).stderr
        return transcription.call["recorder"] is not None, unkept

    assert recorder_of() == (False, True)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").touch()
    assert recorder_of() == (True, False)
    assert recorder_of("--no-store") == (False, True)


def test_recordings_that_could_not_be_kept_are_listed(transcription: FakeTranscription) -> None:
    transcription.not_kept = [(Path("a.wav"), "store: the disk is full")]
    result = run("transcribe", "a.wav", "--no-store")
    assert (result.exit_code, result.stdout) == (1, "1 transcribed, 1 not kept\n")
    assert result.stderr.splitlines()[-1] == "voicemed: error: a.wav: store: the disk is full"


def test_a_recording_that_is_kept_twice_is_told_of(
    transcription: FakeTranscription, tmp_path: Path
) -> None:
    (tmp_path / "store" / "encounters" / "11112222-old").mkdir(parents=True)
    (tmp_path / "store" / "store.json").touch()
    transcription.kept_again = [
        (Path("a.wav"), "11112222-old", "33334444-new"),
        (Path("a.wav"), "55556666-deleted", "77778888-new"),
    ]
    result = run("transcribe", "a.wav", "--force")
    assert result.exit_code == 0
    (line,) = [one for one in result.stderr.splitlines() if one.startswith("voicemed: a.wav")]
    assert "is kept twice now, as 11112222 and as 33334444: `voicemed encounters delete`" in line


# -- dictate


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are saved, besides saving them."""
    texts: list[str] = []
    save = note.Dictation.save

    def spy(self: note.Dictation, path: Path) -> None:
        texts.append(self.text)
        save(self, path)

    monkeypatch.setattr(note.Dictation, "save", spy)
    return texts


def test_a_dictation_is_saved_after_every_utterance(
    make_loop: MakeLoop, saved: list[str], tmp_path: Path
) -> None:
    loop = make_loop()
    result = run("dictate", "--save", str(tmp_path / "note.md"))
    assert result.stdout == "Naïve cough. Bye.\n"
    assert (tmp_path / "note.md").read_text(encoding="utf-8") == "Naïve cough. Bye.\n"
    assert saved == ["", "Naïve cough.", "Naïve cough. Bye."]
    assert loop.built_with["output"] == "speaker"  # to say that recording has stopped
    assert loop.built_with["dictation"] is True
    run("dictate", "--input", "visit.wav")
    assert loop.built_with["output"] == "none"


def test_an_aborted_dictation_still_prints_the_note(make_loop: MakeLoop) -> None:
    make_loop(KeyboardInterrupt())
    result = run("dictate")
    assert (result.exit_code, result.stdout) == (130, "Naïve cough.\n")


def test_a_note_is_not_overwritten_unasked(make_loop: MakeLoop, tmp_path: Path) -> None:
    make_loop()
    path = tmp_path / "note.md"
    path.write_text("of another patient")
    result = run("dictate", "--save", str(path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"voicemed: error: {path} exists; choose another name or add --overwrite\n"
    )
    assert path.read_text() == "of another patient"
    assert run("dictate", "--save", str(path), "--overwrite").exit_code == 0
    assert path.read_text(encoding="utf-8") == "Naïve cough. Bye.\n"


# -- transcribe


class FakeTranscription:
    """In place of `transcribe_files`: keeps what it was called with."""

    def __init__(self) -> None:
        self.failed: list[tuple[Path, str]] = []
        self.not_kept: list[tuple[Path, str]] = []
        self.kept_again: list[tuple[Path, str, str]] = []
        self.call: dict[str, Any] = {}

    def __call__(self, paths: Sequence[Path], **options: Any) -> BatchReport:
        self.call = {"paths": paths, **options}
        for index, path in enumerate(paths, 1):
            for position in (0.0, 60.0):
                options["progress"](
                    BatchProgress(path, index, len(paths), position, 60.0, speed=30, remaining=1)
                )
        return BatchReport([Path("a.wav")], [], self.failed, self.not_kept, self.kept_again)


@pytest.fixture
def transcription(monkeypatch: pytest.MonkeyPatch) -> FakeTranscription:
    fake = FakeTranscription()
    monkeypatch.setattr(batch, "transcribe_files", fake)
    return fake


def test_transcribe_passes_on_and_reports(transcription: FakeTranscription) -> None:
    result = run("transcribe", "a.wav", "b.wav", "--format", "TXT, findings,txt", "--force")
    assert result.exit_code == 0
    assert result.stdout == "1 transcribed\n"
    assert result.stderr == NOTHING_KEPT + "[1/2] a.wav (01:00)\n[2/2] b.wav (01:00)\n"
    call = transcription.call
    assert call["paths"] == [Path("a.wav"), Path("b.wav")]
    assert call["formats"] == ("txt", "findings")
    assert (call["output"], call["force"]) == (None, True)


def test_transcribe_lists_the_failed_and_exits_with_1(
    transcription: FakeTranscription,
) -> None:
    transcription.failed = [
        (Path("b.wav"), "b.wav: no sound in it"),
        (Path("c\x1b.wav"), "it is empty"),
    ]
    result = run("transcribe", "b.wav")
    assert result.exit_code == 1
    assert result.stdout == "1 transcribed, 2 failed\n"
    assert result.stderr.splitlines()[2:] == [
        "voicemed: error: b.wav: no sound in it",
        "voicemed: error: c .wav: it is empty",
    ]


def test_the_help_names_all_formats() -> None:
    assert cli.FORMATS == batch.FORMATS


def test_an_unknown_format_names_the_nearest() -> None:
    result = run("transcribe", "a.wav", "--format", "txt,jsn")
    assert result.exit_code == 2
    assert "unknown format 'jsn'; did you mean json?" in result.stderr


# -- extract


def test_extract_writes_and_shows(tmp_path: Path) -> None:
    diary = tmp_path / "diary.txt"
    diary.write_text("Cough since Monday.\nNo fever.\n", "utf-8")
    output = tmp_path / "found"
    result = run("extract", str(diary), "--output", str(output), "--highlight")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"{diary}: 2 utterances, 2 findings -> {output / 'diary.jsonl'}\n"
        "   1 Cough [cough:present] since Monday.\n"
        "   2 No fever. [fever:absent]\n"
        "symptom  status   details       in\n"
        "cough    present  since monday   1\n"
        "fever    absent                  2\n"
    )
    assert (output / "diary.jsonl").read_text("utf-8").count("\n") == 2


def test_extract_lists_the_failed_and_exits_with_1(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("No fever.", "utf-8")
    bad.write_bytes(b"")
    result = run("extract", str(bad), str(good), str(tmp_path / "none.txt"))
    assert result.exit_code == 1
    assert result.stdout.endswith("1 extracted, 2 failed\n")
    assert result.stderr.splitlines() == [
        f"voicemed: error: {bad}: it is empty",
        f"voicemed: error: {tmp_path / 'none.txt'}: cannot be read (No such file or directory)",
    ]
    assert good.with_suffix(".jsonl").exists()


def test_extract_without_a_file_is_wrong_usage() -> None:
    assert run("extract").exit_code == 2


# -- the smaller commands


def test_speak_plays_what_was_synthesized(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Voice:
        def synthesize(self, text: str) -> Iterator[AudioChunk]:
            yield AudioChunk(np.full(len(text), 0.5, np.float32), 22_050, 0.0)

    monkeypatch.setattr(tts, "create_synthesizer", lambda settings: Voice())
    path = tmp_path / "out.wav"
    assert run("speak", "hello", "--output", str(path)).exit_code == 0
    assert path.stat().st_size == 44 + 2 * 5
    result = run("speak", "hello", "--output", "out.mp3")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        microphone.DeviceInfo(0, "USB \x1bMic", "ALSA", 1, 0, True, False, 48_000.0),
        microphone.DeviceInfo(1, "Speaker", "ALSA", 0, 2, False, True, 44_100.0),
    ]
    monkeypatch.setattr(microphone, "devices", lambda: found)
    lines = [line.rstrip() for line in run("devices").stdout.splitlines()]
    assert lines == [
        "no.  name      inputs  outputs      rate  system",
        "  0  USB  Mic      1*        -  48000 Hz  ALSA",
        "  1  Speaker        -       2*  44100 Hz  ALSA",
        "* the system's default",
    ]
    monkeypatch.setattr(microphone, "devices", list)
    assert "No sound devices found" in run("devices").stdout


def test_devices_without_portaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise DeviceError("the PortAudio library is missing")

    monkeypatch.setattr(microphone, "devices", missing)
    result = run("devices")
    assert (result.exit_code, result.stderr) == (
        1,
        "voicemed: error: the PortAudio library is missing\n",
    )


def a_model(state: weights.State, problem: str = "") -> weights.ModelStatus:
    model = weights.Model("tiny", "asr", "A model", "MIT", True, (), ())
    return weights.ModelStatus(model, Path("tiny"), state, problem)


def test_models_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "models", lambda: (a_model("missing", "not fetched yet"),))
    lines = run("models", "list").stdout.splitlines()
    assert lines[1].split() == ["tiny", "0", "MB", "missing", "MIT", "A", "model", "(default)"]


def test_models_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []

    def verify(names: Sequence[str]) -> tuple[weights.ModelStatus, ...]:
        asked.append(names)
        return (a_model("damaged", "model.bin: 3 bytes instead of 4"),)

    monkeypatch.setattr(weights, "verify", verify)
    result = run("models", "verify")
    assert result.exit_code == 1
    assert result.stdout == "damaged   tiny: model.bin: 3 bytes instead of 4\n"
    assert result.stderr == "voicemed: error: tiny: fetch again with `voicemed models pull tiny`\n"
    run("models", "verify", "tiny")
    assert [tuple(names) for names in asked] == [(), ("tiny",)]


def test_models_pull(monkeypatch: pytest.MonkeyPatch) -> None:
    def pull(names: Sequence[str], progress: weights.Progress) -> None:
        for name in names:
            progress(name, 0, 5_000_000)
            progress(name, 2_500_000, 5_000_000)
            progress(name, 5_000_000, 5_000_000)
        raise DownloadError("other: no network")

    monkeypatch.setattr(weights, "pull", pull)
    result = run("models", "pull", "tiny")
    assert result.exit_code == 1
    assert result.stderr == (
        "tiny: fetching 5 MB\ntiny: in place\nvoicemed: error: other: no network\n"
    )


def test_check_fails_only_where_something_needed_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from voicemed import check
    from voicemed.check import CheckResult, State

    results = [
        CheckResult("Python", State.OK, "3.11"),
        CheckResult("microphone", State.WARNING, "nothing heard", "unmute it"),
    ]
    monkeypatch.setattr(check, "probes", lambda path: iter(results))
    result = run("check")
    assert result.exit_code == 0
    assert [line.rstrip() for line in result.stdout.splitlines()] == [
        "ok        Python        3.11",
        "warning   microphone    nothing heard",
        "                        > unmute it",
    ]
    results.append(CheckResult("model", State.FAILED, "missing", "voicemed models pull"))
    assert run("check").exit_code == 1


# -- as a process of its own

SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from test_cli import FakeLoop
from pathlib import Path
from voicemed import cli, intake, live
intake.store_folder = lambda settings: Path("/nowhere")
def build(settings, **options):
    {before}
    return FakeLoop()
live.build = build
sys.argv = ["voicemed", "session"]
cli.main()
"""


def process(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def session_process(before: str = "", **environment: str) -> subprocess.Popen[bytes]:
    script = SCRIPT.format(tests=str(Path(__file__).parent), before=before)
    return process("-c", script, **environment)


def test_an_ascii_locale_replaces_what_it_cannot_show() -> None:
    out, err = session_process(PYTHONIOENCODING="ascii", FORCE_COLOR="1").communicate()
    assert out.startswith(b"[00:01] Na?ve cough.\n  + cough")
    assert b"\x1b" not in out
    assert err == NOTHING_KEPT.encode()


def test_help_in_an_ascii_locale() -> None:
    child = process("-m", "voicemed", "session", "--help", PYTHONIOENCODING="ascii")
    out, err = child.communicate()
    assert (child.returncode, err) == (0, b"")
    assert b"--input" in out


def test_being_terminated_ends_like_ctrl_c() -> None:
    child = session_process(before="import signal; signal.raise_signal(signal.SIGTERM)")
    _, err = child.communicate()
    assert (child.returncode, err) == (130, f"{NOTHING_KEPT}voicemed: stopped\n".encode())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "voicemed", "models", "list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == b"voicemed: error: the output cannot be written: the disk is full\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    child = session_process()
    assert child.stdout is not None
    child.stdout.close()
    assert child.stderr is not None
    assert child.stderr.read() == NOTHING_KEPT.encode()
    assert child.wait() == 1


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, voicemed.cli; print({'numpy', 'rich', 'onnxruntime'} & set(sys.modules))"
    out, _ = process("-c", code).communicate()
    assert out.strip() == b"set()"
