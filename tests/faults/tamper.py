"""A store is tampered with in random ways, and each time that has to be found out.

    python tests/faults/tamper.py [--times 1000] [--seed 1]

The store has encounters that were imported (finished, ended by a crash, edited), one that was
finished and not imported, and one that a crash ended and that was not imported. Each time one of
its files is changed: a bit flipped, a piece cut out, the end cut off, two pieces swapped, a piece
repeated in the place of another, noise appended, the file lost, or swapped with the same file of
another encounter; in the database pages are flipped, swapped, cut, or replaced by those that stood
there before the edit (where that has any effect); store.json is flipped and cut. Found means: the
store refuses to open, or names the problem, or `verify_audit` (against a printed head) or
`verify_files` does.

What the design cannot find is left out here, see docs/store-format.md: the loss of records that
were never acknowledged, and of a whole encounter, before it was imported. The exit code is 1 if
anything goes unnoticed.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import sample_store

from voicemed.errors import StoreError
from voicemed.records import State
from voicemed.store import Store

PAGE = 4096
HEADER = 62
_KINDS = ("audio", "journal", "audio.key", "journal.key", "store.json", "db")
FRAMES = {"audio": 4 + 16_000 + 16, "journal": 1024, "record.db": PAGE}


@dataclass(frozen=True, slots=True)
class Victim:
    """A store, what it is like, and what record.db was before the last edit."""

    folder: Path
    states: dict[str, State]
    head: str
    older: bytes
    unfinished: str
    "The encounter that a crash ended and that is not imported."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with sample_store.scratch() as folder:
        done, idle, unnoticed = tamper_often(folder, options.times, options.seed)
    for what in unnoticed:
        print(f"unnoticed: {what}")
    for what, count in sorted(done.items()):
        print(f"{count:5} {what}")
    print(f"{idle} older pages of the database without any effect, not counted")
    print(f"{options.times - len(unnoticed)} of {options.times} tamperings found")
    sys.exit(bool(unnoticed))


def tamper_often(folder: Path, times: int, seed: int) -> tuple[Counter[str], int, list[str]]:
    """How often each kind of file was changed in which way, how often in vain, and what went
    unnoticed."""
    victim = make_victim(folder / "store")
    assert problems(victim.folder, victim) == []
    untouched = contents(victim.folder)
    random_ = random.Random(seed)
    done: Counter[str] = Counter()
    unnoticed = []
    number = idle = 0
    while sum(done.values()) < times:
        number += 1
        copy = folder / f"copy{number}"
        _copy(victim.folder, copy)
        path, what = tamper(copy, victim, random_)
        if not problems(copy, victim):
            if path.name == "record.db" and contents(copy) == untouched:
                shutil.rmtree(copy)
                idle += 1
                continue  # nothing that anybody reads or finds is other than it was
            unnoticed.append(f"{what} of {path.relative_to(copy)} ({number})")
        done[f"{path.name}: {what}"] += 1
        shutil.rmtree(copy)
    return done, idle, unnoticed


def make_victim(folder: Path) -> Victim:
    sample_store.create(folder)
    ids = [sample_store.record(folder, seed, finish=seed != 2) for seed in range(3)]
    with sample_store.open_store(folder) as opened:
        opened.edit_turn(ids[0], 1, "A first correction.")
        opened.read(ids[1])
    older = (folder / "record.db").read_bytes()
    with sample_store.open_store(folder) as opened:
        opened.edit_turn(ids[0], 2, "A second correction, which is later than the pages.")
        opened.edit_note(ids[1], "# Another note")
        head = opened.audit_head()
    ids.append(sample_store.record(folder, 3))
    ids.append(sample_store.record(folder, 4, finish=False))
    states = dict.fromkeys(ids, State.COMPLETE)
    states[ids[2]] = states[ids[4]] = State.RECOVERED
    return Victim(folder, states, head, older, ids[4])


def _copy(store: Path, copy: Path) -> None:
    """Links are fast; what is tampered with becomes a file of its own."""
    shutil.copytree(store, copy, copy_function=os.link)
    _own(copy / "record.db")


def _own(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


def problems(folder: Path, victim: Victim) -> list[str]:
    """All that is noticed."""
    try:
        with sample_store.open_store(folder) as opened:
            return _noticed(opened, victim)
    except StoreError as error:
        return [str(error)]


def contents(folder: Path) -> object:
    """All that the store shows, and where each word is found."""
    copy = folder.with_name(f"{folder.name}-read")
    _copy(folder, copy)
    try:
        with sample_store.open_store(copy) as opened:
            ids = [one.id for one in opened.encounters()]
            records = [replace(opened.read(id_), audit=()) for id_ in ids]
            texts = " ".join(t.text for r in records for t in r.turns) + str(records)
            words = sorted(set(re.findall(r"\w+", texts)))
            return records, [opened.search(word) for word in words]
    finally:
        shutil.rmtree(copy)


def _noticed(opened: Store, victim: Victim) -> list[str]:
    found = [*opened.problems, *opened.verify_audit(victim.head), *opened.verify_files()]
    states = {one.id: one.state for one in opened.encounters()}
    if states != victim.states:
        found.append(f"the encounters are not what they were: {states}")
    return found


# --- what is done --------------------------------------------------------------------------------


def tamper(copy: Path, victim: Victim, random_: random.Random) -> tuple[Path, str]:
    """Change one file in some way, until it is another."""
    while True:
        path = random_.choice(_targets(copy, victim, random_))
        what = random_.choice(list(_WAYS))
        before = path.read_bytes()
        after = _WAYS[what](path, before, victim, random_)
        if after == before or (path.name == "record.db" and what in ("append", "lose")):
            continue
        path.unlink()
        if after is not None:
            path.write_bytes(after)
        return path, what


def _targets(copy: Path, victim: Victim, random_: random.Random) -> list[Path]:
    """Files of one kind."""
    kind = random_.choice([*_KINDS, "db"])  # the database twice as often
    if kind == "db":
        return [copy / "record.db"]
    if kind == "store.json":
        return [copy / kind]
    paths = list(copy.glob(f"encounters/*/{kind}"))
    # The end of a journal that was never imported may be what a crash left.
    return [p for p in paths if kind != "journal" or p.parent.name != victim.unfinished]


def _flip(path: Path, data: bytes, victim: Victim, random_: random.Random) -> bytes:
    at = random_.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random_.randrange(8)]) + data[at + 1 :]


def _pieces(path: Path, data: bytes) -> tuple[bytes, list[bytes]]:
    """The beginning that has no pieces, and the pieces."""
    size = FRAMES.get(path.name, 8)
    start = HEADER if path.name in ("audio", "journal") else 0
    return data[:start], [data[i : i + size] for i in range(start, len(data), size)]


def _cut(path: Path, data: bytes, victim: Victim, random_: random.Random) -> bytes:
    start, pieces = _pieces(path, data)
    del pieces[random_.randrange(len(pieces))]
    return start + b"".join(pieces)


def _truncate(path: Path, data: bytes, victim: Victim, random_: random.Random) -> bytes:
    start, pieces = _pieces(path, data)
    if random_.random() < 0.5:
        return start + b"".join(pieces[: random_.randrange(len(pieces))])
    return data[: random_.randrange(len(data))]


def _swap(path: Path, data: bytes, victim: Victim, random_: random.Random) -> bytes:
    start, pieces = _pieces(path, data)
    i, j = random_.randrange(len(pieces)), random_.randrange(len(pieces))
    pieces[i], pieces[j] = pieces[j], pieces[i]
    return start + b"".join(pieces)


def _replay(path: Path, data: bytes, victim: Victim, random_: random.Random) -> bytes:
    """A piece that is authentic in another place, or was, in the database, at another time."""
    start, pieces = _pieces(path, data)
    i = random_.randrange(len(pieces))
    if path.name == "record.db":
        pieces[i] = _pieces(path, victim.older)[1][i % (len(victim.older) // PAGE)]
    elif random_.random() < 0.5:
        pieces[i] = random_.choice(pieces)
    else:
        others = [p for p in path.parent.parent.glob(f"*/{path.name}") if p != path]
        others_pieces = _pieces(path, random_.choice(others or [path]).read_bytes())[1]
        pieces[i] = others_pieces[i % len(others_pieces)]
    return start + b"".join(pieces)


def _append(path: Path, data: bytes, victim: Victim, random_: random.Random) -> bytes:
    # An unfinished stream may have a torn end.
    torn = path.parent.name in victim.states and victim.states[path.parent.name] != State.COMPLETE
    return data if torn and path.name in FRAMES else data + random_.randbytes(2000)


def _lose(path: Path, data: bytes, victim: Victim, random_: random.Random) -> None:
    return None


def _exchange(path: Path, data: bytes, victim: Victim, random_: random.Random) -> bytes:
    """The file of another encounter."""
    others = [p for p in path.parent.parent.glob(f"*/{path.name}") if p != path]
    return random_.choice(others).read_bytes() if others else data


_WAYS: dict[str, Callable[[Path, bytes, Victim, random.Random], bytes | None]] = {
    "flip": _flip,
    "cut": _cut,
    "truncate": _truncate,
    "swap": _swap,
    "replay": _replay,
    "append": _append,
    "lose": _lose,
    "exchange": _exchange,
}


if __name__ == "__main__":
    main()
