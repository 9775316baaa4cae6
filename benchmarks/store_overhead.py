"""What the encrypted record costs a live session: with it and without, in turns in the same run.

    python benchmarks/store_overhead.py [--input FILE] [--rounds 5]

A recording goes through the live loop at the pace at which it was spoken, once with the store and
once without in each round, in changing order, each in a process of its own.

- CPU: seconds of processor time of the process, all threads (target: at most 5 % more)
- latency: from the last speech sample to the text (target: medians within 20 ms)

Where other work makes the runs differ by more than that, the third row tells more: the processor
time of the recorder alone, given the same sound in the same pieces, and a turn every 3 s.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from _machine import describe
from rich.console import Console
from rich.table import Table

from voicemed import store
from voicemed.audio import AudioChunk
from voicemed.config import Settings
from voicemed.encounter import EncounterKind
from voicemed.live import Event, TurnAdded, build
from voicemed.microphone import FileSource
from voicemed.transcript import Turn, Word

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "audio_samples/consultation.wav"
PASSPHRASE = "correct horse battery staple"
MORE_CPU = 0.05
LATER = 0.020


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", type=Path, default=SAMPLE)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pace", choices=("realtime", "fast"), default="realtime")
    parser.add_argument("--session", metavar="STORE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.session is not None:
        _session(options.input, options.pace, Path(options.session) if options.session else None)
        return
    print(describe())
    cpu: dict[bool, list[float]] = {True: [], False: []}
    latencies: dict[bool, list[float]] = {True: [], False: []}
    alone: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "store"
        store.create(kept, PASSPHRASE)
        for number in range(options.rounds):
            alone.append(_recorder_alone(options.input, kept))
            for stored in (True, False) if number % 2 else (False, True):
                arguments = ["--input", str(options.input), "--pace", options.pace]
                command = [sys.executable, __file__, *arguments]
                command += ["--session", str(kept) if stored else ""]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                seconds, waits = json.loads(done.stdout)
                cpu[stored].append(seconds)
                latencies[stored] += waits
    _report(cpu, latencies, alone)


def _recorder_alone(recording: Path, folder: Path) -> float:
    """Processor seconds of the recorder over a recording."""
    chunks = [e for e in FileSource(recording, pace="fast").events() if isinstance(e, AudioChunk)]
    turn = Turn(1, "", tuple(Word(f" word{i}", i / 5, i / 5 + 0.1, 0.9) for i in range(15)))
    began = time.process_time()
    recorder = store.Recorder.begin(folder, kind=EncounterKind.SESSION, clinician="store_overhead")
    for number, chunk in enumerate(chunks, 1):
        recorder.audio(chunk.samples)
        if number % 94 == 0:  # 3 s
            recorder.sync()
            recorder.turn(replace(turn, id=number // 94), "en")
    recorder.finish()
    return time.process_time() - began


def _session(recording: Path, pace: str, folder: Path | None) -> None:
    """One session, and its figures as JSON on stdout."""
    loop = build(
        Settings(),
        input=str(recording),
        output="none",
        pace=pace,
        recorder=(
            lambda: store.Recorder.begin(
                folder, kind=EncounterKind.SESSION, clinician="store_overhead"
            )
        )
        if folder
        else None,
    )
    waits: list[float] = []

    def observe(event: Event) -> None:
        if isinstance(event, TurnAdded) and loop.status.latency is not None:
            waits.append(loop.status.latency)

    loop.run(observe)
    json.dump([time.process_time(), waits], sys.stdout)


def _report(
    cpu: dict[bool, list[float]], latencies: dict[bool, list[float]], alone: list[float]
) -> None:
    table = Table("", "with the store", "without", "difference", "target")
    more = median(cpu[True]) / median(cpu[False]) - 1
    spread = max(cpu[False]) / min(cpu[False]) - 1
    table.add_row(
        f"CPU, median of {len(cpu[True])}",
        f"{median(cpu[True]):.2f} s",
        f"{median(cpu[False]):.2f} s",
        f"{more:+.1%} (runs without differ by {spread:.0%})",
        f"{MORE_CPU:+.0%}",
    )
    later = 0.0
    if latencies[True] and latencies[False]:  # none where nobody waits, at fast pace
        later = median(latencies[True]) - median(latencies[False])
        table.add_row(
            f"latency, median of {len(latencies[True])}",
            f"{median(latencies[True]):.3f} s",
            f"{median(latencies[False]):.3f} s",
            f"{later * 1000:+.0f} ms",
            f"±{LATER * 1000:.0f} ms",
        )
    share = median(alone) / median(cpu[False])
    table.add_row(
        "CPU of the recorder alone",
        f"{median(alone):.2f} s",
        "-",
        f"{share:+.1%}",
        f"{MORE_CPU:+.0%}",
    )
    Console().print(table)
    if more > MORE_CPU or later > LATER:
        sys.exit("MISSED")


if __name__ == "__main__":
    main()
