"""record.db: encrypted, checked when it is opened, and brought from version to version."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sample_store

from voicemed import crypto, database, keyfile
from voicemed.errors import StoreDamaged, StoreError
from voicemed.store import Store

KEY = bytearray(b"k" * 32)
FIRST = Path(__file__).parent / "store_v1.backup"
"A store that the first version made; its passphrase is sample_store.PASSPHRASE."


def test_it_is_encrypted_and_for_its_owner(tmp_path: Path) -> None:
    connection = database.connect(tmp_path, KEY, new=True)
    connection.execute("INSERT INTO deleted VALUES ('a canary')")
    connection.close()
    path = tmp_path / database.NAME
    content = path.read_bytes()
    assert b"canary" not in content
    assert b"SQLite" not in content
    assert b"CREATE" not in content
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StoreDamaged, match="restore a backup"):
        database.connect(tmp_path, bytearray(b"j" * 32))


def test_what_is_deleted_is_overwritten(tmp_path: Path) -> None:
    connection = database.connect(tmp_path, KEY, new=True)
    (secure,) = connection.execute("PRAGMA secure_delete").fetchone()
    (index,) = connection.execute(
        "SELECT v FROM search_config WHERE k = 'secure-delete'"
    ).fetchone()
    connection.close()
    assert (secure, index) == (1, 1)


def test_a_lost_database_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(StoreDamaged, match="is missing"):
        database.connect(tmp_path, KEY)


def test_the_audit_log_is_only_appended_to(tmp_path: Path) -> None:
    connection = database.connect(tmp_path, KEY, new=True)
    connection.execute("INSERT INTO audit VALUES (1, '', '', '', '', '', '', '')")
    for sql in ("UPDATE audit SET who = 'x'", "DELETE FROM audit"):
        with pytest.raises(StoreError), database.failures(tmp_path):
            connection.execute(sql)
    connection.close()


def test_each_migration_happens_once_and_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / database.NAME
    database.connect(tmp_path, KEY, new=True).close()
    connection = database._opened(path, KEY)
    second = "ALTER TABLE deleted ADD COLUMN why TEXT NOT NULL DEFAULT ''"
    broken = "CREATE TABLE half (a); CREATE TABLE half (a)"
    with pytest.raises(StoreError), database.failures(tmp_path):
        database.migrate(connection, path, [*database.MIGRATIONS, second, broken])
    connection.close()
    connection = database._opened(path, KEY)
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    assert connection.execute("SELECT why FROM deleted").fetchall() == []
    assert connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'half'").fetchall() == []
    database.migrate(connection, path, [*database.MIGRATIONS, second])
    with pytest.raises(StoreError, match="newer voicemed"):
        database.migrate(connection, path)
    connection.close()


def test_a_store_of_the_first_version_is_read(tmp_path: Path) -> None:
    from voicemed.store import restore

    restore(FIRST, tmp_path / "store", sample_store.PASSPHRASE)
    with sample_store.open_store(tmp_path / "store") as opened:
        (summary,) = opened.encounters()
        record = opened.read(summary.id)
        assert [turn.text for turn in record.turns] == [
            "A correction of the first version.",
            sample_store.turn(2).text,
            sample_store.turn(3).text,
        ]
        assert record.findings[0].concept == sample_store.COUGH
        assert sample_store.same_sound(
            sample_store.heard(opened, summary.id), sample_store.sound(0.1)
        )
        assert opened.verify_audit() == opened.verify_files() == opened.problems == []


def make_first(path: Path) -> None:
    """How store_v1.backup was made: by the first version, and never again."""
    with sample_store.scratch() as folder:
        sample_store.create(folder / "store")
        id_ = sample_store.record(folder / "store", seconds=0.1)
        with sample_store.open_store(folder / "store") as opened:
            assert isinstance(opened, Store)
            opened.edit_turn(id_, 1, "A correction of the first version.")
            opened.backup(path)


def test_tables_of_a_version_that_was_never_released_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    sample_store.create(folder)
    id_ = sample_store.record(folder)
    sample_store.open_store(folder).close()
    keys = keyfile.unlock(folder, keyfile.load(folder), sample_store.PASSPHRASE)
    connection = database.connect(folder, keys.master)
    connection.execute("ALTER TABLE transcripts RENAME COLUMN said TO spoken")
    connection.close()
    with (
        sample_store.open_store(folder) as opened,
        pytest.raises(StoreError, match="does not have the tables of this voicemed"),
    ):
        opened._records.summary(id_)


def test_a_key_of_a_database_is_its_own(tmp_path: Path) -> None:
    assert crypto.derive(KEY, b"voicemed database") != crypto.derive(KEY, b"voicemed backup")
