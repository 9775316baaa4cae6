"""The power fails after every write of a recorder, and the disk keeps what it likes of the rest.

    python tests/faults/power_cut.py [--random 300] [--seed 1]

A recorder runs once; each of its writes and flushes is written down. Then the disk is made again as
a power cut at each place in between may leave it: what was flushed is there; of what was not, all,
nothing, its beginning, that and zeros, all with a hole, or noise. At random places each write has
another fate. Each time the store has to open, whatever was acknowledged by then has to be there,
and nothing may pass for damage. The exit code is 1 if anything is lost.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import sample_store

from voicemed import sealed
from voicemed.records import State

_SOUND = sample_store.sound(3.3)


@dataclass(frozen=True, slots=True)
class Write:
    path: Path
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Flush:
    path: Path


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What has to be there from now on."""

    samples: int
    turns: int
    begun: bool = True
    ended: bool = False


@dataclass(slots=True)
class Log:
    id: str = ""
    steps: list[Write | Flush | Acknowledged] = field(default_factory=list)


Keep = Callable[[bytes], bytes]
"What a disk keeps of bytes that were not flushed."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--random", type=int, default=300, help="cuts beside those after each step")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with sample_store.scratch() as folder:
        cuts, problems = cut_often(folder, options.random, options.seed)
    for problem in problems:
        print(problem)
    print(f"{cuts} power cuts, {len(problems)} problems")
    sys.exit(bool(problems))


def cut_often(folder: Path, randomly: int, seed: int, every: int = 1) -> tuple[int, list[str]]:
    """Cut after each step (or each `every`-th), and at random; how often, and what went wrong."""
    store = folder / "store"
    sample_store.create(store)
    log = logged(store)
    random_ = random.Random(seed)
    cuts: list[tuple[int, list[Keep]]] = []
    for after in range(0, len(log.steps) + 1, every):
        cuts += [(after, [keep]) for keep in (_nothing, bytes)]
    for _ in range(randomly):
        cuts.append((random_.randint(0, len(log.steps)), _choices(random_)))
    problems = []
    for number, (after, keeps) in enumerate(cuts):
        keep = partial(random_.choice, keeps)
        found = cut(store, folder / str(number), log, after, keep)
        problems += [f"cut {number} after step {after}: {text}" for text in found]
    return len(cuts), problems


def logged(store: Path) -> Log:
    """All that a recorder does to the disk, and what it acknowledges."""
    log = Log()

    class LoggedFile(sealed.DiskFile):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            self._path = path.relative_to(store)
            log.steps.append(Write(self._path, 0, b""))

        def write(self, offset: int, data: bytes) -> int:
            log.steps.append(Write(self._path, offset, data))
            return super().write(offset, data)

        def sync(self) -> None:
            log.steps.append(Flush(self._path))

    with replaced(LoggedFile):
        log.id = _record(store, log)
    shutil.rmtree(store / "encounters" / log.id)
    return log


@contextmanager
def replaced(file: type[sealed.DiskFile]) -> Iterator[None]:
    """Another kind of disk."""
    real = sealed.DiskFile
    sealed.DiskFile = file  # type: ignore[misc]
    try:
        yield
    finally:
        sealed.DiskFile = real  # type: ignore[misc]


def _record(store: Path, log: Log) -> str:
    recorder = sample_store.begin(store)
    samples = turns = 0
    log.steps.append(Acknowledged(samples, turns))
    given = 0
    for chunk in sample_store.chunks(_SOUND):
        recorder.audio(chunk)
        given += len(chunk)
        if given // 8000 > turns:
            recorder.sync()
            samples = given
            log.steps.append(Acknowledged(samples, turns))
            turns += 1
            recorder.turn(sample_store.turn(turns, "word " * (40 * turns)))  # of several frames
            log.steps.append(Acknowledged(samples, turns))
    recorder.finish()
    log.steps.append(Acknowledged(len(_SOUND), turns, ended=True))
    return recorder.id


def _nothing(_: bytes) -> bytes:
    return b""


def _choices(random_: random.Random) -> list[Keep]:
    def beginning(data: bytes) -> bytes:
        return data[: random_.randint(0, len(data))]

    def zeros(data: bytes) -> bytes:  # the size of the file was on the disk, its content was not
        return beginning(data).ljust(len(data), b"\0")

    def noise(data: bytes) -> bytes:
        return random_.randbytes(len(data))

    def hole(data: bytes) -> bytes:  # a page in the middle was not written
        at = random_.randint(0, len(data)) // 1024 * 1024
        return data[:at] + bytes(len(data[at : at + 1024])) + data[at + 1024 :]

    return [_nothing, bytes, beginning, zeros, noise, hole]


def cut(store: Path, copy: Path, log: Log, after: int, keep: Callable[[], Keep]) -> list[str]:
    """The power fails after so many steps: what is wrong with the store then."""
    shutil.copytree(store, copy)
    folder = copy / "encounters" / log.id
    folder.mkdir()
    expected = Acknowledged(0, 0, begun=False)
    waiting: dict[Path, list[Write]] = {}
    for step in log.steps[:after]:
        match step:
            case Write(path):
                waiting.setdefault(path, []).append(step)
            case Flush(path):
                _write(copy, waiting.pop(path, []), lambda: bytes)
            case Acknowledged():
                expected = step
    for writes in waiting.values():
        _write(copy, writes, keep)
    try:
        return inspect(copy, log.id, expected)
    finally:
        shutil.rmtree(copy)


def _write(copy: Path, writes: list[Write], keep: Callable[[], Keep]) -> None:
    for write in writes:
        path = copy / write.path
        path.touch()
        with path.open("r+b") as file:
            file.seek(write.offset)
            file.write(keep()(write.data))


def inspect(store: Path, id_: str, expected: Acknowledged) -> list[str]:
    with sample_store.open_store(store) as opened:
        summaries = {one.id: one for one in opened.encounters()}
        problems = list(opened.problems) if expected.begun else []
        problems += opened.verify_audit() + opened.verify_files()
        if id_ not in summaries:
            return [*problems, *(["it is lost"] if expected.begun else [])]
        record, heard = opened.read(id_), sample_store.heard(opened, id_)
    if len(heard) < expected.samples:
        problems.append(f"{expected.samples} samples were acknowledged, {len(heard)} are there")
    if not sample_store.same_sound(heard, _SOUND[: len(heard)]):
        problems.append("the sound is not the one that was recorded")
    if len(record.turns) < expected.turns:
        problems.append(f"{expected.turns} turns were acknowledged, {len(record.turns)} are there")
    state = summaries[id_].state
    if expected.begun and (state not in (State.COMPLETE, State.RECOVERED)):
        problems.append(f"it counts as {state}")
    if expected.ended and state != State.COMPLETE:
        problems.append(f"it was finished and counts as {state}")
    return problems


if __name__ == "__main__":
    main()
