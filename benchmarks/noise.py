"""Words from noise: half an hour of silence, hum, café, kitchen and the like; none may be heard.

    python benchmarks/noise.py [--minutes 30] [--vad silero|webrtc] [--keep DIR]

Each kind of noise gets the same share, in stretches of 10 s at levels from -40 to -10 dBFS; the
same seed gives the same sound. Recorded noises are looped with a cross-fade, the others made here.
It goes through the live loop as `voicemed session --pace fast` runs it, through the live loop as at
a microphone (partial hypotheses, work ahead in pauses; eight times faster than real time), and
through `voicemed transcribe`. "utterances" is what speech detection let through. The target is no
word anywhere; what is heard is printed with the recogniser's figures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from _machine import describe
from numpy.random import Generator, default_rng
from rich.console import Console
from rich.table import Table

from voicemed.asr import Recognizer, create_recognizer
from voicemed.audio import SAMPLE_RATE, Samples, Seconds, WavWriter, level_dbfs, read
from voicemed.batch import Transcriber
from voicemed.config import EndpointingSettings, Settings
from voicemed.endpointing import Utterance
from voicemed.extraction import create_extractor
from voicemed.live import LiveLoop
from voicemed.microphone import FileSource
from voicemed.playback import create_sink
from voicemed.transcript import Segment
from voicemed.vad import create_vad

RECORDED = Path(__file__).resolve().parents[2] / "shared/data/audio/noise"
SEED = 20240611
STRETCH: Seconds = 10.0
CROSSFADE: Seconds = 0.5
LEVELS = (-40.0, -10.0)
"dBFS (RMS), drawn evenly."
HURRY = 8
"Times real time, of the live loop as at a microphone."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="of noise in all (default 30)")
    parser.add_argument("--vad", choices=("silero", "webrtc"), default="silero")
    parser.add_argument("--keep", type=Path, help="leave the noises there, as WAVs")
    options = parser.parse_args()
    noises = dict(GENERATED) | recorded(RECORDED)
    if len(noises) == len(GENERATED):
        sys.exit(f"no recorded noises in {RECORDED}")
    settings = Settings(endpointing=EndpointingSettings(vad=options.vad))
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        wavs = write_noises(noises, options.keep or Path(folder), 60 * options.minutes)
        heard = {kind: [Result() for _ in WAYS] for kind in wavs}
        for column, way in enumerate(WAYS.values()):
            listen = way(settings)
            for kind, wav in wavs.items():
                heard[kind][column] = listen(wav)
    report(heard, 60 * options.minutes / len(wavs))
    if any(result.words for results in heard.values() for result in results):
        sys.exit(1)


# the noises


Noise = Callable[[Generator, int], Samples]
"So many samples at 16 kHz, at any level."


def silence(_rng: Generator, count: int) -> Samples:
    return np.zeros(count, np.float32)


def white_hiss(rng: Generator, count: int) -> Samples:
    return rng.standard_normal(count).astype(np.float32)


def pink_hiss(rng: Generator, count: int) -> Samples:
    """Equal power in each octave above 20 Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequencies = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    hiss = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequencies, 20.0)), count)
    return np.asarray(hiss, np.float32)


def hum(base: float) -> Noise:
    """The mains, in Hz, with weakening harmonics, over a little hiss."""

    def noise(rng: Generator, count: int) -> Samples:
        t = np.arange(count) / SAMPLE_RATE
        sound = 0.01 * rng.standard_normal(count)
        for harmonic in range(1, 13):
            weight = rng.uniform(0.3, 1.0) / harmonic
            sound += weight * np.sin(2 * np.pi * base * harmonic * t + rng.uniform(0, 2 * np.pi))
        return np.asarray(sound, np.float32)

    return noise


def keyboard(rng: Generator, count: int) -> Samples:
    """Clicks of 8 ms, about 6 a second, in bursts as of somebody who types."""
    return _struck(rng, count, every=0.16, decay=0.008, low=1500.0, high=5000.0)


def thumps(rng: Generator, count: int) -> Samples:
    """Slammed doors and dropped things: low, 0.3 s long, every few seconds."""
    return _struck(rng, count, every=2.5, decay=0.12, low=50.0, high=250.0)


def _struck(
    rng: Generator, count: int, *, every: Seconds, decay: Seconds, low: float, high: float
) -> Samples:
    """Decaying tones and noise at random times, over a floor 50 dB below."""
    sound = 0.003 * rng.standard_normal(count)
    t = np.arange(int(6 * decay * SAMPLE_RATE)) / SAMPLE_RATE
    at = 0.0
    while (first := int(at * SAMPLE_RATE)) + t.size < count:
        tone = np.sin(2 * np.pi * rng.uniform(low, high) * t)
        blow = (tone + 0.5 * rng.standard_normal(t.size)) * np.exp(-t / decay)
        sound[first : first + t.size] += rng.uniform(0.2, 1.0) * blow
        at += rng.exponential(every) + (2.0 if rng.random() < 0.03 else 0.0)
    return np.asarray(sound, np.float32)


GENERATED: dict[str, Noise] = {
    "digital silence": silence,
    "white hiss": white_hiss,
    "pink hiss": pink_hiss,
    "hum 50 Hz": hum(50.0),
    "hum 60 Hz": hum(60.0),
    "keyboard": keyboard,
    "thumps": thumps,
}


def recorded(folder: Path) -> dict[str, Noise]:
    """A noise for each recording in the folder, and one of several of them at once."""
    files = sorted(p for p in folder.glob("*") if p.suffix in {".wav", ".flac"})
    clips = {path.stem: read(path) for path in files}
    noises = {name: looped(clip) for name, clip in clips.items()}
    if clips:
        noises["all at once"] = mixed(list(noises.values()))
    return noises


def looped(clip: Samples) -> Noise:
    """The clip from a random place on, over and over, its end faded into its beginning."""
    fade = min(int(CROSSFADE * SAMPLE_RATE), clip.size // 2)
    up = np.sin(np.linspace(0.0, np.pi / 2, fade)).astype(np.float32)
    seamless = clip[fade:].copy()
    seamless[-fade:] = seamless[-fade:] * up[::-1] + clip[:fade] * up

    def noise(rng: Generator, count: int) -> Samples:
        start = int(rng.integers(seamless.size))
        return np.asarray(np.resize(np.roll(seamless, -start), count), np.float32)

    return noise


def mixed(noises: Sequence[Noise]) -> Noise:
    """Three of them at a time, as loud as each other."""

    def noise(rng: Generator, count: int) -> Samples:
        chosen = rng.choice(len(noises), size=3, replace=False)
        parts = [at_level(noises[i](rng, count), -20.0) for i in chosen]
        return np.asarray(np.sum(parts, axis=0), np.float32)

    return noise


def at_level(sound: Samples, dbfs: float) -> Samples:
    """The sound at that RMS level; peaks beyond full scale are clipped, as a microphone does."""
    gain = np.float32(10 ** ((dbfs - level_dbfs(sound)) / 20)) if sound.any() else np.float32(0)
    return np.asarray(np.clip(sound * gain, -1.0, 1.0), np.float32)


def write_noises(noises: dict[str, Noise], folder: Path, duration: Seconds) -> dict[str, Path]:
    """A WAV of each kind, of the same length, `duration` in all."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = default_rng(SEED)
    wavs: dict[str, Path] = {}
    for kind, noise in noises.items():
        wavs[kind] = folder / f"{kind.replace(' ', '_')}.wav"
        left = round(duration / len(noises) * SAMPLE_RATE)
        with WavWriter(wavs[kind]) as wav:
            while left > 0:
                count = min(left, int(STRETCH * SAMPLE_RATE))
                wav.write(at_level(noise(rng, count), rng.uniform(*LEVELS)))
                left -= count
    return wavs


# the ways to hear them


@dataclass(slots=True)
class Result:
    """What came of one kind of noise."""

    words: int = 0
    utterances: int = 0
    "That speech detection let through to the recogniser."
    dropped: Counter[str] = field(default_factory=Counter)
    heard: list[str] = field(default_factory=list)
    "What should not have been, a line each."


class Witness:
    """A Recognizer that also remembers what it was given and what it made of it."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._lock = threading.Lock()
        self.name = recognizer.name
        self.device = recognizer.device
        self.utterances: dict[Seconds, None] = {}
        "Starts of the utterances, in order."
        self.heard: list[str] = []

    def transcribe(
        self,
        utterances: Sequence[Utterance],
        *,
        language: str | None,
        prompt: str = "",
        prefix: str = "",
        draft: bool = False,
    ) -> list[list[Segment]]:
        """See asr.Recognizer."""
        results = self._recognizer.transcribe(
            utterances, language=language, prompt=prompt, prefix=prefix, draft=draft
        )
        with self._lock:
            for utterance, segments in zip(utterances, results, strict=True):
                self.utterances[utterance.start] = None
                self.heard += [_described(utterance, s, draft=draft) for s in segments if s.words]
        return results


def _described(utterance: Utterance, segment: Segment, *, draft: bool) -> str:
    text = "".join(word.text for word in segment.words).strip()
    probability = np.mean([word.probability for word in segment.words])
    return (
        f"{'draft' if draft else 'final'} at {utterance.start:.1f} s, "
        f"{utterance.end - utterance.start:.1f} s long, {level_dbfs(utterance.samples):.0f} dBFS: "
        f"{text!r} avg_logprob {segment.avg_logprob:.2f}, no_speech {segment.no_speech_prob:.2f}, "
        f"word probability {probability:.2f}, {segment.rejected or 'ACCEPTED'}"
    )


class HurriedSource(FileSource):
    """A recording paced as a microphone, but HURRY times faster; it loses nothing."""

    def __init__(self, path: Path) -> None:
        waiting = threading.Event()
        super().__init__(
            path,
            pace="realtime",
            clock=lambda: HURRY * time.monotonic(),
            sleep=lambda seconds: waiting.wait(seconds / HURRY),
        )


Listen = Callable[[Path], Result]


def live(settings: Settings, *, as_microphone: bool) -> Listen:
    recognizer = create_recognizer(settings.recognition)

    def listen(wav: Path) -> Result:
        witness = Witness(recognizer)
        loop = LiveLoop(
            HurriedSource(wav) if as_microphone else FileSource(wav, pace="fast"),
            create_sink("none", ""),
            vad=lambda: create_vad(settings.endpointing.vad),
            recognizer=lambda: witness,
            extractor=create_extractor,
            synthesizer=None,
            settings=settings,
            interactive=as_microphone,
        )
        loop.run(lambda _event: None)
        words = sum(len(turn.words) for turn in loop.encounter.turns)
        return Result(words, len(witness.utterances), loop.encounter.dropped, witness.heard)

    return listen


def batch(settings: Settings) -> Listen:
    transcriber = Transcriber(settings)

    def listen(wav: Path) -> Result:
        transcript = transcriber.transcribe(wav)
        heard = ["".join(word.text for word in turn.words) for turn in transcript.turns]
        words = sum(len(turn.words) for turn in transcript.turns)
        return Result(words, 0, Counter(transcript.dropped), heard)

    return listen


WAYS: dict[str, Callable[[Settings], Listen]] = {
    "session, fast": lambda settings: live(settings, as_microphone=False),
    "session, as at a microphone": lambda settings: live(settings, as_microphone=True),
    "transcribe": batch,
}


def report(heard: dict[str, list[Result]], seconds: Seconds) -> None:
    """A row for each kind; utterances and drops are those of the first way."""
    table = Table("noise", "s", "utterances", "dropped", *(f"words: {way}" for way in WAYS))
    for kind, results in heard.items():
        table.add_row(
            kind,
            f"{seconds:.0f}",
            str(results[0].utterances),
            ", ".join(f"{n} {reason}" for reason, n in results[0].dropped.items()),
            *(str(result.words) for result in results),
        )
    columns = list(zip(*heard.values(), strict=True))
    table.add_section()
    table.add_row(
        "all",
        f"{seconds * len(heard):.0f}",
        str(sum(result.utterances for result in columns[0])),
        str(sum(result.dropped.total() for result in columns[0])),
        *(str(sum(result.words for result in column)) for column in columns),
    )
    Console(width=120).print(table)
    for kind, results in heard.items():
        for way, result in zip(WAYS, results, strict=True):
            for line in result.heard:
                print(f"{kind}, {way}: {line}")
    words = sum(result.words for column in columns for result in column)
    print(f"no words: {'met' if not words else f'MISSED ({words} words)'}")


if __name__ == "__main__":
    main()
