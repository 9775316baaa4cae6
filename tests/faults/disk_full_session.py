"""The disk gets full during a live session: how soon is it said, and what is there afterwards.

    python tests/faults/disk_full_session.py [--kilobytes 300]

A session of its own runs the live loop on a sample at the pace at which it was spoken, and the
system allows it no file beyond so many kilobytes (RLIMIT_FSIZE), as if the disk were full in mid
sentence. The alarm has to come within 2 s of the first write that fails, on the screen and aloud,
the consultation has to go on to its last turn, and all that was stored before has to be readable,
but for at most 1 s of sound. The exit code is 1 if not.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

import sample_session
import sample_store
from sample_session import SAMPLE

from voicemed import store
from voicemed.audio import SAMPLE_RATE, Samples, Seconds
from voicemed.live import Event, Replied, TurnAdded
from voicemed.microphone import FileSource

WITHIN: Seconds = 2.0
ALLOWED: Seconds = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kilobytes", type=int, default=300)
    parser.add_argument("--pace", choices=("realtime", "fast"), default="realtime")
    parser.add_argument("--session", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.session is not None:
        run_session(options.session, options.kilobytes, options.pace)
        return
    with tempfile.TemporaryDirectory() as folder:
        after, problems = fill(Path(folder) / "store", options.kilobytes, options.pace)
    for problem in problems:
        print(problem)
    print(f"alarm {after:.2f} s after the first write that failed; {len(problems)} problems")
    sys.exit(bool(problems))


def fill(folder: Path, kilobytes: int, pace: str) -> tuple[Seconds, list[str]]:
    """How long the alarm took, and what was wrong."""
    sample_store.create(folder)
    command = [sys.executable, __file__, "--session", str(folder), "--pace", pace]
    command += ["--kilobytes", str(kilobytes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(done.stdout)
    problems = []
    if not told["alarms"]:
        return 0.0, ["no alarm"]
    after = told["alarms"][0] - told["failed"]
    if after > WITHIN or len(told["alarms"]) > 1 or "disk is full" not in told["shown"]:
        problems.append(f"{len(told['alarms'])} alarms, after {after:.2f} s: {told['shown']}")
    if told["last"] < told["duration"] - 5:
        problems.append(f"the consultation went on only to {told['last']:.1f} s")
    with sample_store.open_store(folder) as opened:
        record = opened.read(told["id"])
        sound = sample_store.heard(opened, told["id"]).size / SAMPLE_RATE
    if sound < told["given"] / SAMPLE_RATE - ALLOWED:
        problems.append(f"{sound:.2f} s of {told['given'] / SAMPLE_RATE:.2f} s of sound are there")
    stored = {turn.id for turn in record.turns}
    if missing := set(told["before"]) - stored:
        problems.append(f"turns {sorted(missing)} of before are missing")
    return after, problems


def run_session(folder: Path, kilobytes: int, pace: Literal["realtime", "fast"]) -> None:
    told: dict[str, object] = {"alarms": [], "before": [], "failed": 0.0, "given": 0}

    class Recorder:
        """Notes when the real one fails first, and what it had been given by then."""

        def __init__(self, real: store.Recorder) -> None:
            self._real = real
            self._given = 0

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

        def audio(self, samples: Samples) -> None:
            try:
                self._real.audio(samples)
            except Exception:
                told.update(failed=time.monotonic(), given=self._given)
                raise
            self._given += samples.size

        def sync(self) -> None:
            try:
                self._real.sync()
            except Exception:
                told.update(failed=time.monotonic(), given=self._given)
                raise

    def begin() -> Recorder:
        real = sample_store.begin(folder)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1000, kilobytes * 1000))
        return Recorder(real)

    loop = sample_session.loop(FileSource(SAMPLE, pace=pace), begin)  # type: ignore[arg-type]
    alarms: list[float] = []
    before: list[int] = []

    def observe(event: Event) -> None:
        if isinstance(event, Replied) and "I have stopped recording" in event.text:
            alarms.append(time.monotonic())
        if isinstance(event, TurnAdded) and not loop.record_failure:
            before.append(event.turn.id)

    loop.run(observe)
    told.update(
        id=loop.record_id,
        alarms=alarms,
        before=before,
        shown=loop.status.alarm,
        last=loop.encounter.turns[-1].end,
        duration=loop.status.elapsed,
    )
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
