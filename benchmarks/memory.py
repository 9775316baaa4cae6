"""Memory of a long session: two hours of consultations through the live loop, as fast as it can.

    python benchmarks/memory.py [--hours 2] [--keep FILE.wav]

The recorded consultations of the shared data follow each other until the hours are full. The loop
runs in a process of its own, exactly as `voicemed session --pace fast --output none` builds it. Its
resident memory (VmRSS of /proc/self/status) is read twenty times a second. Each utterance takes 10
to 100 MiB more while it is recognised, and gives them back; so of each minute of recognised sound
the median and the most are told. Targets: after the first 10 minutes neither grows by 5 % or more
(the median against that of the 10th minute, the most against the most before), and the first and
the last sentence are in the transcript (at least two thirds of their words in order).
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from statistics import median

from _machine import describe
from rich.console import Console
from rich.table import Table

from voicemed.audio import Seconds, WavWriter, read_blocks
from voicemed.config import Settings
from voicemed.live import Event, TurnAdded, build

OSCE = Path(__file__).resolve().parents[2] / "shared/data/osce"
SETTLED = 10
"Minutes after which memory should have reached its level."
TARGET_GROWTH = 0.05
EVERY: Seconds = 0.05
"Between two readings of memory."
SENTENCE = 12
"Words taken for the first and for the last sentence."
SEARCHED = 40
"Words at the transcript's beginning or end in which they are looked for."
FOUND = 2 / 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=2.0, help="at least so long (default 2)")
    parser.add_argument("--keep", type=Path, help="leave the session's recording there")
    parser.add_argument("--session", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.session:
        run_session(options.session)
        return
    references = read_references()
    if not references:
        sys.exit(f"no recordings with references in {OSCE}")
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        wav = options.keep or Path(folder) / "session.wav"
        names, duration = write_recording(wav, list(references), 3600 * options.hours)
        began = time.monotonic()
        child = [sys.executable, __file__, "--session", str(wav)]
        process = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True)
        took = time.monotonic() - began
    result = json.loads(process.stdout)
    print(f"{duration / 3600:.2f} h of sound in {took / 60:.1f} min")
    small = report_memory({int(minute): mib for minute, mib in result["memory"].items()})
    words = spoken(result["text"])
    first = share_found(spoken(references[names[0]])[:SENTENCE], words[:SEARCHED])
    last = share_found(spoken(references[names[-1]])[-SENTENCE:], words[-SEARCHED:])
    print(f"{len(words)} words; of the first sentence {first:.0%}, of the last {last:.0%}")
    complete = first >= FOUND and last >= FOUND
    print(f"growth {verdict(small)}, first and last sentence {verdict(complete)}")
    if not (small and complete):
        sys.exit(1)


def read_references() -> dict[str, str]:
    """The reference text of each recording that is there, by the name of its file."""
    path = OSCE / "refs.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    rows = [json.loads(line) for line in lines]
    return {r["audio"]: r["text"] for r in rows if (OSCE / "audio" / r["audio"]).is_file()}


def write_recording(
    target: Path, names: Sequence[str], duration: Seconds
) -> tuple[list[str], Seconds]:
    """Whole recordings one after the other; which they are, and how long they are together."""
    used: list[str] = []
    written = 0.0
    with WavWriter(target) as wav:
        while written < duration:
            used.append(names[len(used) % len(names)])
            for chunk in read_blocks(OSCE / "audio" / used[-1]):
                wav.write(chunk.samples)
                written += len(chunk.samples) / chunk.sample_rate
    return used, written


def run_session(wav: Path) -> None:
    """The child's part: the session, then its memory and text as JSON on stdout."""
    loop = build(Settings(), input=str(wav), output="none", pace="fast")
    memory: dict[int, list[float]] = {0: []}
    over = threading.Event()

    def sample() -> None:
        while not over.wait(EVERY):
            memory[max(memory)].append(resident())

    def observe(event: Event) -> None:
        if isinstance(event, TurnAdded):
            memory.setdefault(int(event.turn.end // 60), [resident()])

    sampler = threading.Thread(target=sample)
    sampler.start()
    loop.run(observe)
    over.set()
    sampler.join()
    text = " ".join(word.text for turn in loop.encounter.turns for word in turn.words)
    levels = {minute: (median(mib), max(mib)) for minute, mib in memory.items() if mib}
    print(json.dumps({"memory": levels, "text": text}))


def resident() -> float:
    """Resident memory of this process in MiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def report_memory(memory: dict[int, tuple[float, float]]) -> bool:
    """Print memory every ten minutes of sound; whether it stays within the target."""
    settled_at = min((minute for minute in memory if minute >= SETTLED), default=max(memory))
    settled = memory[settled_at][0]
    most = max(peak for minute, (_, peak) in memory.items() if minute <= settled_at)
    table = Table("minute of sound", "median MiB", "growth", "most MiB", "growth")
    last = max(memory)
    for minute, (level, peak) in sorted(memory.items()):
        if minute % 10 == 0 or minute == last:
            table.add_row(str(minute), *_growth(level, settled), *_growth(peak, most))
    after = [pair for minute, pair in memory.items() if minute >= settled_at]
    highest, peak = max(level for level, _ in after), max(peak for _, peak in after)
    table.add_section()
    table.add_row(f"largest from {settled_at} on", *_growth(highest, settled), *_growth(peak, most))
    Console().print(table)
    if last <= SETTLED:
        print(f"too short to tell: memory is judged after {SETTLED} minutes")
    return max(highest / settled, peak / most) - 1 < TARGET_GROWTH


def _growth(mib: float, before: float) -> tuple[str, str]:
    return f"{mib:.0f}", f"{mib / before - 1:+.1%}"


def spoken(text: str) -> list[str]:
    """Words as the references write them: upper case, without punctuation or apostrophes."""
    return re.sub(r"[^\w\s]", "", text).upper().split()


def share_found(sentence: Sequence[str], words: Sequence[str]) -> float:
    """The share of the sentence's words that stand among these, in its order."""
    matcher = SequenceMatcher(None, sentence, words, autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks()) / max(1, len(sentence))


def verdict(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    main()
