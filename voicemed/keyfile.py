"""store.json: the keys of a store, each wrapped by another one.

    passphrase    --Argon2id--> key --wraps--> master key
    recovery key  --HKDF------> key --wraps--> master key
    master key    --HKDF------> key --wraps--> private key, whose public half is there for recorders

A new passphrase wraps the same master key anew: nothing else is encrypted again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from filelock import FileLock

from voicemed import crypto
from voicemed.errors import (
    OutputError,
    StoreDamaged,
    StoreError,
    StoreMissing,
    WrongPassphrase,
)
from voicemed.transcript import save_bytes

NAME = "store.json"
_KEYRING = "voicemed store"
"The name under which keyrings show it."
FORMAT = 1
_ATTEMPTS = "attempts"
_FREE_ATTEMPTS = 3
"Wrong passphrases without a delay: anybody mistypes."
_LONGEST_DELAY = 30.0
"Seconds."
_SALT_BYTES = 16
_RECOVERY_BYTES = 20
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"Base 32 without letters that look like digits (Douglas Crockford)."


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What store.json holds."""

    id: UUID
    "Of the store."
    effort: crypto.Effort
    salt: bytes
    "Of the passphrase."
    by_passphrase: bytes
    "The master key, wrapped."
    by_recovery_key: bytes
    "Likewise."
    public: bytes
    private: bytes
    "Wrapped by the master key."


@dataclass(slots=True)
class Keys:
    """The secret keys of an unlocked store."""

    master: bytearray
    private: bytearray

    def wipe(self) -> None:
        """Overwrite them."""
        crypto.wipe(self.master, self.private)


def exists(folder: Path) -> bool:
    """Whether there is a store in a folder."""
    return (folder / NAME).is_file()


def create(passphrase: str, effort: crypto.Effort) -> tuple[KeyFile, Keys, str]:
    """New keys, not saved yet, and the recovery key."""
    check_new_passphrase(passphrase)
    master = crypto.new_key()
    private, public = crypto.new_key_pair()
    id_, salt = uuid4(), secrets.token_bytes(_SALT_BYTES)
    file = KeyFile(id_, effort, salt, b"", b"", public, b"")
    wrapping = crypto.derive(master, b"voicemed private key")
    file = replace(file, private=crypto.seal(wrapping, private, _bound(file, "private key")))
    crypto.wipe(wrapping)
    file = _wrapped_by_passphrase(file, master, passphrase)
    file, recovery_key = _wrapped_by_recovery_key(file, master)
    return file, Keys(master, private), recovery_key


def check_new_passphrase(passphrase: str) -> None:
    """Raises StoreError for a passphrase that is too short to be one."""
    if len(passphrase.strip()) < 8:
        raise StoreError("the passphrase is too short: take at least 8 characters, better 4 words")


def load(folder: Path) -> KeyFile:
    """Read store.json; raises StoreMissing, StoreDamaged."""
    path = folder / NAME
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise StoreMissing(f"{folder}: there is no store: make one with `voicemed init`") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path) from error
    return _parsed(data, path)


def _parsed(data: Any, path: Path) -> KeyFile:
    try:
        if type(data["format"]) is int and data["format"] > FORMAT:
            raise StoreError(f"{path}: was made by a newer voicemed: install that one")
        if data["format"] != FORMAT or data.pop("sha256") != _checksum(data):
            raise _damaged(path)
        by_passphrase, argon = data["passphrase"], data["passphrase"]["argon2id"]
        file = KeyFile(
            UUID(data["id"]),
            crypto.Effort(argon["memory_kib"], argon["iterations"], argon["lanes"]),
            _bytes(by_passphrase["salt"]),
            _bytes(by_passphrase["master_key"]),
            _bytes(data["recovery_key"]["master_key"]),
            _bytes(data["public_key"]),
            _bytes(data["private_key"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path) from error
    if len(file.public) != crypto.KEY_BYTES or len(file.salt) < _SALT_BYTES:
        raise _damaged(path)
    return file


def _damaged(path: Path) -> StoreDamaged:
    return StoreDamaged(f"{path}: is damaged, without it nothing can be read: restore a backup")


def save(folder: Path, file: KeyFile) -> None:
    """Write store.json as a whole or not at all; raises StoreError."""
    data: dict[str, Any] = {
        "format": FORMAT,
        "id": str(file.id),
        "passphrase": {
            "argon2id": {
                "memory_kib": file.effort.memory,
                "iterations": file.effort.iterations,
                "lanes": file.effort.lanes,
            },
            "salt": _text(file.salt),
            "master_key": _text(file.by_passphrase),
        },
        "recovery_key": {"master_key": _text(file.by_recovery_key)},
        "public_key": _text(file.public),
        "private_key": _text(file.private),
    }
    data["sha256"] = _checksum(data)
    try:
        save_bytes(folder / NAME, json.dumps(data, indent=1).encode() + b"\n")
    except OutputError as error:
        raise StoreError(str(error)) from error


def _checksum(data: Any) -> str:
    """Tells a damaged file from a wrong passphrase; it protects from nobody."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _text(data: bytes | bytearray) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _bound(file: KeyFile, what: str) -> bytes:
    return f"voicemed store {FORMAT} {file.id} {what}".encode()


# --- unlocking -----------------------------------------------------------------------------------


def unlock(
    folder: Path, file: KeyFile, passphrase: str, *, sleep: Callable[[float], None] = time.sleep
) -> Keys:
    """The keys, if the passphrase is right; raises WrongPassphrase, StoreDamaged.

    After three wrong ones each further attempt waits, up to 30 s, whether it is right or not. The
    count is on the disk before an attempt is made, and attempts of several processes queue up.
    """

    def key() -> bytearray:
        return crypto.passphrase_key(passphrase, file.salt, file.effort)

    return _attempt(folder, file, key, file.by_passphrase, "passphrase", sleep)


def unlock_with_recovery_key(
    folder: Path, file: KeyFile, recovery_key: str, *, sleep: Callable[[float], None] = time.sleep
) -> Keys:
    """As `unlock`; a mistyped one is told by its checksum, and counts as no attempt."""
    random = _read_recovery_key(recovery_key)

    def key() -> bytearray:
        return _recovery_wrapping(random, file)

    return _attempt(folder, file, key, file.by_recovery_key, "recovery key", sleep)


def unlock_with_master_key(folder: Path, file: KeyFile, master: bytearray) -> Keys:
    """With what a keyring kept; raises StoreDamaged."""
    wrapping = crypto.derive(master, b"voicemed private key")
    try:
        private = crypto.unseal(wrapping, file.private, _bound(file, "private key"))
    except crypto.NotAuthentic as error:
        raise _damaged(folder / NAME) from error
    finally:
        crypto.wipe(wrapping)
    if crypto.public_of(private) != file.public:
        # Somebody else's public key: what was recorded since then, only they can read.
        crypto.wipe(private)
        raise StoreDamaged(
            f"{folder / NAME}: its public key was replaced, recordings since then may be readable "
            "by somebody else: restore this file from a backup"
        )
    return Keys(master, private)


def _attempt(
    folder: Path,
    file: KeyFile,
    key: Callable[[], bytearray],
    wrapped: bytes,
    what: str,
    sleep: Callable[[float], None],
) -> Keys:
    attempts = folder / _ATTEMPTS
    try:
        lock = FileLock(folder / f"{_ATTEMPTS}.lock", mode=0o600)
        with lock:
            wrong = _wrong_attempts(attempts)
            if wrong >= _FREE_ATTEMPTS:
                sleep(min(2.0 ** (wrong - _FREE_ATTEMPTS), _LONGEST_DELAY))
            _note_attempts(attempts, wrong + 1)
            wrapping = key()
            try:
                master = crypto.unseal(wrapping, wrapped, _bound(file, what))
            except crypto.NotAuthentic:
                raise WrongPassphrase(f"{folder}: the {what} is wrong: try again") from None
            finally:
                crypto.wipe(wrapping)
            _note_attempts(attempts, 0)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be opened: {error.strerror or error}") from error
    try:
        return unlock_with_master_key(folder, file, master)
    except StoreDamaged:
        crypto.wipe(master)
        raise


def _wrong_attempts(path: Path) -> int:
    try:
        return min(int(path.read_bytes()), 1000)
    except FileNotFoundError:
        return 0
    except ValueError:
        return _FREE_ATTEMPTS  # somebody was there


def _note_attempts(path: Path, wrong: int) -> None:
    """A disk that is full, or must not be written, does not lock the owner out."""
    try:
        if wrong:
            path.write_bytes(str(wrong).encode())
            path.chmod(0o600)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return


# --- changing ------------------------------------------------------------------------------------


def change_passphrase(folder: Path, file: KeyFile, keys: Keys, passphrase: str) -> KeyFile:
    """The same master key under another passphrase, saved."""
    check_new_passphrase(passphrase)
    file = replace(file, salt=secrets.token_bytes(_SALT_BYTES))
    file = _wrapped_by_passphrase(file, keys.master, passphrase)
    save(folder, file)
    return file


def new_recovery_key(folder: Path, file: KeyFile, keys: Keys) -> tuple[KeyFile, str]:
    """A recovery key in place of the one before, saved."""
    file, recovery_key = _wrapped_by_recovery_key(file, keys.master)
    save(folder, file)
    return file, recovery_key


def _wrapped_by_passphrase(file: KeyFile, master: bytearray, passphrase: str) -> KeyFile:
    wrapping = crypto.passphrase_key(passphrase, file.salt, file.effort)
    try:
        return replace(
            file, by_passphrase=crypto.seal(wrapping, master, _bound(file, "passphrase"))
        )
    finally:
        crypto.wipe(wrapping)


def _wrapped_by_recovery_key(file: KeyFile, master: bytearray) -> tuple[KeyFile, str]:
    random = secrets.token_bytes(_RECOVERY_BYTES)
    wrapping = _recovery_wrapping(random, file)
    wrapped = crypto.seal(wrapping, master, _bound(file, "recovery key"))
    crypto.wipe(wrapping)
    return replace(file, by_recovery_key=wrapped), _show_recovery_key(random)


def _recovery_wrapping(random: bytes, file: KeyFile) -> bytearray:
    return crypto.derive(random, b"voicemed recovery key", salt=file.id.bytes)


def _show_recovery_key(random: bytes) -> str:
    """Nine groups of four characters, the last one a checksum."""
    number = int.from_bytes(random + hashlib.sha256(random).digest()[:3], "big") >> 4
    digits = [_CROCKFORD[number >> shift & 31] for shift in range(175, -1, -5)]
    return "-".join("".join(digits[i : i + 4]) for i in range(0, len(digits), 4))


def _read_recovery_key(text: str) -> bytes:
    """As typed: small letters, O for 0, spaces for hyphens; raises WrongPassphrase for a typo."""
    typed = text.upper().translate(str.maketrans("OIL", "011", "- \t\r\n"))
    if len(typed) == 36 and set(typed) <= set(_CROCKFORD):
        number = 0
        for digit in typed:
            number = number << 5 | _CROCKFORD.index(digit)
        random = (number >> 20).to_bytes(_RECOVERY_BYTES, "big")
        if _show_recovery_key(random).replace("-", "") == typed:
            return random
    raise WrongPassphrase("the recovery key is mistyped: it has nine groups of four characters")


# --- the keyring ---------------------------------------------------------------------------------


def remembered(file: KeyFile) -> bytearray | None:
    """The master key, if the keyring has it."""
    import keyring
    from keyring.errors import KeyringError

    try:
        text = keyring.get_password(_KEYRING, str(file.id))
    except KeyringError:
        return None
    try:
        master = bytearray(_bytes(text or ""))
    except ValueError:
        return None
    return master if len(master) == crypto.KEY_BYTES else None


def has_keyring() -> bool:
    """Whether this system has a keyring that encrypts."""
    import keyring

    backend = keyring.get_keyring()
    return all(one.priority >= 1 for one in getattr(backend, "backends", [backend]))


def remember(file: KeyFile, keys: Keys) -> None:
    """Keep the master key in the keyring; raises StoreError without one that encrypts."""
    import keyring
    from keyring.errors import KeyringError

    if not has_keyring():
        raise StoreError("this system has no keyring that encrypts: set keyring = false")
    try:
        keyring.set_password(_KEYRING, str(file.id), _text(keys.master))
    except KeyringError as error:
        raise StoreError("the keyring is locked, or refuses the key: unlock it") from error


def forget(file: KeyFile) -> None:
    """Take the master key out of the keyring, if it is there."""
    import keyring
    from keyring.errors import KeyringError

    try:
        if keyring.get_password(_KEYRING, str(file.id)) is not None:
            keyring.delete_password(_KEYRING, str(file.id))
    except KeyringError as error:
        raise StoreError("the keyring is locked, or keeps the key: unlock it") from error
