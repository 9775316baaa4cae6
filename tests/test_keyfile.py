"""store.json: who may open it, how guesses are slowed, and what a damaged one says."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError
from sample_store import EFFORT, PASSPHRASE

from voicemed import crypto, keyfile
from voicemed.errors import StoreDamaged, StoreError, StoreMissing, WrongPassphrase
from voicemed.keyfile import KeyFile, Keys


@pytest.fixture
def made(tmp_path: Path) -> tuple[KeyFile, Keys, str]:
    file, keys, recovery_key = keyfile.create(PASSPHRASE, EFFORT)
    keyfile.save(tmp_path, file)
    return file, keys, recovery_key


def test_passphrase_and_recovery_key_open_it(
    tmp_path: Path, made: tuple[KeyFile, Keys, str]
) -> None:
    file, keys, recovery_key = made
    assert keyfile.load(tmp_path) == file
    assert keyfile.unlock(tmp_path, file, PASSPHRASE) == keys
    sloppy = recovery_key.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert keyfile.unlock_with_recovery_key(tmp_path, file, recovery_key) == keys
    assert keyfile.unlock_with_recovery_key(tmp_path, file, sloppy) == keys


def test_the_file_shows_no_key_and_is_for_its_owner(
    tmp_path: Path, made: tuple[KeyFile, Keys, str]
) -> None:
    path = tmp_path / keyfile.NAME
    content = path.read_text()
    _, keys, recovery_key = made
    assert recovery_key not in content
    assert PASSPHRASE not in content
    for key in (keys.master, keys.private):
        assert key.hex() not in content
        assert keyfile._text(key) not in content
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600


def test_wrong_ones_do_not(tmp_path: Path, made: tuple[KeyFile, Keys, str]) -> None:
    file, _, recovery_key = made
    other = keyfile.create(PASSPHRASE, EFFORT)[2]
    swapped = recovery_key[1] + recovery_key[0] + recovery_key[2:]
    with pytest.raises(WrongPassphrase, match="the passphrase is wrong"):
        keyfile.unlock(tmp_path, file, PASSPHRASE + " ")
    with pytest.raises(WrongPassphrase, match="the recovery key is wrong"):
        keyfile.unlock_with_recovery_key(tmp_path, file, other)
    for typo in ("", recovery_key[:-1], recovery_key + "A", recovery_key[:-1] + "?", swapped):
        if typo != recovery_key:
            with pytest.raises(WrongPassphrase, match="mistyped"):
                keyfile.unlock_with_recovery_key(tmp_path, file, typo)


def test_guesses_are_slowed_across_processes_until_one_is_right(
    tmp_path: Path, made: tuple[KeyFile, Keys, str]
) -> None:
    file = made[0]
    waits: list[float] = []
    for number in range(10):
        with pytest.raises(WrongPassphrase):
            keyfile.unlock(tmp_path, file, f"wrong {number}", sleep=waits.append)
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    keyfile.unlock(tmp_path, file, PASSPHRASE, sleep=waits.append)
    assert waits[-1] == 30
    keyfile.unlock(tmp_path, file, PASSPHRASE, sleep=waits.append)
    assert len(waits) == 8


def test_an_attempt_counts_before_it_is_known_to_be_wrong(
    tmp_path: Path, made: tuple[KeyFile, Keys, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> bytearray:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(crypto, "passphrase_key", killed)
        for _ in range(4):
            with pytest.raises(KeyboardInterrupt):
                keyfile.unlock(tmp_path, made[0], "a guess", sleep=lambda _: None)
    waits: list[float] = []
    keyfile.unlock(tmp_path, made[0], PASSPHRASE, sleep=waits.append)
    assert waits == [2]


def test_a_count_that_was_overwritten_slows_too(
    tmp_path: Path, made: tuple[KeyFile, Keys, str]
) -> None:
    (tmp_path / "attempts").write_text("none at all")
    waits: list[float] = []
    keyfile.unlock(tmp_path, made[0], PASSPHRASE, sleep=waits.append)
    assert waits == [1]


def test_another_passphrase_wraps_the_same_key(
    tmp_path: Path, made: tuple[KeyFile, Keys, str]
) -> None:
    file, keys, recovery_key = made
    changed = keyfile.change_passphrase(tmp_path, file, keys, "another passphrase")
    assert keyfile.load(tmp_path) == changed
    assert keyfile.unlock(tmp_path, changed, "another passphrase") == keys
    assert keyfile.unlock_with_recovery_key(tmp_path, changed, recovery_key) == keys
    with pytest.raises(WrongPassphrase):
        keyfile.unlock(tmp_path, changed, PASSPHRASE)
    again, new_key = keyfile.new_recovery_key(tmp_path, changed, keys)
    assert keyfile.unlock_with_recovery_key(tmp_path, again, new_key) == keys
    with pytest.raises(WrongPassphrase):
        keyfile.unlock_with_recovery_key(tmp_path, again, recovery_key)


@pytest.mark.parametrize("passphrase", ["", "short", "       x       "])
def test_a_short_passphrase_is_refused(passphrase: str) -> None:
    with pytest.raises(StoreError, match="too short"):
        keyfile.create(passphrase, EFFORT)


def test_somebody_elses_public_key_is_found_out(
    tmp_path: Path, made: tuple[KeyFile, Keys, str]
) -> None:
    theirs = keyfile.create(PASSPHRASE, EFFORT)[0].public
    keyfile.save(tmp_path, replace(made[0], public=theirs))
    with pytest.raises(StoreDamaged, match="public key was replaced"):
        keyfile.unlock(tmp_path, keyfile.load(tmp_path), PASSPHRASE)


def test_a_missing_or_damaged_file_says_what_to_do(
    tmp_path: Path, made: tuple[KeyFile, Keys, str]
) -> None:
    path = tmp_path / keyfile.NAME
    data = json.loads(path.read_text())
    with pytest.raises(StoreMissing, match="voicemed init"):
        keyfile.load(tmp_path / "elsewhere")
    for text in (
        "",
        "[]",
        "{}",
        "null",
        "[" * 100_000,
        json.dumps(data)[:-9],
        json.dumps(data | {"public_key": data["private_key"]}),
        json.dumps({key: value for key, value in data.items() if key != "sha256"}),
    ):
        path.write_text(text)
        with pytest.raises(StoreDamaged, match="restore a backup"):
            keyfile.load(tmp_path)
    path.write_text(json.dumps(data | {"format": 2}))
    with pytest.raises(StoreError, match="newer voicemed"):
        keyfile.load(tmp_path)


def test_a_file_cannot_ask_for_endless_memory(
    tmp_path: Path, made: tuple[KeyFile, Keys, str]
) -> None:
    path = tmp_path / keyfile.NAME
    data = json.loads(path.read_text())
    data["passphrase"]["argon2id"]["memory_kib"] = 1 << 40
    data["sha256"] = keyfile._checksum({k: v for k, v in data.items() if k != "sha256"})
    path.write_text(json.dumps(data))
    with pytest.raises(StoreDamaged):
        keyfile.load(tmp_path)


class MemoryKeyring(KeyringBackend):
    priority: float = 5

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.kept:
            raise PasswordDeleteError
        del self.kept[service, username]


class PlainKeyring(MemoryKeyring):
    priority = 0.5


def test_a_keyring_keeps_the_master_key(
    made: tuple[KeyFile, Keys, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, keys, _ = made
    backend = MemoryKeyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
    for name in ("get_password", "set_password", "delete_password"):
        monkeypatch.setattr(keyring, name, getattr(backend, name))
    assert keyfile.remembered(file) is None
    keyfile.remember(file, keys)
    assert keyfile.remembered(file) == keys.master
    keyfile.forget(file)
    keyfile.forget(file)
    assert keyfile.remembered(file) is None
    backend.set_password("voicemed store", str(file.id), "not base 64 !")
    assert keyfile.remembered(file) is None


def test_a_keyring_that_does_not_encrypt_is_refused(
    made: tuple[KeyFile, Keys, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "get_keyring", PlainKeyring)
    with pytest.raises(StoreError, match="no keyring that encrypts"):
        keyfile.remember(made[0], made[1])
