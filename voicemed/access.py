"""Opening the store for a command: the passphrase, then what the doctor has to be told.

A passphrase is typed at the terminal without echo, or, where a command is told so, the first line
of standard input. It is never an argument or an environment variable: other programs could read
those.
"""

from __future__ import annotations

import getpass
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

from voicemed import keyfile, store
from voicemed.config import StoreSettings, clinician_of, store_folder
from voicemed.errors import StoreError, WrongPassphrase
from voicemed.store import Removed, Retention, Store, who_is
from voicemed.ui import Keys, is_screen, make_console, printable

_T = TypeVar("_T")
_TRIES = 3
"At a terminal, before a command gives up."


@contextmanager
def opened(
    settings: StoreSettings, *, from_stdin: bool = False, proved: bool = False, by_key: bool = False
) -> Iterator[Store]:
    """The unlocked store, kept to its policy, after problems and what was destroyed were told.

    from_stdin: the passphrase is the first line of standard input. proved: the keyring does not do.
    by_key: ask for the recovery key in place of the passphrase.

    Raises StoreError.
    """
    with _unlocked(settings, from_stdin, proved, by_key) as unlocked:
        for problem in unlocked.problems:
            tell(f"warning: {problem}")
        policy = Retention(settings.audio_days, settings.text_days, settings.until_exported)
        if removed := unlocked.apply_retention(policy):
            tell(f"{_destroyed(removed)}, by the policy in [store] of the settings")
        yield unlocked


def opened_by_keyring(settings: StoreSettings) -> Store | None:
    """The store, if the keyring has its key; nobody is asked, and no policy applied."""
    return Store.open_with_keyring(store_folder(settings), who=who_is(clinician_of(settings)))


def restore(source: Path, folder: Path, *, from_stdin: bool, by_key: bool) -> None:
    """Make a store again from a backup; raises StoreError."""
    store.check_empty(folder)  # nobody should type a passphrase in vain

    def unlocked(typed: str) -> None:
        try:
            store.restore(source, folder, typed, by_recovery_key=by_key)
        except WrongPassphrase:
            what = "recovery key" if by_key else "passphrase"
            raise WrongPassphrase(
                f"{source}: the {what} is wrong: it is that of the day of the backup"
            ) from None

    prompt = "Recovery key: " if by_key else "Passphrase of the backup: "
    _with_typed(prompt, from_stdin, unlocked)


def ask_passphrase(prompt: str, *, from_stdin: bool) -> str:
    """What is typed, unseen; raises StoreError where nobody can be asked."""
    if from_stdin:
        return _passphrase_of_stdin()
    with warnings.catch_warnings():
        # Without a terminal, getpass would read standard input, and show what is typed there.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt)
        except getpass.GetPassWarning:
            raise StoreError(
                "there is no terminal to type the passphrase at: run it in one, or give it as the "
                "first line of standard input, with --passphrase-stdin"
            ) from None
        except EOFError:
            raise StoreError("no passphrase was typed: run the command again") from None


def ask_new_passphrase(*, from_stdin: bool) -> str:
    """A passphrase for the first time: long enough, and at a terminal typed twice alike."""
    if from_stdin:
        passphrase = _passphrase_of_stdin()
        keyfile.check_new_passphrase(passphrase)
        return passphrase
    for _ in range(_TRIES):
        passphrase = ask_passphrase("New passphrase: ", from_stdin=False)
        try:
            keyfile.check_new_passphrase(passphrase)
        except StoreError as error:
            tell(str(error))
            continue
        if ask_passphrase("The same again: ", from_stdin=False) == passphrase:
            return passphrase
        tell("those two were not the same")
    raise StoreError("no new passphrase was chosen: run the command again")


def ask_line(prompt: str, *, otherwise: str = "", private: bool = False) -> str:
    """A line that is typed, or one of standard input; raises StoreError without any.

    otherwise: what to do where nobody can be asked. private: it is to leave the terminal again.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        line = _line_of_stdin()
        if not line:
            hint = f": {otherwise}" if otherwise else ""
            raise StoreError(f"nothing came from standard input{hint}")
        return line.strip()
    console = make_console(stderr=True)
    aside = private and is_screen(sys.stderr)
    with console.screen(hide_cursor=False) if aside else nullcontext():
        try:
            return console.input(prompt).strip()
        except EOFError:
            return ""


def rest_of_stdin() -> str:
    """All that is left of standard input."""
    with _text():
        return sys.stdin.read() if sys.stdin is not None else ""


def tell(line: str) -> None:
    """A line on stderr."""
    make_console(stderr=True).print(f"voicemed: {printable(line)}", soft_wrap=True)


def _unlocked(settings: StoreSettings, from_stdin: bool, proved: bool, by_key: bool) -> Store:
    folder, who = store_folder(settings), who_is(clinician_of(settings))
    keyfile.load(folder)  # nobody should type a passphrase for a store that is not there
    by_keyring = settings.keyring and not proved and not by_key
    if by_keyring and not from_stdin and (known := Store.open_with_keyring(folder, who=who)):
        return known
    opened = _unlocked_by_typing(folder, who, from_stdin, by_key)
    if by_keyring:
        _remember(opened)
    return opened


def _unlocked_by_typing(folder: Path, who: str, from_stdin: bool, by_key: bool) -> Store:
    unlock = Store.open_with_recovery_key if by_key else Store.open
    prompt = "Recovery key: " if by_key else "Passphrase: "
    return _with_typed(prompt, from_stdin, lambda typed: unlock(folder, typed, who=who))


def _with_typed(prompt: str, from_stdin: bool, use: Callable[[str], _T]) -> _T:
    """What comes of the passphrase that was typed, at a terminal after some attempts."""

    def attempt() -> _T:
        typed = ask_passphrase(prompt, from_stdin=from_stdin)
        with Keys():  # it takes a second: what is typed meanwhile is not to be seen either
            return use(typed)

    for _ in range(0 if from_stdin else _TRIES - 1):
        try:
            return attempt()
        except WrongPassphrase as error:
            tell(str(error))
    return attempt()


def _remember(opened: Store) -> None:
    try:
        opened.remember()
    except StoreError as error:
        tell(f"warning: {error}")


def _line_of_stdin() -> str:
    with _text():
        return sys.stdin.readline() if sys.stdin is not None else ""


@contextmanager
def _text() -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError:
        raise StoreError("what came from standard input is not text in UTF-8") from None


def _passphrase_of_stdin() -> str:
    line = _line_of_stdin()
    if not line:
        raise StoreError("there is no passphrase on standard input: write it there as a line")
    return line.rstrip("\r\n")


def _destroyed(removed: list[Removed]) -> str:
    """'destroyed the sound of 2 encounters and all of 1'."""
    whole = sum(one.all for one in removed)
    parts = [
        f"{part} {number} encounter{'s'[: number > 1]}"
        for part, number in (("the sound of", len(removed) - whole), ("all of", whole))
        if number
    ]
    return f"destroyed {' and '.join(parts)}"
