"""How long the extractor takes for a turn: 1,000 turns of real consultations on one core.

    python benchmarks/extraction_speed.py [--data DIR] [--turns 1000]

The OSCE transcripts, one consultation after the other, go through the extractor of all kinds of
findings: once as one long encounter, and once as an encounter for each consultation. Each of the
two has a process of its own, bound to one core (on Linux), so that its peak of resident memory
(VmHWM of /proc/self/status) is its own. Loading is not part of the turns. Targets: 20 s for 1,000
turns, 30 ms for each.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any

from _machine import describe
from rich.console import Console
from rich.table import Table

from voicemed.extraction import create_extractor
from voicemed.transcript import Turn
from voicemed.transcript_reader import read_turns

SHARED = Path(__file__).resolve().parents[2] / "shared"
MODES = ("one", "each")
"One encounter of all consultations, or one for each."
TARGET_TOTAL = 0.02
"Seconds for each turn on average: 20 s for 1,000."
TARGET_TURN = 0.03
"Seconds for any turn."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--turns", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--measure", choices=MODES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    transcripts = options.data / "osce/transcripts"
    if options.measure:
        print(json.dumps(measure(transcripts, options.turns, options.measure)))
        return
    if not transcripts.is_dir():
        sys.exit(f"no transcripts in {transcripts}")
    print(describe())
    table = Table(
        "mode", "turns", "total s", "mean ms", "median", "99 %", "longest", "load s", "MiB"
    )
    met = True
    for mode in MODES:
        child = [sys.executable, __file__, *sys.argv[1:], "--measure", mode]
        done = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True)
        met &= report(table, mode, json.loads(done.stdout))
    Console().print(table)
    print(f"20 s for 1,000 turns, 30 ms for each: {'met' if met else 'MISSED'}")
    if not met:
        sys.exit(1)


def measure(transcripts: Path, limit: int, mode: str) -> dict[str, Any]:
    """The child's part: seconds of each turn, seconds of loading, and the peak memory in MiB."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    turns = list(islice(read_consultations(transcripts), limit))
    began = time.perf_counter()
    extractor = create_extractor()
    loading = time.perf_counter() - began
    seconds = []
    for number, (begins, turn) in enumerate(turns, 1):
        began = time.perf_counter()
        if begins and mode == "each":
            extractor = create_extractor()
        extractor.update(replace(turn, id=number))
        seconds.append(time.perf_counter() - began)
    return {"seconds": seconds, "loading": loading, "memory": peak()}


def read_consultations(transcripts: Path) -> Iterator[tuple[bool, Turn]]:
    """All turns, each with whether it begins a consultation."""
    for path in sorted(transcripts.glob("*.txt")):
        for place, turn in enumerate(read_turns(path)):
            yield place == 0, turn


def peak() -> float:
    """Peak of the resident memory of this process in MiB; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    text = status.read_text(encoding="ascii") if status.is_file() else ""
    found = re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def report(table: Table, mode: str, measured: dict[str, Any]) -> bool:
    """Add a row; whether the targets are met."""
    seconds: list[float] = measured["seconds"]
    late = quantiles(seconds, n=100)[98]
    milliseconds = (mean(seconds), median(seconds), late, max(seconds))
    table.add_row(
        mode,
        f"{len(seconds)}",
        f"{sum(seconds):.2f}",
        *(f"{1e3 * value:.2f}" for value in milliseconds),
        f"{measured['loading']:.2f}",
        f"{measured['memory']:.0f}",
    )
    return mean(seconds) <= TARGET_TOTAL and max(seconds) <= TARGET_TURN


if __name__ == "__main__":
    main()
