"""Before the microphone is opened: what is kept, whom it is about, and whether they agree.

Names and birth dates are asked for, never taken from the command line, where every user of the
machine sees them in the list of processes and the shell keeps them in its history. On a terminal
the questions stand on the alternate screen, so that nothing stays in its scrollback; a program
that starts voicemed writes the answers to its standard input, a line each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from voicemed.config import StoreSettings, clinician_of, store_folder
from voicemed.encounter import Consent, EncounterKind, Patient
from voicemed.errors import ConfigError, ConsentMissing
from voicemed.ui import is_screen, make_console

if TYPE_CHECKING:
    from voicemed.recording import Recorder

NO_STORE = "--no-store"
NO_STORE_YET = "`voicemed init` makes an encrypted record"
ELSEWHERE = "configuration"
"Who says that the patient agrees, where the practice asks for it elsewhere."
_QUESTION = (
    "Does the patient agree to be recorded? y: yes, r: a relative agrees for them, "
    "g: a guardian does, n: no. "
)
ASK_LATER = (
    "Did the patient agree to be recorded? y: yes, r: a relative agreed for them, "
    "g: a guardian did, n: no. "
)
_AGREED_BY = {"y": "patient", "r": "relative", "g": "guardian"}


@dataclass(frozen=True, slots=True)
class Record:
    """How an encounter is to be kept."""

    begin: Callable[[], Recorder]
    unlock: Callable[[str], None]
    "Checks the passphrase, raises StoreError if it is wrong."


def folder_of(settings: StoreSettings, *, keep: bool) -> tuple[Path | None, str]:
    """The store's folder, if it is to be used; otherwise why nothing is kept."""
    from voicemed import store

    if not keep:
        return None, NO_STORE
    folder = store_folder(settings)
    return (folder, "") if store.exists(folder) else (None, NO_STORE_YET)


def is_kept(folder: Path, encounter: str) -> bool:
    """Whether the files of an encounter are in the store; needs no passphrase."""
    from voicemed.recorder import ENCOUNTERS

    return (folder / ENCOUNTERS / encounter).is_dir()


def admit(
    settings: StoreSettings, folder: Path, kind: EncounterKind, *, source: str, with_patient: bool
) -> Record:
    """Ask what has to be known before anything is recorded.

    source: file name of a recording that takes the microphone's place; it was made elsewhere, so
    nobody is asked for consent. with_patient: ask who the patient is.

    Raises ConsentMissing where the patient does not agree, or nobody can be asked.
    """
    patient = ask_patient() if with_patient else Patient()
    ambient = not source and (kind is EncounterKind.SESSION or with_patient)
    consent = ask_consent(settings) if ambient else None
    clinician = clinician_of(settings)

    def begin() -> Recorder:
        from voicemed.store import Recorder

        recorder = Recorder.begin(
            folder, kind=kind, clinician=clinician, patient=patient, source=source
        )
        if consent is not None:
            recorder.consent(consent)
        elif source:
            recorder.event("consent not asked", "the recording was made elsewhere")
        return recorder

    def unlock(passphrase: str) -> None:
        from voicemed.store import check_passphrase

        check_passphrase(folder, passphrase)

    return Record(begin, unlock)


def begin_recording(settings: StoreSettings, folder: Path) -> Callable[[Path], Recorder]:
    """What begins the encounter of a recording that is transcribed."""
    clinician = clinician_of(settings)

    def begin(path: Path) -> Recorder:
        from voicemed.store import Recorder

        recorder = Recorder.begin(
            folder, kind=EncounterKind.RECORDING, clinician=clinician, source=path.name
        )
        recorder.event("consent not asked", "the recording was made elsewhere")
        return recorder

    return begin


def ask_patient() -> Patient:
    """Who the patient is: from the terminal, or from three lines of standard input."""
    if not _at_terminal():
        name, identifier, born = ([*sys.stdin.read().splitlines(), "", "", ""])[:3]
        return Patient(name.strip(), identifier.strip(), birth_date(born))
    console = make_console(stderr=True)
    with console.screen(hide_cursor=False) if is_screen(sys.stderr) else nullcontext():
        name = console.input("Patient's name: ").strip()
        identifier = console.input("Number in the practice (or nothing): ").strip()
        while True:
            try:
                born = birth_date(console.input("Born, as 1950-12-31 (or nothing): "))
            except ConfigError as error:
                console.print(str(error))
            else:
                return Patient(name, identifier, born)


def ask_consent(settings: StoreSettings) -> Consent:
    """The patient's consent to be recorded; raises ConsentMissing without it."""
    recorded_by = clinician_of(settings)
    if settings.consent == "elsewhere":
        return Consent(True, datetime.now(UTC), ELSEWHERE, recorded_by)
    if not _at_terminal():
        raise ConsentMissing(
            "nobody can be asked here whether the patient agrees to be recorded: run it in a "
            'terminal, or set consent = "elsewhere" in [store] of voicemed.toml where the practice '
            "asks for it"
        )
    console = make_console(stderr=True)
    while True:
        try:
            said = consent_of(console.input(_QUESTION))
        except EOFError:
            said = consent_of("n")
        if said is not None and said[0]:
            return Consent(True, datetime.now(UTC), said[1], recorded_by)
        if said is not None:
            raise ConsentMissing("the patient does not agree to be recorded: nothing was recorded")


def consent_of(answer: str) -> tuple[bool, str] | None:
    """Whether the patient agrees, and who says so; None for what answers neither question."""
    choice = answer.strip().lower()[:1]
    if choice == "n":
        return False, "patient"
    return (True, _AGREED_BY[choice]) if choice in _AGREED_BY else None


def _at_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def birth_date(text: str) -> date | None:
    """The day, or None for nothing; the error does not repeat what was typed."""
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError("the date of birth must be written as 1950-12-31") from None
