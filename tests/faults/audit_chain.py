"""Every entry of an audit log is deleted, changed in each field, and swapped with every other.

    python tests/faults/audit_chain.py [--entries 60]

Each of these has to be found out; the deletion of the last ones, against a printed head. Then it is
done in the database itself, with the triggers that forbid it removed. The exit code is 1 if
anything goes unnoticed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import sample_store

from voicemed import audit, database, keyfile
from voicemed.encounter import AuditEntry

STORE = "0b1f8a5e-7a7f-4d2c-9b53-3f8a4f2f9c11"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=60)
    tried, unnoticed = forge_all(parser.parse_args().entries)
    with sample_store.scratch() as folder:
        tried_there, unnoticed_there = forge_database(folder / "store")
    for forgery in unnoticed + unnoticed_there:
        print(f"unnoticed: {forgery}")
    found = tried + tried_there - len(unnoticed + unnoticed_there)
    print(f"{found} of {tried + tried_there} forgeries found")
    sys.exit(bool(unnoticed + unnoticed_there))


def forge_all(count: int) -> tuple[int, list[str]]:
    """How many forgeries there are of a log of so many entries, and which go unnoticed."""
    log: list[AuditEntry] = []
    for number in range(count):
        last = log[-1] if log else None
        content = f"{number:064x}" if number % 3 else ""
        log.append(
            audit.entry(last, STORE, who="a", action="b", encounter="c", details="d",
                        content=content)
        )  # fmt: skip
    head = audit.head(log)
    assert audit.problems(log, STORE, head) == []
    tried, unnoticed = 0, []
    for name, forged in _forgeries(log):
        tried += 1
        if not audit.problems(forged, STORE, head):
            unnoticed.append(name)
    return tried, unnoticed


def _forgeries(log: list[AuditEntry]) -> Iterator[tuple[str, list[AuditEntry]]]:
    for i, one in enumerate(log):
        yield f"deletion of {i}", log[:i] + log[i + 1 :]
        yield f"deletion of {i}, renumbered", _renumbered(log[:i] + log[i + 1 :])
        yield f"cut after {i}", log[:i]
        yield f"repetition of {i}", [*log[: i + 1], *log[i:]]
        for field in ("who", "action", "encounter", "details", "digest", "content"):
            changed = replace(one, **{field: getattr(one, field) + "x"})
            yield f"{field} of {i}", [*log[:i], changed, *log[i + 1 :]]
        changed = replace(one, at=one.at + timedelta(microseconds=1))
        yield f"time of {i}", [*log[:i], changed, *log[i + 1 :]]
        for j in range(i + 1, len(log)):
            swapped = list(log)
            swapped[i], swapped[j] = log[j], log[i]
            yield f"swap of {i} and {j}", swapped
            yield f"swap of {i} and {j}, renumbered", _renumbered(swapped)


def _renumbered(log: list[AuditEntry]) -> list[AuditEntry]:
    return [replace(one, number=number) for number, one in enumerate(log, 1)]


def forge_database(store: Path) -> tuple[int, list[str]]:
    """The same in record.db, by somebody who has the passphrase."""
    sample_store.create(store)
    id_ = sample_store.record(store)
    with sample_store.open_store(store) as opened:
        opened.read(id_)
        opened.edit_turn(id_, 1, "Something else.")
        head, count = opened.audit_head(), len(opened.audit())
    with sample_store.open_store(store) as opened:
        assert opened.verify_audit(head) == []
    statements = [f"DELETE FROM audit WHERE number = {n}" for n in range(1, count + 1)]
    statements += [f"UPDATE audit SET who = 'x' WHERE number = {n}" for n in range(1, count + 1)]
    statements += [
        f"DELETE FROM audit WHERE number >= {count}",
        "UPDATE transcripts SET turns = replace(turns, 'cough', 'itch')",
        "UPDATE encounters SET began = replace(began, 'Patient', 'Other')",
        "UPDATE edits SET edit = replace(edit, 'Something', 'Anything')",
        "DELETE FROM edits",
        "DELETE FROM transcripts",
        "DELETE FROM edits; DELETE FROM transcripts; DELETE FROM encounters",
        "INSERT INTO deleted SELECT id FROM encounters",
    ]
    unnoticed = [sql for sql in statements if not _found(store, sql, head)]
    return len(statements), unnoticed


def _found(store: Path, sql: str, head: str) -> bool:
    """Whether a change to the database is found; then it is as it was again."""
    path = store / database.NAME
    before = path.read_bytes()
    keys = keyfile.unlock(store, keyfile.load(store), sample_store.PASSPHRASE)
    connection = database.connect(store, keys.master)
    connection.executescript(
        "DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_deleted;"
        f"PRAGMA foreign_keys = OFF; {sql};"
    )
    connection.close()
    try:
        with sample_store.open_store(store) as opened:
            return bool(opened.verify_audit(head))
    finally:
        path.write_bytes(before)


if __name__ == "__main__":
    main()
