"""record.db: an SQLCipher database, the versions of its schema, and how it is opened.

SQLCipher encrypts each page (AES-256-CBC) and authenticates it with its number (HMAC-SHA512). What
it does not notice, an older version of one of its own pages, the audit log does: see store.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from voicemed import crypto
from voicemed.errors import StoreDamaged, StoreError

NAME = "record.db"

MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE encounters (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        began TEXT NOT NULL,
        ended TEXT NOT NULL,
        state TEXT NOT NULL,
        consents TEXT NOT NULL,
        note TEXT NOT NULL,
        journal_digest TEXT NOT NULL,
        journal_frames INTEGER NOT NULL,
        audio_digest TEXT NOT NULL,
        audio_frames INTEGER NOT NULL,
        audio_samples INTEGER NOT NULL,
        audio_kept INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE transcripts (
        encounter TEXT NOT NULL REFERENCES encounters (id),
        version INTEGER NOT NULL,
        language TEXT NOT NULL,
        model TEXT NOT NULL,
        turns TEXT NOT NULL,
        findings TEXT NOT NULL,
        turn_count INTEGER NOT NULL,
        finding_count INTEGER NOT NULL,
        said REAL NOT NULL,
        PRIMARY KEY (encounter, version)
    ) STRICT;
    CREATE TABLE edits (
        number INTEGER PRIMARY KEY,
        encounter TEXT NOT NULL REFERENCES encounters (id),
        version INTEGER NOT NULL,
        edit TEXT NOT NULL
    ) STRICT;
    CREATE INDEX edits_of ON edits (encounter, number);
    CREATE TABLE deleted (encounter TEXT PRIMARY KEY) STRICT;
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        who TEXT NOT NULL,
        action TEXT NOT NULL,
        encounter TEXT NOT NULL,
        details TEXT NOT NULL,
        digest TEXT NOT NULL,
        content TEXT NOT NULL
    ) STRICT;
    CREATE INDEX audit_of ON audit (encounter, number);
    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END;
    CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END;
    CREATE VIRTUAL TABLE search USING fts5(
        encounter UNINDEXED, part UNINDEXED, number UNINDEXED, text,
        tokenize = 'unicode61 remove_diacritics 2'
    );
    INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
    """,
)
"What brings the schema from one version to the next; those that were released are never changed."


def connect(folder: Path, master: bytearray, *, new: bool = False) -> Any:
    """The open database of a store, brought to the present schema.

    The caller holds the store's lock. Raises StoreDamaged for one that is lost or was changed,
    StoreError for one of a newer voicemed.
    """
    path = folder / NAME
    if not new and not path.is_file():
        raise StoreDamaged(f"{path}: is missing: restore a backup")
    if new:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with failures(folder):
        connection = _opened(path, master)
        try:
            if not new:
                _check(connection, path)
            migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _opened(path: Path, master: bytearray) -> Any:
    from sqlcipher3 import dbapi2

    connection = dbapi2.connect(str(path), isolation_level=None)
    key = crypto.derive(master, b"voicemed database")
    try:
        connection.execute("PRAGMA cipher_log_level = NONE")  # it would write to stderr
        connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
    finally:
        crypto.wipe(key)
    for setting in (
        "cipher_memory_security = ON",
        "foreign_keys = ON",
        "journal_mode = DELETE",
        "synchronous = EXTRA",
        "secure_delete = ON",
        "temp_store = MEMORY",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {setting}")
    return connection


def _check(connection: Any, path: Path) -> None:
    """Every page is authentic and none is missing."""
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # undoes half a change
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()  # a text, from SQLCipher
    if (
        path.stat().st_size != pages * int(size)
        or connection.execute("PRAGMA cipher_integrity_check").fetchall()
    ):
        raise _damaged(path)


def migrate(connection: Any, path: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the schema to the newest version, each step as a whole or not at all."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise StoreError(f"{path}: was made by a newer voicemed: install that one")
    for number, script in enumerate(migrations[version:], version + 1):
        connection.executescript(f"BEGIN; {script}; PRAGMA user_version = {number}; COMMIT;")


@contextmanager
def failures(folder: Path) -> Iterator[None]:
    """An error of the database as a StoreError that says what to do; never what was in it."""
    from sqlcipher3 import dbapi2

    try:
        yield
    except dbapi2.ProgrammingError:
        raise  # a mistake of ours, such as a use from another thread
    except dbapi2.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) == dbapi2.SQLITE_ERROR:
            raise StoreError(
                f"{folder / NAME}: does not have the tables of this voicemed: one that was never "
                "released made it, or something changed it: use that one, or restore a backup"
            ) from error
        raise StoreError(
            f"{folder / NAME}: cannot be read or written: make room on its disk, or see who owns it"
        ) from error
    except dbapi2.DatabaseError as error:
        raise _damaged(folder / NAME) from error


def _damaged(path: Path) -> StoreDamaged:
    return StoreDamaged(f"{path}: is damaged: restore a backup")
