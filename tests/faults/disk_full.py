"""The disk becomes full while an encounter is recorded, and while a store is opened.

    python tests/faults/disk_full.py [--limits 20]

The size of files is limited (RLIMIT_FSIZE), each time to another one. The recorder has to say so
with the sound that does not fit any more, turns still have to be taken as long as there is room for
them, and all that was acknowledged before has to be there. Then a disk without any room: once there
is some again, the recorder goes on and nothing is missing. At last the import into the database
fails, which has to leave a store that opens later. The exit code is 1 if anything is lost.
"""

from __future__ import annotations

import argparse
import errno
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import power_cut
import sample_store

from voicemed import sealed
from voicemed.audio import Seconds
from voicemed.errors import StoreError

_SOUND = sample_store.sound(12)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limits", type=int, default=20)
    limits = parser.parse_args().limits
    with sample_store.scratch() as folder:
        problems, slowest = limit_often(folder, limits)
        problems += run_out_of_room(folder / "none") + fail_to_import(folder / "import")
    for problem in problems:
        print(problem)
    print(f"{limits} limits, {len(problems)} problems; slowest alarm after {slowest * 1000:.0f} ms")
    sys.exit(bool(problems))


def limit_often(folder: Path, limits: int) -> tuple[list[str], Seconds]:
    """What went wrong, and how long the slowest alarm took from the call that could not write."""
    problems, slowest = [], 0.0
    for number in range(limits):
        limit = 20_000 + number * 350_000 // max(1, limits - 1)
        store = folder / f"limit{number}"
        sample_store.create(store)
        told = in_child(lambda store=store, limit=limit: _record(store, limit))  # type: ignore[misc]
        id_, samples, turns, seconds, failure = told.split()
        slowest = max(slowest, float(seconds))
        if failure != "EFBIG":
            problems.append(f"limit {limit}: {failure} instead of EFBIG")
        with sample_store.open_store(store) as opened:
            record, heard = opened.read(id_), sample_store.heard(opened, id_)
            found = [*opened.problems, *opened.verify_audit(), *opened.verify_files()]
        problems += [f"limit {limit}: {text}" for text in found]
        if len(heard) < int(samples) or not sample_store.same_sound(heard, _SOUND[: len(heard)]):
            problems.append(f"limit {limit}: sound that was acknowledged is lost")
        if len(record.turns) != int(turns):
            problems.append(f"limit {limit}: {len(record.turns)} of {turns} turns are there")
    return problems, slowest


def _record(store: Path, limit: int) -> str:
    """Record until the disk is full, and then turns; what was acknowledged."""
    recorder = sample_store.begin(store)
    _limit(limit)
    samples = given = turns = 0
    failure, seconds = "none", 0.0
    for chunk in sample_store.chunks(_SOUND):
        began = time.monotonic()
        try:
            recorder.audio(chunk)
            given += len(chunk)
            if given - samples > 16_000:
                recorder.sync()
                samples = given
        except StoreError as error:
            seconds = time.monotonic() - began
            failure = errno.errorcode[_number(error)]
            break
    with suppress(StoreError):
        for number in range(1, 6):  # these are small
            recorder.turn(sample_store.turn(number))
            turns = number
    with suppress(StoreError):
        recorder.finish()
    return f"{recorder.id} {samples} {turns} {seconds} {failure}"


def _limit(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write fails with EFBIG
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _number(error: BaseException) -> int:
    assert isinstance(error.__cause__, OSError)
    return error.__cause__.errno or 0


def in_child(work: Callable[[], str]) -> str:
    """What a function returns that runs in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        text = "failed"
        try:
            text = work()
        finally:
            os.write(writing, text.encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


def run_out_of_room(store: Path) -> list[str]:
    """A disk that takes nothing for a while."""
    room = [1 << 40]

    class FullFile(sealed.DiskFile):
        def write(self, offset: int, data: bytes) -> int:
            if room[0] <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            taken = super().write(offset, data[: room[0]])
            room[0] -= taken
            return taken

    sample_store.create(store)
    problems, failures = [], 0
    with power_cut.replaced(FullFile):
        recorder = sample_store.begin(store)
        for number, chunk in enumerate(sample_store.chunks(_SOUND)):
            if number == 100:
                room[0] = 5_000  # a part of a frame still fits
            if number == 150:
                room[0] = 1 << 40
            try:
                recorder.audio(chunk)
                if number % 40 == 0:
                    recorder.turn(sample_store.turn(number // 40 + 1))
            except StoreError as error:
                failures += 1
                if _number(error) != errno.ENOSPC:
                    problems.append("the cause of a failure is not that the disk is full")
        recorder.finish()
    if not failures:
        problems.append("a full disk went unnoticed")
    with sample_store.open_store(store) as opened:
        problems += [*opened.problems, *opened.verify_files()]
        if not sample_store.same_sound(sample_store.heard(opened, recorder.id), _SOUND):
            problems.append("sound is missing after there was room again")
        if len(opened.read(recorder.id).turns) != 10:
            problems.append("turns are missing after there was room again")
    return problems


def fail_to_import(store: Path) -> list[str]:
    """No room for the database to grow."""
    sample_store.create(store)
    ids = {sample_store.record(store, seed) for seed in range(3)}
    size = (store / "record.db").stat().st_size

    def work() -> str:
        _limit(size)
        try:
            sample_store.open_store(store)
        except StoreError as error:
            return str(error)
        return "it opened"

    said = in_child(work)
    problems = [] if "make room" in said else [f"import on a full disk: {said}"]
    with sample_store.open_store(store) as opened:
        problems += [*opened.problems, *opened.verify_audit(), *opened.verify_files()]
        if {one.id for one in opened.encounters()} != ids:
            problems.append("an encounter is lost by an import that failed")
    return problems


if __name__ == "__main__":
    main()
