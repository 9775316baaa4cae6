"""How long the doctor waits: a recording at the pace of real time through the live loop.

    python benchmarks/latency.py [--input FILE ...] [--seconds 120]

Measured against the sound itself: a separate pass of the same endpointing over the file says when
each utterance's first and last speech was, and the wall clock when its words were there.

- final text: from the last speech sample to the turn (target: 0.6 s median, 1.0 s for 95 %)
- first words: from the first speech sample to the first partial words (target: 0.8 s median)
- spoken reply: from the last speech sample of a request to the reply's first sample (0.9 s median)

The peer is a plain loop in the same run: the same endpointing, then faster-whisper with its usual
window of 30 s on each utterance, greedy, on all cores.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from _machine import describe
from rich.console import Console
from rich.table import Table

from voicemed.audio import AudioChunk, Seconds, WavWriter, read_blocks
from voicemed.config import EndpointingSettings, Settings
from voicemed.endpointing import Ended, Endpointer, SpeechStarted
from voicemed.live import Event, LiveLoop, StatusChanged, TurnAdded, build
from voicemed.microphone import FileSource
from voicemed.vad import create_vad
from voicemed.weights import locate

ROOT = Path(__file__).resolve().parents[1]
CONSULTATION = ROOT.parent / "shared/data/osce/audio/CAR0001.mp3"
REQUESTS = ROOT / "audio_samples/assistant_questions.wav"


@dataclass(frozen=True, slots=True)
class Spoken:
    """When an utterance was said."""

    start: Seconds
    "Of its sound, the pre-roll included."
    onset: Seconds
    "Of its first speech."
    end: Seconds
    "Of its last speech."
    cut: bool


@dataclass(slots=True)
class Waits:
    """What was measured, in seconds."""

    final: list[Seconds] = field(default_factory=list)
    first_words: list[Seconds] = field(default_factory=list)
    reply: list[Seconds] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", type=Path, nargs="*", default=[CONSULTATION, REQUESTS])
    parser.add_argument("--seconds", type=float, default=120.0, help="of each recording at most")
    options = parser.parse_args()
    for path in options.input:
        if not path.exists():
            sys.exit(f"{path} is missing: name recordings with --input")
    print(describe())
    ours, peer = Waits(), Waits()
    with tempfile.TemporaryDirectory() as folder:
        for path in options.input:
            excerpt = Path(folder) / f"{path.stem}.wav"
            _cut(path, excerpt, options.seconds)
            spoken = _spoken(excerpt, Settings().endpointing)
            _run_ours(excerpt, spoken, ours, Path(folder) / "replies.wav")
            _run_peer(excerpt, spoken, peer)
    _report(ours, peer)


def _cut(path: Path, target: Path, longest: Seconds) -> None:
    with WavWriter(target) as wav:
        for block in read_blocks(path):
            if block.start >= longest:
                break
            wav.write(block.samples)


def _spoken(path: Path, settings: EndpointingSettings) -> list[Spoken]:
    vad = create_vad(settings.vad)
    probability = vad.stream()
    endpointer = Endpointer(settings, vad.window)
    found: list[Spoken] = []
    onset = last = 0.0
    for chunk in _chunks(path):
        p = probability(chunk.samples)
        if p >= settings.threshold:
            last = chunk.start + len(chunk.samples) / chunk.sample_rate
        for event in endpointer.push(chunk.samples, p):
            if isinstance(event, SpeechStarted):
                onset = event.at
            elif isinstance(event, Ended):
                found.append(Spoken(event.utterance.start, onset, last, event.cut))
    return found


def _chunks(path: Path) -> Iterator[AudioChunk]:
    for event in FileSource(path, pace="fast").events():
        if isinstance(event, AudioChunk) and len(event.samples) == 512:
            yield event


class _Clock:
    """Places the wall clock on the recording's time."""

    def __init__(self, loop: LiveLoop) -> None:
        self._began = 0.0
        events = loop._source.events

        def timed() -> Iterator[object]:
            self._began = time.monotonic()
            yield from events()

        loop._source.events = timed  # type: ignore[method-assign,assignment]

    def now(self) -> Seconds:
        return time.monotonic() - self._began


def _run_ours(path: Path, spoken: Sequence[Spoken], waits: Waits, replies: Path) -> None:
    loop = build(Settings(), input=str(path), output=str(replies), pace="realtime")
    clock = _Clock(loop)
    shown: set[Seconds] = set()
    asked: list[Seconds] = []
    speaking = False
    seen = ""

    def observe(event: Event) -> None:
        nonlocal speaking, seen
        now = clock.now()
        if isinstance(event, TurnAdded):
            utterance = _utterance_at(spoken, event.turn.start)
            if not utterance.cut and event.turn.end >= utterance.end - 1.0:
                waits.final.append(now - utterance.end)
            if event.turn.to_assistant:
                asked.append(utterance.end)
        elif isinstance(event, StatusChanged):
            if loop.status.speaking and not speaking and asked:
                waits.reply.append(now - asked.pop(0))
            speaking = loop.status.speaking
            text = loop.status.committed + loop.status.tentative
            if text and text != seen:  # what stays of the utterance before is not new
                utterance = _utterance_at(spoken, now)
                if utterance.onset <= now and utterance.onset not in shown:
                    shown.add(utterance.onset)
                    waits.first_words.append(now - utterance.onset)
            seen = text

    loop.run(observe)


def _utterance_at(spoken: Sequence[Spoken], at: Seconds) -> Spoken:
    """The last utterance that had begun by then."""
    return max((s for s in spoken if s.start <= at), key=lambda s: s.start, default=spoken[0])


def _run_peer(path: Path, spoken: Sequence[Spoken], waits: Waits) -> None:
    """faster-whisper on each utterance as it ends; no partial words, no voice."""
    from faster_whisper import WhisperModel

    model = WhisperModel(str(locate("whisper-base")), device="cpu", compute_type="int8")
    settings = Settings().endpointing
    vad = create_vad(settings.vad)
    probability = vad.stream()
    endpointer = Endpointer(settings, vad.window)
    began = time.monotonic()
    ended = iter(spoken)
    for event in FileSource(path, pace="realtime").events():
        if not isinstance(event, AudioChunk) or len(event.samples) != 512:
            continue
        for happened in endpointer.push(event.samples, probability(event.samples)):
            if isinstance(happened, Ended):
                segments, _ = model.transcribe(
                    happened.utterance.samples, language="en", beam_size=1
                )
                text = "".join(segment.text for segment in segments)
                utterance = next(ended)
                if text and not utterance.cut:
                    waits.final.append(time.monotonic() - began - utterance.end)


def _report(ours: Waits, peer: Waits) -> None:
    table = Table("wait", "n", "median", "95 %", "target", "faster-whisper loop")
    missed = []
    rows: list[tuple[str, list[Seconds], Seconds, Seconds | None, list[Seconds]]] = [
        ("final text", ours.final, 0.6, 1.0, peer.final),
        ("first words", ours.first_words, 0.8, None, []),
        ("spoken reply", ours.reply, 0.9, None, []),
    ]
    for name, values, target, target_95, other in rows:
        if not values:
            continue
        late = _percentile_95(values)
        if median(values) > target or (target_95 is not None and late > target_95):
            missed.append(name)
        goal = f"{target:.1f} s" + (f" / {target_95:.1f} s" if target_95 else "")
        theirs = f"{median(other):.2f} s / {_percentile_95(other):.2f} s" if other else "-"
        table.add_row(
            name, str(len(values)), f"{median(values):.2f} s", f"{late:.2f} s", goal, theirs
        )
    Console().print(table)
    if missed:
        sys.exit(f"MISSED: {', '.join(missed)}")


def _percentile_95(values: list[Seconds]) -> Seconds:
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


if __name__ == "__main__":
    main()
