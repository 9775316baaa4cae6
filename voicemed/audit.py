"""The audit log: a chain of hashes, in which each entry vouches for all before it.

Who has the keys of the store could write the whole chain anew; that is found out by comparing with
a head that was printed, or written down elsewhere, before.
"""

from __future__ import annotations

import getpass
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from voicemed.encounter import AuditEntry
from voicemed.errors import StoreError

_HEAD_DIGITS = 32
"Of a digest in a printed head: 128 bits."


def system_user() -> str:
    """Who is logged in, as far as the operating system tells."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container without a list of users
        return "unknown"


def origin(store: str) -> str:
    """What stands in place of the digest before the first entry: no other store's chain fits."""
    return hashlib.sha256(f"voicemed audit log of {store}".encode()).hexdigest()


def entry(
    previous: AuditEntry | None,
    store: str,
    *,
    who: str,
    action: str,
    encounter: str = "",
    details: str = "",
    content: str = "",
    at: datetime | None = None,
) -> AuditEntry:
    """The entry that follows `previous`."""
    number = previous.number + 1 if previous else 1
    at = at or datetime.now(UTC)
    one = AuditEntry(number, at, who, action, encounter, details, "", content)
    return replace(one, digest=digest(one, previous.digest if previous else origin(store)))


def digest(one: AuditEntry, before: str) -> str:
    """What the digest of an entry must be."""
    number, at = one.number, one.at.isoformat()
    fields = [before, number, at, one.who, one.action, one.encounter, one.details, one.content]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


def head(entries: Sequence[AuditEntry]) -> str:
    """What to print and keep elsewhere: the number and digest of the last entry."""
    return f"{entries[-1].number}-{entries[-1].digest[:_HEAD_DIGITS]}" if entries else "0-"


def problems(entries: Iterable[AuditEntry], store: str, printed: str = "") -> list[str]:
    """What is wrong with the chain, a line each.

    printed: a head that `head` made before; StoreError if it is none.
    """
    found: list[str] = []
    before, expected = origin(store), 1
    digests = {0: ""}
    for one in entries:
        if one.number != expected:
            found.append(f"audit entry {expected} is missing or out of place")
        if one.digest != digest(one, before):
            found.append(f"audit entry {one.number} was changed, or the one before it")
        before, expected = one.digest, one.number + 1
        digests[one.number] = one.digest
    if printed:
        number, start = _parsed(printed)
        if number not in digests:
            found.append(f"the audit log was cut: entry {number} of the printed head is not there")
        elif digests[number][:_HEAD_DIGITS] != start:
            found.append(f"audit entry {number} is not the one of the printed head")
    return found


def _parsed(printed: str) -> tuple[int, str]:
    number, dash, start = printed.strip().lower().partition("-")
    if not dash or not number.isdecimal() or (number != "0" and len(start) != _HEAD_DIGITS):
        raise StoreError("that is no head of an audit log: give it as `voicemed audit head` shows")
    return int(number), start
