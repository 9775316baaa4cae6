"""A live session is killed at random moments, and what it had heard has to be in the store.

    python tests/faults/kill_session.py [--moments 200] [--seed 1]

Each time a process of its own runs the live loop on a sample as fast as can be, with the real
speech detection, symptoms and recorder; only the recogniser is a stand-in, so that a session takes
a second. It tells through a pipe what it has captured and which turns it has shown, and gets
SIGKILL when it has captured a random part of the sample, or has just ended. Then the store has to
open, at most 1 s of the captured sound may be missing, what is there has to be the sample's, and
every turn that was shown has to be there. The exit code is 1 if anything is lost.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sample_session
import sample_store
from sample_session import SAMPLE

from voicemed import store
from voicemed.audio import SAMPLE_RATE, AudioChunk, Samples, Seconds, read_blocks
from voicemed.live import Event, TurnAdded
from voicemed.microphone import FileSource, SourceEvent

ALLOWED: Seconds = 1.0
"Of sound that may be lost."


@dataclass(slots=True)
class Told:
    """What the session said of itself before it was killed."""

    id: str = ""
    captured: int = 0
    "Samples."
    turns: dict[int, str] = field(default_factory=dict)
    ended: bool = False


def main() -> None:
    parser = sample_store.killing_options(__doc__)
    parser.add_argument("--session", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.session is not None:
        run_session(options.session)
        return
    with tempfile.TemporaryDirectory() as folder:
        problems, most = kill_often(Path(folder) / "store", options.moments, options.seed)
    sample_store.report_kills(problems, most, options.moments, "sessions")


def kill_often(folder: Path, moments: int, seed: int) -> tuple[list[str], Seconds]:
    """Kill so many sessions; what was lost that must not be, and the most sound that was lost."""
    sample_store.create(folder)
    sample = np.concatenate([block.samples for block in read_blocks(SAMPLE)])

    def kill(moment: int, delay: Seconds) -> tuple[Seconds, list[str]]:
        return inspect(folder, run_and_kill(folder, moment, delay), sample)

    return sample_store.kill_often(kill, sample.size, moments, seed, beyond=0.05, delay=0.005)


def run_and_kill(folder: Path, moment: int, delay: Seconds) -> Told:
    """A session that is killed so long after it had captured so many samples."""
    command = [sys.executable, __file__, "--session", str(folder)]
    told = Told()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None
        for line in session.stdout:
            _hear(line, told)
            if told.captured >= moment or told.ended:
                time.sleep(delay)
                session.send_signal(signal.SIGKILL)
                break
        for line in session.stdout:  # what it had said until it was dead
            _hear(line, told)
    return told


def _hear(line: str, told: Told) -> None:
    if not line.endswith("\n"):
        return  # it was killed in the middle of it
    what, _, value = line.rstrip("\n").partition(" ")
    match what:
        case "begun":
            told.id = value
        case "captured":
            told.captured = int(value)
        case "turn":
            number, text = json.loads(value)
            told.turns[number] = text
        case "ended":
            told.ended = True


def inspect(folder: Path, told: Told, sample: Samples) -> tuple[Seconds, list[str]]:
    """Seconds of sound that are missing, and what else is wrong."""
    problems: list[str] = []
    with sample_store.open_store(folder) as opened:
        record = opened.read(told.id)
        sound = sample_store.heard(opened, told.id)
    lost = max(0.0, (told.captured - sound.size) / SAMPLE_RATE)
    if lost > ALLOWED:
        problems.append(f"{lost:.2f} s of {told.captured / SAMPLE_RATE:.2f} s are lost")
    length = min(sound.size, sample.size)
    if not np.allclose(sound[:length], sample[:length], atol=1 / 16_000) or sound[length:].any():
        problems.append("the sound is not that of the sample")
    stored = {turn.id: turn.text for turn in record.turns}
    for number, text in told.turns.items():
        if stored.get(number) != text:
            problems.append(f"turn {number} of {len(told.turns)} is lost")
    return lost, problems


# --- the session that is killed ------------------------------------------------------------------


def run_session(folder: Path) -> None:
    def begin() -> store.Recorder:
        recorder = sample_store.begin(folder)
        _tell(f"begun {recorder.id}")
        return recorder

    loop = sample_session.loop(_Source(SAMPLE, pace="fast"), begin)

    def observe(event: Event) -> None:
        if isinstance(event, TurnAdded):
            _tell(f"turn {json.dumps([event.turn.id, event.turn.text])}")

    loop.run(observe)
    _tell("ended")


class _Source(FileSource):
    """Tells of each chunk that is captured."""

    def events(self) -> Iterator[SourceEvent]:
        captured = 0
        for event in super().events():
            if isinstance(event, AudioChunk):
                captured += event.samples.size
                _tell(f"captured {captured}")
            yield event


def _tell(line: str) -> None:
    """Straight into the pipe: what a killed process had in a buffer would be lost."""
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main()
