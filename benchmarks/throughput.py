"""Speed and word error rate over recordings, against faster-whisper in the same run.

    python benchmarks/throughput.py [--beam 1] [--repeat 1] [--session]

Each recording is transcribed by faster-whisper (plain, then batched by 8) and by voicemed, one
after the other, from the file to the words, with the same weights (Whisper base, int8, all cores).
voicemed's figure includes word times and findings, faster-whisper's neither. The target is 1.3
times the speed of the batched pipeline, at a word error rate at most 0.3 points above the better
of the two. --session adds what `voicemed session --pace fast` makes of them, whose utterances are
short and recognised one by one.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from _machine import describe
from rich.console import Console
from rich.table import Table

from voicemed.audio import probe
from voicemed.batch import Transcriber
from voicemed.config import Settings
from voicemed.live import build
from voicemed.transcript import to_txt
from voicemed.weights import locate

SHARED = Path(__file__).resolve().parents[2] / "shared"
TARGET_SPEED = 1.3
TARGET_WER = 0.003


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--beam", type=int, default=1, help="faster-whisper's beam (default 1)")
    parser.add_argument("--repeat", type=int, default=1, help="passes; medians are shown")
    parser.add_argument("--session", action="store_true", help="the live loop as well")
    options = parser.parse_args()
    recordings = sorted((SHARED / "data/osce/audio").glob("*.mp3"))
    if not recordings:
        sys.exit(f"no recordings in {SHARED / 'data/osce/audio'}")
    duration = sum(probe(path).duration or 0.0 for path in recordings)
    engines = _engines(options.beam)
    if options.session:
        engines["voicemed session"] = _session_text
    print(describe())
    print(
        f"{len(recordings)} recordings, {duration / 60:.0f} min; faster-whisper beam {options.beam}"
    )

    seconds: dict[str, list[float]] = {name: [0.0] * options.repeat for name in engines}
    wer: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(options.repeat):
            for path in recordings:
                for name, transcribe in engines.items():
                    began = time.perf_counter()
                    text = transcribe(path)
                    seconds[name][turn] += time.perf_counter() - began
                    target = Path(folder) / name / f"{path.stem}.txt"
                    target.parent.mkdir(exist_ok=True)
                    target.write_text(text, encoding="utf-8")
        for name in engines:
            wer[name] = _wer(Path(folder) / name)
    _report(duration, seconds, wer)


def _engines(beam: int) -> dict[str, Callable[[Path], str]]:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    model = WhisperModel(str(locate("whisper-base")), device="cpu", compute_type="int8")
    batched = BatchedInferencePipeline(model)
    ours = Transcriber(Settings())

    def plain_text(path: Path) -> str:
        segments, _ = model.transcribe(str(path), language="en", beam_size=beam)
        return " ".join(segment.text for segment in segments)

    def batched_text(path: Path) -> str:
        segments, _ = batched.transcribe(str(path), language="en", beam_size=beam, batch_size=8)
        return " ".join(segment.text for segment in segments)

    return {
        "faster-whisper": plain_text,
        "faster-whisper batched 8": batched_text,
        "voicemed": lambda path: to_txt(ours.transcribe(path)),
    }


def _session_text(path: Path) -> str:
    loop = build(Settings(), input=str(path), output="none", pace="fast")
    loop.run(lambda _event: None)
    return "\n".join(turn.text for turn in loop.encounter.turns)


def _wer(folder: Path) -> float:
    scorer = [sys.executable, str(SHARED / "tools/score_wer.py")]
    refs = str(SHARED / "data/osce/refs.jsonl")
    scored = subprocess.run(
        [*scorer, refs, str(folder)], check=True, capture_output=True, text=True
    )
    found = re.search(r"^all\s+WER ([\d.]+)", scored.stdout, re.MULTILINE)
    if found is None:
        sys.exit(f"the scorer printed no total: {scored.stdout}")
    return float(found[1])


def _report(duration: float, seconds: dict[str, list[float]], wer: dict[str, float]) -> None:
    speed = {name: duration / median(runs) for name, runs in seconds.items()}
    peer = speed["faster-whisper batched 8"]
    table = Table("engine", "x real time", "ratio to batched", "WER")
    for name in speed:
        table.add_row(
            name, f"{speed[name]:.1f}", f"{speed[name] / peer:.2f}", f"{100 * wer[name]:.2f} %"
        )
    Console().print(table)
    best = min(value for name, value in wer.items() if not name.startswith("voicemed"))
    fast = speed["voicemed"] / peer >= TARGET_SPEED
    right = wer["voicemed"] - best <= TARGET_WER
    print(f"speed {'met' if fast else 'MISSED'}, word error rate {'met' if right else 'MISSED'}")
    if not (fast and right):
        sys.exit(1)


if __name__ == "__main__":
    main()
