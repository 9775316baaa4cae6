"""Backups: one file, everything in it, and nothing from a file that is not as it was written."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import sample_store
from sample_store import PASSPHRASE, open_store

from voicemed.errors import StoreDamaged, StoreError, WrongPassphrase
from voicemed.store import restore


@pytest.fixture
def store(tmp_path: Path) -> Path:
    sample_store.create(tmp_path / "store")
    for seed in range(2):
        sample_store.record(tmp_path / "store", seed, seconds=0.7)
    return tmp_path / "store"


@pytest.fixture
def backup(store: Path, tmp_path: Path) -> Path:
    with open_store(store) as opened:
        assert opened.backup(tmp_path / "backup") == []
    return tmp_path / "backup"


def everything(store: Path) -> object:
    with open_store(store) as opened:
        ids = sorted(one.id for one in opened.encounters())
        assert opened.verify_audit() == opened.verify_files() == opened.problems == []
        texts = [opened.read(id_).turns for id_ in ids]
        return ids, texts, [sample_store.heard(opened, id_).tolist() for id_ in ids]


def test_a_backup_is_the_store_again(store: Path, backup: Path, tmp_path: Path) -> None:
    restore(backup, tmp_path / "again", PASSPHRASE)
    assert everything(tmp_path / "again") == everything(store)
    if os.name == "posix":
        for path in (tmp_path / "again").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path
        assert backup.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if "." in path.name] == []


def test_a_backup_shows_nothing(store: Path, backup: Path) -> None:
    content = backup.read_bytes()
    for path in (store / "encounters").iterdir():
        assert path.name.encode() not in content
    for word in (b"cough", b"Patient", b"record.db", b"SQLite"):
        assert word not in content


def test_the_recovery_key_opens_it(tmp_path: Path) -> None:
    recovery_key = sample_store.create(tmp_path / "store")
    with open_store(tmp_path / "store") as opened:
        opened.backup(tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "again", recovery_key, by_recovery_key=True)
    assert everything(tmp_path / "again") == ([], [], [])


def test_a_wrong_passphrase_leaves_nothing(backup: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongPassphrase):
        restore(backup, tmp_path / "again", "not the passphrase")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "store"]


def test_no_change_of_a_backup_goes_unnoticed(backup: Path, tmp_path: Path) -> None:
    before = backup.read_bytes()
    random_ = random.Random(1)
    for number in range(40):
        at = random_.randrange(len(before)) if number else 1000
        flipped = before[:at] + bytes([before[at] ^ 1 << number % 8]) + before[at + 1 :]
        backup.write_bytes(flipped if number % 2 else before[:at])
        with pytest.raises(StoreError):
            restore(backup, tmp_path / "again", PASSPHRASE)
        assert not (tmp_path / "again").exists()
    backup.write_bytes(before + b"x")
    with pytest.raises(StoreDamaged):
        restore(backup, tmp_path / "again", PASSPHRASE)


def test_nothing_is_overwritten(store: Path, backup: Path) -> None:
    with pytest.raises(StoreError, match="not empty"):
        restore(backup, store, PASSPHRASE)
    with open_store(store) as opened, pytest.raises(StoreError, match="exists already"):
        opened.backup(backup)


def test_what_is_being_recorded_is_named(store: Path, tmp_path: Path) -> None:
    live = sample_store.begin(store)
    with open_store(store) as opened:
        assert opened.backup(tmp_path / "backup") == [live.id]
    live.finish()
    restore(tmp_path / "backup", tmp_path / "again", PASSPHRASE)
    with open_store(tmp_path / "again") as opened:
        assert live.id not in [one.id for one in opened.encounters()]


def test_a_backup_that_cannot_be_written_leaves_nothing(store: Path, tmp_path: Path) -> None:
    with open_store(store) as opened, pytest.raises(StoreError, match="cannot be read or written"):
        opened.backup(tmp_path / "missing" / "backup")
