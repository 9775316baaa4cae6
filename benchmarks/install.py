"""Size and time of an installation, and how soon a session hears.

    python benchmarks/install.py [--source REPOSITORY] [--starts 5] [--here]

A clone of the repository is set up as on a fresh machine: `make install` (virtual environment and
packages), `make models`, `make demo`; downloads take what the network and pip's cache allow. Then
the installed `voicemed session` is started several times, and the time from the start of the
process to the first chunk of sound that the speech thread has taken is measured. The target is 3 s,
as the median. --here measures only the starts, of the environment that this script runs in.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from _machine import describe
from rich.console import Console
from rich.table import Table

from voicemed.audio import SAMPLE_RATE, Seconds, WavWriter

ROOT = Path(__file__).resolve().parents[1]
TARGET_START: Seconds = 3.0
STEPS = {
    "packages": ("install", ".venv"),
    "models": ("models", "models"),
    "demo": ("demo", "demo"),
}
"What is timed: the target of the Makefile, and the folder that it fills."
_INHERITED = frozenset({"MAKEFLAGS", "MAKELEVEL", "VOICEMED_MODELS"})
"Variables of this machine's user that a fresh one would not have."

SESSION = """
import sys, time
from voicemed import cli, microphone

events = microphone.FileSource.events

def told(source):
    chunks = events(source)
    first = next(chunks)
    print(f"first chunk at {time.time()}", file=sys.stderr, flush=True)
    yield first
    yield from chunks

microphone.FileSource.events = told
sys.argv[0] = "voicemed"
cli.main()
"""
"The voicemed command, but it says on stderr when the first chunk was taken."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, default=ROOT, help="repository to clone")
    parser.add_argument("--starts", type=int, default=5, help="of a session (default 5)")
    parser.add_argument("--here", action="store_true", help="measure only the starts")
    options = parser.parse_args()
    print(describe())
    table = Table("step", "s", "MB")
    with tempfile.TemporaryDirectory() as folder:
        python, home = Path(sys.executable), ROOT
        if not options.here:
            home = Path(folder) / "voicemed"
            run(["git", "clone", "--quiet", str(options.source), str(home)], Path(folder))
            for step, (target, filled) in STEPS.items():
                took = run(["make", f"PYTHON={sys.executable}", target], home)
                table.add_row(step, f"{took:.1f}", f"{size(home / filled) / 1e6:.1f}")
            python = home / ".venv/bin/python"
        starts = measure_starts(python, home, Path(folder), options.starts)
    spread = f"{min(starts):.2f} to {max(starts):.2f}"
    table.add_section()
    table.add_row("start to first sample", f"{median(starts):.2f}", f"({spread})")
    Console().print(table)
    met = median(starts) <= TARGET_START
    print(f"start within {TARGET_START:.0f} s: {'met' if met else 'MISSED'}")
    if not met:
        sys.exit(1)


def run(command: Sequence[str], folder: Path) -> Seconds:
    """Run a command that has to succeed; how long it took."""
    environment = {k: v for k, v in os.environ.items() if k not in _INHERITED}
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.monotonic() - began


def size(folder: Path) -> int:
    """Bytes of the files in and below a folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def measure_starts(python: Path, home: Path, folder: Path, count: int) -> list[Seconds]:
    """Seconds from starting the process to the first chunk, of each start."""
    wav = folder / "silence.wav"
    with WavWriter(wav) as writer:
        writer.write(np.zeros(SAMPLE_RATE, np.float32))
    command = [str(python), "-c", SESSION, "session", "--input", str(wav)]
    command += ["--output", "none", "--pace", "realtime"]
    starts = []
    for _ in range(count):
        began = time.time()
        done = subprocess.run(command, cwd=home, capture_output=True, text=True)
        said = [line for line in done.stderr.splitlines() if line.startswith("first chunk at ")]
        if done.returncode != 0 or not said:
            sys.exit(f"voicemed session failed:\n{done.stdout}{done.stderr}")
        starts.append(float(said[0].rsplit(maxsplit=1)[1]) - began)
    return starts


if __name__ == "__main__":
    main()
