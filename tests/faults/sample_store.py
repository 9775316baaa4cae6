"""Stores to do harm to: cheap to open, with sound that tells where it is from."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from voicemed import crypto, store
from voicemed.assertion import Assertion, Status
from voicemed.audio import SAMPLE_RATE, Samples, Seconds
from voicemed.encounter import Consent, EncounterKind, Patient
from voicemed.findings import Finding, StatusChange
from voicemed.lexicon import Concept
from voicemed.transcript import Span, Turn, Word

PASSPHRASE = "correct horse battery staple"
EFFORT = crypto.Effort(memory=64, iterations=1, lanes=4)
"Guessing costs nothing, for speed."
CHUNK = 512
"Samples that a microphone hands over at once."
COUGH = Concept("http://purl.obolibrary.org/obo/hp.owl", "HP:0012735", "cough", "R05.9", "咳嗽")


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory, where there is one: what is flushed to a disk takes its time."""
    memory = Path("/dev/shm")
    there = memory.is_dir() and os.access(memory, os.W_OK)
    roomy = there and shutil.disk_usage(memory).free > 100_000_000
    with tempfile.TemporaryDirectory(dir=memory if roomy else None) as folder:
        yield Path(folder)


def create(folder: Path) -> str:
    return store.create(folder, PASSPHRASE, effort=EFFORT)


def open_store(folder: Path) -> store.Store:
    return store.Store.open(folder, PASSPHRASE, who="tester", wait=0)


def sound(seconds: Seconds, seed: int = 0) -> Samples:
    """Noise of 16 bits that no other seed has."""
    levels = np.random.default_rng(seed).integers(-9000, 9000, round(seconds * SAMPLE_RATE))
    return (levels / 32767).astype(np.float32)


def same_sound(one: Samples, other: Samples) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, atol=1e-5))


def chunks(samples: Samples) -> Iterator[Samples]:
    for start in range(0, len(samples), CHUNK):
        yield samples[start : start + CHUNK]


def turn(number: int, text: str = "I have had a cough for three days.") -> Turn:
    start = float(number)
    words = (Word(f" {one}", start + n / 10, start + n / 10 + 0.07, 1 / (n + 3))
             for n, one in enumerate(text.split()))  # fmt: skip
    return Turn(number, "patient" if number % 2 else "doctor", tuple(words))


def finding(number: int) -> Finding:
    return Finding(
        COUGH,
        Assertion(Status.PRESENT),
        (Span(number, 4, 4),),
        {"duration": "for three days"},
        0.7,
        history=(StatusChange(Status.PRESENT, number),),
    )


def begin(folder: Path, name: str = "Ann Example") -> store.Recorder:
    return store.Recorder.begin(
        folder, kind=EncounterKind.SESSION, clinician="Dr Lee", patient=Patient(name, "17")
    )


def record(folder: Path, seed: int = 0, seconds: Seconds = 2.2, *, finish: bool = True) -> str:
    """An encounter with sound, turns, findings, a note and consent; its id."""
    recorder = begin(folder, f"Patient {seed}")
    recorder.consent(Consent(True, datetime.now(UTC), "patient", "Dr Lee"))
    for chunk in chunks(sound(seconds, seed)):
        recorder.audio(chunk)
    recorder.sync()
    for number in (1, 2, 3):
        recorder.turn(turn(number), "en")
    recorder.findings([finding(1)])
    recorder.note(f"# Note {seed}")
    recorder.event("reply spoken")
    if finish:
        recorder.finish(model="stand-in", dropped={"silence": 2})
    else:
        recorder.close()
    return recorder.id


def heard(opened: store.Store, id_: str) -> Samples:
    """All the sound that is stored."""
    return np.concatenate([np.zeros(0, np.float32), *(c.samples for c in opened.audio(id_))])


# --- killing -------------------------------------------------------------------------------------


def kill_often(
    kill: Callable[[int, Seconds], tuple[Seconds, list[str]]],
    samples: int,
    moments: int,
    seed: int,
    *,
    beyond: float,
    delay: Seconds,
) -> tuple[list[str], Seconds]:
    """Kill at random moments; what was lost that must not be, and the most sound that was lost.

    kill: is given after how many samples, and so long after that; tells the sound that is missing,
    and what else is wrong. samples: all that there are. beyond: the part of the moments that are
    after the last sample: while it ends. delay: the longest.
    """
    random_ = random.Random(seed)
    problems: list[str] = []
    most = 0.0
    for number in range(1, moments + 1):
        moment = round(random_.uniform(0, 1 + beyond) * samples)
        lost, found = kill(moment, random_.uniform(0, delay))
        most = max(most, lost)
        problems += [f"moment {number} at {moment / SAMPLE_RATE:.2f} s: {text}" for text in found]
    return problems, most


def killing_options(description: str | None) -> argparse.ArgumentParser:
    """The command line of what kills often."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    return parser


def report_kills(problems: list[str], most: Seconds, moments: int, what: str) -> None:
    """Print what became of them, and exit with 1 if anything was lost."""
    for problem in problems:
        print(problem)
    kept = moments - len({problem.partition(":")[0] for problem in problems})
    print(f"{kept} of {moments} {what} kept what they had; most sound lost {most:.2f} s")
    sys.exit(bool(problems))
