"""A recorder is killed (SIGKILL) at random moments, and what it had acknowledged has to be there.

    python tests/faults/kill_recorder.py [--moments 200] [--seed 1]

Each time a process records sound as fast as it can, a turn for each second, and tells through a
pipe what it has handed over and what was acknowledged. It is killed when it has handed over a
random part, or in its last steps. Then the store has to open, at most 1 s of sound may be missing,
every acknowledged turn has to be there, word for word, and nothing may pass for damage. The exit
code is 1 if anything is lost.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import sample_store

from voicemed.audio import SAMPLE_RATE, Seconds
from voicemed.records import State

LENGTH: Seconds = 12.0
ALLOWED: Seconds = 1.0
_SOUND = sample_store.sound(LENGTH)


@dataclass(slots=True)
class Told:
    """What the recorder said before it was killed."""

    id: str = ""
    given: int = 0
    "Samples that it was handed."
    synced: int = 0
    "Samples that it said are on the disk."
    turns: int = 0
    ended: bool = False


def main() -> None:
    options = sample_store.killing_options(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        problems, most = kill_often(Path(folder) / "store", options.moments, options.seed)
    sample_store.report_kills(problems, most, options.moments, "recorders")


def kill_often(folder: Path, moments: int, seed: int) -> tuple[list[str], Seconds]:
    """What was lost that must not be, and the most sound that was lost."""
    sample_store.create(folder)

    def kill(moment: int, delay: Seconds) -> tuple[Seconds, list[str]]:
        return inspect(folder, record_and_kill(folder, moment, delay))

    return sample_store.kill_often(kill, len(_SOUND), moments, seed, beyond=0.1, delay=0.002)


def record_and_kill(folder: Path, moment: int, delay: Seconds) -> Told:
    """A recorder that is killed so long after it was handed so many samples."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _record(folder, writing)
        finally:
            os._exit(0)
    os.close(writing)
    told = Told()
    with os.fdopen(reading, encoding="ascii") as lines:
        for line in lines:
            _hear(line, told)
            if told.given >= moment or told.ended:
                time.sleep(delay)
                os.kill(child, signal.SIGKILL)
                break
        for line in lines:  # what it had said until it was dead
            _hear(line, told)
    os.waitpid(child, 0)
    return told


def _record(folder: Path, pipe: int) -> None:
    def tell(line: str) -> None:
        os.write(pipe, f"{line}\n".encode())

    recorder = sample_store.begin(folder)
    tell(f"id {recorder.id}")
    given, turns = 0, 0
    for chunk in sample_store.chunks(_SOUND):
        recorder.audio(chunk)
        given += len(chunk)
        tell(f"given {given}")
        if given // SAMPLE_RATE > turns:
            recorder.sync()
            tell(f"synced {given}")
            turns += 1
            recorder.turn(sample_store.turn(turns))
            tell(f"turns {turns}")
    recorder.finish()
    tell("ended 1")


def _hear(line: str, told: Told) -> None:
    if line.endswith("\n"):  # or it was killed in the middle of it
        name, value = line.split()
        setattr(told, name, value if name == "id" else int(value))


def inspect(folder: Path, told: Told) -> tuple[Seconds, list[str]]:
    """Seconds of sound that are missing, and what else is wrong."""
    with sample_store.open_store(folder) as opened:
        problems = list(opened.problems)
        if not told.id:
            return 0.0, problems
        record = opened.read(told.id)
        stored = sample_store.heard(opened, told.id)
        state = next(one.state for one in opened.encounters() if one.id == told.id)
    lost = max(0, told.given - len(stored)) / SAMPLE_RATE
    if lost > ALLOWED:
        problems.append(f"{lost:.2f} s of {told.given / SAMPLE_RATE:.2f} s are lost")
    if len(stored) < told.synced:
        problems.append("sound is lost that was on the disk")
    if not sample_store.same_sound(stored, _SOUND[: len(stored)]):
        problems.append("the sound is not the one that was recorded")
    if record.turns[: told.turns] != tuple(map(sample_store.turn, range(1, told.turns + 1))):
        problems.append(f"{told.turns} turns were acknowledged, {len(record.turns)} are there")
    if state not in (State.RECOVERED, State.COMPLETE) or (told.ended and state != State.COMPLETE):
        problems.append(f"it counts as {state}")
    return lost, problems


if __name__ == "__main__":
    main()
