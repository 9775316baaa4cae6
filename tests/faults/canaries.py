"""Canary names, phrases and keys go through whole sessions, and nothing of them may stay anywhere.

    python tests/faults/canaries.py

Each scenario is a `voicemed` process of its own on a pseudo-terminal, with VOICEMED_DEBUG, debug
logging to a file, and a home, configuration and temporary folder of its own. The recogniser is a
stand-in that hears the canaries; patient and passphrase are typed. Scenarios end well, are
aborted or killed, or a stage fails with an exception that has what was said in its message.

Another store, "the record", is made, read, searched, corrected, exported, backed up, restored and
deleted from by its own commands, with passphrases, recovery keys, corrections and words to search
for that are canaries too; some of these fail in the middle of it. Exports go elsewhere.

Then the store is opened, searched and read, and every file is looked through for every canary, in
several encodings, and for the sound itself; so is what the terminal got outside of its alternate
screen, which is what its scrollback keeps. A control first shows that the search finds what is
there, and that the store has it. The exit code is 1 if there is a hit.
"""

from __future__ import annotations

import argparse
import base64
import errno
import fcntl
import functools
import logging
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sample_session
import sample_store
from sample_session import SAMPLE

from voicemed import batch, cli, documents, live, records, store, ui
from voicemed.audio import SAMPLE_RATE, AudioChunk, Samples, WavWriter, read_blocks
from voicemed.endpointing import Utterance
from voicemed.symptoms import create_symptom_extractor
from voicemed.transcript import Segment

NAME = "Zephyrine Quillfeather"
NUMBER = "MRN-7741903-QX"
PHRASE = "zanzibar marmalade headache"
_HEARD = f"My name is {NAME}, I have {PHRASE}."
WRONG = "wrong-tangerine-passphrase-88"
PASSPHRASE = "correct horse battery staple"
ANOTHER = "vermilion trombone avalanche 19"
"The passphrase of the record, after it was changed."
CORRECTION = "Correction: quixotic rhubarb tinnitus"
NOTE = "Noted: periwinkle sassafras"
BORN = "1931-02-28"
TYPED = (f"{NAME}\n", f"{NUMBER}\n", f"{BORN}\n")
_SCALES = (32767, 32768)
"Of samples as 16-bit numbers."
_WAIT = 60.0
"Seconds for what a scenario waits for."
_KEY = re.compile(rb"\b(?:[0-9A-Z]{4}-){8}[0-9A-Z]{4}\b")
"A recovery key."


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is run, what fails in it, and what is typed when something shows on the screen."""

    arguments: tuple[str, ...]
    fails: str = ""
    steps: tuple[tuple[str, str], ...] = ()
    code: int = 0
    "Exit code; of a killed process minus the signal."
    ends_with: tuple[signal.Signals, ...] = ()
    "Sent when the steps are done."


@dataclass(frozen=True, slots=True)
class Places:
    """Where a scenario works; made by `of`."""

    home: Path
    "All that a command writes but was not asked for; it is looked through."
    recording: Path
    output: Path
    "What was asked for in plain."

    @classmethod
    def of(cls, folder: Path) -> Places:
        """With a configuration by which the store is in the home."""
        places = cls(folder / "home", folder / "recordings" / "visit.wav", folder / "output")
        config = places.home / "config" / "voicemed"
        for path in (places.home / "tmp", config, places.recording.parent, places.output):
            path.mkdir(parents=True)
        setting = f'[store]\nfolder = "{places.store}"\n'
        (config / "voicemed.toml").write_text(setting, encoding="utf-8")
        return places

    @property
    def store(self) -> Path:
        return self.home / "store"

    def named_in(self, argument: str) -> str:
        """An argument with the names in it that stand for places."""
        for name, path in (
            ("RECORDING", self.recording),
            ("OUTPUT", self.output),
            ("BACKUP", self.home / "all.backup"),
            ("RESTORED", self.home / "restored"),
        ):
            argument = argument.replace(name, str(path))
        return argument


_PATIENT = (("Patient's name", TYPED[0]), ("Number in", TYPED[1]), ("Born", TYPED[2]))
_FAST = ("session", "--pace", "fast", "--output", "none", "--input", "RECORDING")
_SLOW = ("session", "--patient", "--output", "none", "--input", "RECORDING")
_DICTATE = ("dictate", "--patient", "--pace", "fast", "--input", "RECORDING")
_LOCK = (
    ("zanzibar", "l"),
    ("Passphrase:", f"{WRONG}\n"),
    ("wrong", f"{PASSPHRASE}\n"),
    ("zanzibar", " "),
)
SCENARIOS = {
    "a whole session": Scenario(_SLOW, steps=_PATIENT + _LOCK),
    "recognition fails": Scenario(_FAST, fails="recognition", code=70),
    "extraction fails": Scenario(_FAST, fails="extraction", code=70),
    "the screen fails": Scenario(_FAST, fails="screen", code=70),
    "the disk is full": Scenario(_FAST, fails="disk"),
    "killed": Scenario(
        _SLOW, steps=(*_PATIENT, ("zanzibar", "")), ends_with=(signal.SIGKILL,), code=-9
    ),
    "stopped at once": Scenario(
        _SLOW,
        fails="slow",
        steps=(*_PATIENT, ("zanzibar", "")),
        ends_with=(signal.SIGINT, signal.SIGINT),
        code=130,
    ),
    "dictation": Scenario(_DICTATE, steps=_PATIENT),
    "a recording": Scenario(("transcribe", "--output", "OUTPUT", "RECORDING")),
}

_OPEN = (("Passphrase:", f"{ANOTHER}\n"),)
_NEW = ("New passphrase:", f"{ANOTHER}\n"), ("The same again:", f"{ANOTHER}\n")
_CONFIRM = (("last four characters", "KEY_END\n"),)
_CLOSE = (("q: close", "q"),)
_EXPORT = ("encounters", "export", "last", "--output", "OUTPUT", "--format")
_FORMATS = "md,json,docx,pdf,hl7,fhir"
_EDIT = ("encounters", "edit", "last")
RECORD = {
    "init": Scenario(
        ("init",),
        steps=(
            ("New passphrase:", f"{PASSPHRASE}\n"),
            ("The same again:", f"{PASSPHRASE}\n"),
            *_CONFIRM,
        ),
    ),
    "what is recorded": Scenario(_DICTATE, steps=_PATIENT),
    "another passphrase": Scenario(
        ("passphrase",), steps=(("Passphrase:", f"{PASSPHRASE}\n"), *_NEW)
    ),
    "another recovery key": Scenario(("recovery-key",), steps=_OPEN + _CONFIRM),
    "a forgotten passphrase": Scenario(
        ("passphrase", "--forgotten"), steps=(("Recovery key:", "KEY\n"), *_NEW)
    ),
    "a wrong passphrase": Scenario(
        ("encounters", "list"), steps=(("Passphrase:", f"{WRONG}\n"), *_OPEN, *_CLOSE)
    ),
    "show": Scenario(("encounters", "show", "last"), steps=_OPEN + _CLOSE),
    "search": Scenario(
        ("encounters", "search"), steps=(*_OPEN, ("Search for:", "marmalade\n"), *_CLOSE)
    ),
    "a turn is corrected": Scenario(
        (*_EDIT, "--turn", "1"), steps=(*_OPEN, ("Enter: keep", f" {CORRECTION}\r"))
    ),
    "the note is corrected": Scenario(
        (*_EDIT, "--note"), steps=(*_OPEN, ("marmalade", f" {NOTE}\x13"))
    ),
    "the patient is corrected": Scenario(
        (*_EDIT, "--patient"),
        steps=(*_OPEN, ("Name:", f" {CORRECTION}\r"), ("Number in", "\r"), ("Born", "\r")),
    ),
    "the consent is corrected": Scenario(
        (*_EDIT, "--consent"), steps=(*_OPEN, ("agree to be recorded", "y\n"))
    ),
    "a correction fails": Scenario(
        (*_EDIT, "--turn", "1"),
        fails="edit",
        steps=(*_OPEN, ("Enter: keep", f" {CORRECTION} again\r")),
        code=70,
    ),
    "export": Scenario((*_EXPORT, _FORMATS, "--sound"), steps=_OPEN),
    "an export fails": Scenario((*_EXPORT, "md"), fails="export", steps=_OPEN, code=70),
    "audit": Scenario(("audit", "list"), steps=_OPEN + _CLOSE),
    "verify": Scenario(("audit", "verify"), steps=_OPEN),
    "backup": Scenario(("backup", "BACKUP"), steps=_OPEN),
    "restore": Scenario(
        ("restore", "BACKUP", "--folder", "RESTORED"),
        steps=(("Passphrase of the backup:", f"{ANOTHER}\n"),),
    ),
    "delete": Scenario(("encounters", "delete", "last", "--yes"), steps=_OPEN),
}
"The commands of a store of their own, one after the other."
THE_RECORD = "the record"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*SCENARIOS, THE_RECORD]
    parser.add_argument("--only", choices=names, nargs="*", default=names)
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_child(*options.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        hits = run_all(Path(folder), options.only)
    for hit in hits:
        print(hit)
    count = len(options.only) + (THE_RECORD in options.only) * (len(RECORD) - 1)
    print(f"{count} scenarios, {len(hits)} hits")
    sys.exit(bool(hits))


def run_all(folder: Path, names: Sequence[str]) -> list[str]:
    """Run the scenarios; where a canary was found, a line each."""
    sessions = [name for name in names if name != THE_RECORD]
    hits = run_sessions(folder / "sessions", sessions) if sessions else []
    return hits + (run_record(folder / "record") if THE_RECORD in names else [])


def run_sessions(folder: Path, names: Sequence[str]) -> list[str]:
    """Encounters of all kinds in one store."""
    places = Places.of(folder)
    recovery_key = sample_store.create(places.store)
    needles = _needles(_cut(SAMPLE, places.recording, 9.0), recovery_key)
    planted = places.home / "planted"
    planted.write_text(f"... {NAME} ...", encoding="utf-8")
    if not _look(places.home, needles):
        return ["the control: the search does not find what is there"]
    planted.unlink()
    terminal = _Terminal()
    for name in names:
        terminal.run(name, SCENARIOS[name], places)
    hits = terminal.hits(needles)
    with sample_store.open_store(places.store) as opened:
        ids = [summary.id for summary in opened.encounters()]
        texts = " ".join(turn.text for id_ in ids for turn in opened.read(id_).turns)
        if PHRASE not in texts or not opened.search("marmalade"):
            hits.append("the control: the store does not have what was said")
        hits += _look(places.home, needles)  # also while the database is open
    return hits + _look(places.home, needles)


def run_record(folder: Path, names: Sequence[str] = tuple(RECORD)) -> list[str]:
    """The record's own commands; it is looked through before the deletion, and after it."""
    places = Places.of(folder)
    sound = _cut(SAMPLE, places.recording, 9.0)
    terminal = _Terminal()
    hits: list[str] = []
    for name in names:
        if name == "delete":
            hits += _look(places.home, _needles(sound, *terminal.recovery_keys))
            hits += _check_record(places)
        terminal.run(name, RECORD[name], places)
    needles = _needles(sound, *terminal.recovery_keys)
    return terminal.hits(needles) + hits + _look(places.home, needles)


def _check_record(places: Places) -> list[str]:
    """Whether the commands did what they should, and the exports have what was said."""
    exported = b"".join(path.read_bytes() for path in places.output.glob("*.md"))
    wanted = (NAME, CORRECTION, NOTE)
    lacking = [text for text in wanted if text.encode() not in exported]
    found = [f"the control: the export lacks {text!r}" for text in lacking]
    if not store.exists(places.home / "restored"):
        found.append("the control: nothing was restored")
    return found


@dataclass(slots=True)
class _Terminal:
    """What was shown to whom runs scenarios."""

    shown: dict[str, bytes] = field(default_factory=dict)
    "By scenario; all that the terminal got."
    recovery_keys: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def run(self, name: str, scenario: Scenario, places: Places) -> None:
        try:
            shown = run_scenario(scenario, places, self.recovery_keys[-1:])
        except AssertionError as error:
            self.problems.append(f"{name}: {error}")
            return
        self.shown[name] = shown
        self.recovery_keys += [key.decode() for key in _KEY.findall(shown)]

    def hits(self, needles: Mapping[str, list[bytes]]) -> list[str]:
        """What went wrong, and what the terminal keeps."""
        found = list(self.problems)
        for name, shown in self.shown.items():
            left = re.sub(rb"\x1b\[\?1049h.*?(\x1b\[\?1049l|\Z)", b"", shown, flags=re.DOTALL)
            found += [f"{name}: the terminal keeps {what}" for what in _found(left, needles)]
        return found


def _cut(recording: Path, target: Path, seconds: float) -> Samples:
    """The beginning of a recording, as a recording of its own; its sound as it is read."""
    sound = np.concatenate([block.samples for block in read_blocks(recording)])
    with WavWriter(target) as wav:
        wav.write(sound[: round(seconds * SAMPLE_RATE)])
    return np.concatenate([block.samples for block in read_blocks(target)])


# --- looking -------------------------------------------------------------------------------------


def _needles(sound: Samples, *recovery_keys: str) -> dict[str, list[bytes]]:
    """What is looked for, in the encodings in which it might be written."""
    texts = {
        "the name": NAME,
        "the family name": NAME.split()[1],
        "the number": NUMBER,
        "the date of birth": BORN,
        "the phrase": PHRASE,
        "a word of the phrase": "marmalade",
        "the passphrase": PASSPHRASE,
        "the wrong passphrase": WRONG,
        "the other passphrase": ANOTHER,
        "a correction": CORRECTION,
        "the corrected note": NOTE,
    }
    for number, key in enumerate(recovery_keys, 1):
        texts[f"recovery key {number}"] = key
        texts[f"recovery key {number} in one"] = re.sub(r"\W", "", key)
    needles = {what: list(_encodings(text)) for what, text in texts.items()}
    loud = int(np.argmax(np.abs(sound)))
    part = sound[loud : loud + 32]
    needles["the sound"] = [
        part.astype("<f4").tobytes(),
        *((part * scale).round().clip(-32768, 32767).astype("<i2").tobytes() for scale in _SCALES),
        *((part * scale).astype("<i2").tobytes() for scale in _SCALES),
    ]
    return needles


def _encodings(text: str) -> Iterator[bytes]:
    for form in {text, text.lower(), text.upper()}:
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
            yield form.encode(encoding)
        plain = form.encode()
        yield plain.hex().encode()
        for shift in range(3):  # Base64 of it wherever it stands in a longer text
            coded = base64.b64encode(b"\0" * shift + plain)
            yield coded[4:-4] if shift else coded[:-4]


def _look(folder: Path, needles: Mapping[str, list[bytes]]) -> list[str]:
    """The files in a folder that have a needle in their content or name."""
    hits: list[str] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = os.fsencode(path.name) + b"\n" + path.read_bytes()
            where = path.relative_to(folder)
            hits += [f"{where} has {what}" for what in _found(content, needles)]
    return hits


def _found(content: bytes, needles: Mapping[str, list[bytes]]) -> list[str]:
    return [what for what, forms in needles.items() if any(form in content for form in forms)]


# --- a process on a terminal ---------------------------------------------------------------------


def run_scenario(scenario: Scenario, places: Places, known_keys: Sequence[str] = ()) -> bytes:
    """All that the terminal got; AssertionError where it went otherwise than it should.

    In what is typed, KEY stands for the recovery key that is known, KEY_END for the end of the one
    that is shown.
    """
    home = places.home
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        "TMPDIR": str(home / "tmp"),
        "TERM": "xterm-256color",
        "VOICEMED_DEBUG": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    arguments = [places.named_in(argument) for argument in scenario.arguments]
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    log = home / "debug.log"
    command = [sys.executable, __file__, "--child", str(log), scenario.fails or "-", *arguments]
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=home / "tmp",
        start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    shown = bytearray()
    try:
        for wanted, keys in scenario.steps:
            _read(master, shown, wanted.encode())
            os.write(master, _typed(keys, shown, known_keys).encode())
        for number in scenario.ends_with:
            process.send_signal(number)
            time.sleep(0.5)
        _read(master, shown, None)
        code = process.wait(timeout=_WAIT)
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert code == scenario.code, f"exit code {code} instead of {scenario.code}"
    return bytes(shown)


def _typed(keys: str, shown: bytearray, known_keys: Sequence[str]) -> str:
    if "KEY_END" in keys:
        return keys.replace("KEY_END", _KEY.findall(shown)[-1][-4:].decode())
    return keys.replace("KEY", known_keys[0]) if known_keys else keys


def _read(master: int, shown: bytearray, wanted: bytes | None) -> None:
    """Read on until something new shows that is wanted; None: to the end."""
    start = len(shown)
    until = time.monotonic() + _WAIT
    while wanted is None or wanted not in shown[start:]:
        ready, _, _ = select.select([master], [], [], max(0.0, until - time.monotonic()))
        assert ready, f"it does not come to show {wanted!r}"
        try:
            data = os.read(master, 65_536)
        except OSError:  # the program has closed its end
            data = b""
        if not data:
            assert wanted is None, f"it ended before it showed {wanted!r}"
            return
        shown += data


# --- the program with what fails in it -----------------------------------------------------------


def run_child(log: str, fails: str, *arguments: str) -> None:
    """`voicemed` with stand-ins that hear the canaries, and what is to fail."""
    logging.basicConfig(filename=log, level=logging.DEBUG)
    recognizer = _Recognizer(fails)
    replace: Callable[[object, str, Any], None] = setattr
    replace(live, "create_recognizer", lambda *_, **__: recognizer)
    replace(batch, "create_recognizer", lambda *_, **__: recognizer)
    replace(live, "create_synthesizer", lambda *_: _Voice())
    replace(live, "create_extractor", lambda *_: _extractor(fails))
    replace(batch, "create_extractor", lambda *_: None)
    replace(batch, "extract", lambda *_: ())
    if fails == "screen":
        replace(ui, "session_view", _SessionView())
    if fails == "disk":
        replace(store.Recorder, "audio", _no_space)
    if fails == "edit":
        replace(records.Records, "add_edit", _broken)
    if fails == "export":
        replace(documents, "export", _broken)
    cheap = functools.partial(store.create, effort=sample_store.EFFORT)
    replace(store, "create", cheap)
    sys.argv = ["voicemed", *arguments]
    cli.main()


class _Recognizer:
    name = "stand-in"
    device = "cpu"

    def __init__(self, fails: str) -> None:
        self._fails = fails

    def transcribe(self, utterances: Sequence[Utterance], **_: object) -> list[list[Segment]]:
        if self._fails == "recognition":
            raise ValueError(f"{NAME} said {PHRASE}")
        if self._fails == "slow":
            time.sleep(1.0)
        return [[sample_session.segment(one, _HEARD)] for one in utterances]


class _Voice:
    name = "stand-in"
    sample_rate = SAMPLE_RATE

    def synthesize(self, text: str) -> Iterator[AudioChunk]:
        yield AudioChunk(np.zeros(SAMPLE_RATE // 10, np.float32), SAMPLE_RATE, 0.0)


def _extractor(fails: str) -> Any:
    extractor = create_symptom_extractor()
    if fails == "extraction":

        class Broken:
            def update(self, turn: object) -> None:
                try:
                    raise KeyError(PHRASE)
                except KeyError as error:
                    raise ValueError(f"{NAME} said {PHRASE}") from error

        return Broken()
    return extractor


class _SessionView:
    """Fails once something was said."""

    def __init__(self) -> None:
        self._view = ui.session_view

    def __call__(self, encounter: Any, status: Any, **size: int) -> Any:
        if encounter.turns:
            raise ValueError(f"cannot draw {encounter.turns[0].text}")
        return self._view(encounter, status, **size)


def _broken(*given: object, **_: object) -> None:
    try:
        raise KeyError(str(given))
    except KeyError as error:
        raise ValueError(f"{NAME} said {PHRASE}, {CORRECTION}: {given}") from error


def _no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, f"No space for {PHRASE}")


if __name__ == "__main__":
    main()
