"""Engines and devices in place of the real ones: the same protocols, fast and predictable.

Speech here is a tone for each word, whose pitch is the word: `Voice.say` makes it, `FakeRecognizer`
reads it back, with true times and also from a part of the sound.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from voicemed.asr import Effort, Hypothesis
from voicemed.audio import SAMPLE_RATE, AudioChunk, Samples, Seconds, level_dbfs
from voicemed.encounter import Consent
from voicemed.endpointing import Utterance
from voicemed.findings import Finding
from voicemed.microphone import BLOCK, SourceEvent
from voicemed.transcript import Segment, Turn, Word
from voicemed.tts import clauses


def silence(seconds: Seconds) -> Samples:
    """Digital silence."""
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def tone(seconds: Seconds, pitch: float = 440.0, amplitude: float = 0.3) -> Samples:
    """A sine of `pitch` Hz."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (amplitude * np.sin(2 * np.pi * pitch * t)).astype(np.float32)


class Voice:
    """Says each word as a tone of its own, up to 180 different words."""

    WORD: Seconds = 0.2
    GAP: Seconds = 0.06
    "Between words; shorter than any pause that ends an utterance."
    _LOWEST, _STEP = 200.0, 40.0

    def __init__(self) -> None:
        self._words: list[str] = []

    def say(self, text: str, *, pause: Seconds = 0.0) -> Samples:
        """The words of a text, and silence of that length."""
        sounds = [self._pronounce(word) for word in text.split()]
        return np.concatenate([*sounds, silence(pause)])

    def _pronounce(self, word: str) -> Samples:
        if word not in self._words:
            self._words.append(word)
        pitch = self._LOWEST + self._STEP * self._words.index(word)
        return np.concatenate([tone(self.WORD, pitch), silence(self.GAP)])

    def heard(self, samples: Samples) -> list[Word]:
        """The words of a sound, with their times in it; less than 50 ms of a word is missed."""
        frame = SAMPLE_RATE // 100
        loud = [
            level_dbfs(samples[i : i + frame]) > -40
            for i in range(0, len(samples) - frame + 1, frame)
        ]
        edges = (np.flatnonzero(np.diff([False, *loud, False])) * frame).tolist()
        bursts = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 800]
        return [
            Word(
                f" {self._recognised(samples[a + frame : b - frame])}",
                a / SAMPLE_RATE,
                b / SAMPLE_RATE,
                0.9,
            )
            for a, b in bursts
        ]

    def _recognised(self, burst: Samples) -> str:
        spectrum = np.abs(np.fft.rfft(burst * np.hanning(burst.size), 8 * SAMPLE_RATE // 10))
        pitch = int(np.argmax(spectrum)) * 1.25
        number = round((pitch - self._LOWEST) / self._STEP)
        return self._words[number] if 0 <= number < len(self._words) else "?"


class FakeVad:
    """Speech is what is louder than -40 dBFS."""

    window = 512

    def stream(self) -> Callable[[Samples], float]:
        return self._probability

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        padded = np.pad(samples, (0, -samples.size % self.window)).reshape(-1, self.window)
        return np.array([self._probability(window) for window in padded], np.float32)

    @staticmethod
    def _probability(window: Samples) -> float:
        return 1.0 if level_dbfs(window) > -40 else 0.0


@dataclass(frozen=True, slots=True)
class RecognizerCall:
    """What a FakeRecognizer was asked."""

    utterances: list[Utterance]
    language: str | None
    prompt: str
    prefix: str
    draft: bool


class FakeRecognizer:
    """Reads what a Voice said; an utterance with one of the `noise` words is rejected.

    `error`, once set, is raised by the next call.
    """

    name = "fake recogniser"
    device = "cpu"

    def __init__(self, voice: Voice, *, language: str = "en", noise: Sequence[str] = ()) -> None:
        self.calls: list[RecognizerCall] = []
        self.error: Exception | None = None
        self._voice = voice
        self._language = language
        self._noise = {f" {word}" for word in noise}

    def transcribe(
        self,
        utterances: Sequence[Utterance],
        *,
        language: str | None,
        prompt: str = "",
        prefix: str = "",
        draft: bool = False,
    ) -> list[list[Segment]]:
        self.calls.append(RecognizerCall(list(utterances), language, prompt, prefix, draft))
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return [self._segments(utterance, language) for utterance in utterances]

    def _segments(self, utterance: Utterance, language: str | None) -> list[Segment]:
        words = tuple(
            Word(w.text, utterance.start + w.start, utterance.start + w.end, w.probability)
            for w in self._voice.heard(utterance.samples)
        )
        if not words:
            return []
        rejected = "repetition" if any(word.text in self._noise for word in words) else ""
        return [Segment(words, -0.2, 0.01, language or self._language, rejected)]


def hypothesis(
    text: str,
    *,
    start: Seconds = 0.0,
    word: Seconds = 0.3,
    tokens: int | None = None,
    avg_logprob: float = -0.2,
    no_speech_prob: float = 0.01,
    language: str = "en",
) -> Hypothesis:
    """A hypothesis whose words follow each other from `start`, each `word` seconds long."""
    spelt = [f" {w}" for w in text.split()]
    return Hypothesis(
        text="".join(spelt),
        words=tuple(
            Word(w, start + i * word, start + (i + 1) * word, 0.9) for i, w in enumerate(spelt)
        ),
        tokens=round(1.3 * len(spelt)) if tokens is None else tokens,
        avg_logprob=avg_logprob,
        no_speech_prob=no_speech_prob,
        language=language,
    )


@dataclass(frozen=True, slots=True)
class DecoderCall:
    """What a FakeDecoder was asked."""

    batch: list[Samples]
    language: str | None
    prompt: str
    prefix: str
    effort: Effort


class FakeDecoder:
    """Gives the scripted hypotheses in turn, one for each stretch of sound."""

    name = "fake decoder"
    device = "cpu"

    def __init__(self, *script: Hypothesis) -> None:
        self.calls: list[DecoderCall] = []
        self._script = list(script)

    def decode(
        self,
        batch: Sequence[Samples],
        *,
        language: str | None,
        prompt: str = "",
        prefix: str = "",
        effort: Effort = Effort.NORMAL,
    ) -> list[Hypothesis]:
        self.calls.append(DecoderCall(list(batch), language, prompt, prefix, effort))
        return [self._script.pop(0) for _ in batch]


class FakeSource:
    """Sound in chunks of 512 samples, with what happens in between.

    An item of the script is sound, an event of the device, or a function that is called when the
    source comes to it: it may wait for something, or raise. With `stays_open` the source then waits
    for `close`, as a microphone does.
    """

    name = "fake microphone"

    def __init__(
        self,
        *script: Samples | SourceEvent | Callable[[], object],
        paced: bool = False,
        stays_open: bool = False,
    ) -> None:
        self.paced = paced
        self.overflows = 0
        self.drained = threading.Event()
        "The whole script has been taken."
        self._script = script
        self._stays_open = stays_open
        self._closed = threading.Event()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def events(self) -> Iterator[SourceEvent]:
        position = 0
        for item in self._script:
            if isinstance(item, np.ndarray):
                for first in range(0, item.size, BLOCK):
                    if self.closed:
                        return
                    block = item[first : first + BLOCK]
                    yield AudioChunk(block, SAMPLE_RATE, position / SAMPLE_RATE)
                    position += block.size
            elif callable(item):
                item()
            else:
                yield item
        self.drained.set()
        if self._stays_open:
            self._closed.wait()

    def close(self) -> None:
        self._closed.set()


class FakeSynthesizer:
    """A tenth of a second of tone for each clause. `error`, once set, is raised by the next one."""

    name = "fake voice"
    sample_rate = SAMPLE_RATE

    def __init__(self) -> None:
        self.said: list[str] = []
        self.error: Exception | None = None

    def synthesize(self, text: str) -> Iterator[AudioChunk]:
        self.said.append(text)
        for number, _ in enumerate(clauses(text)):
            if self.error is not None:
                error, self.error = self.error, None
                raise error
            yield AudioChunk(tone(0.1), self.sample_rate, 0.1 * number)


@dataclass
class FakeSink:
    """Keeps what it is given to play."""

    audible: bool = False
    until_stopped: bool = False
    "A reply lasts until `stop`."
    name: str = "fake loudspeaker"
    played: list[Samples] = field(default_factory=list)
    "Of each reply, up to where it was stopped."
    playing: threading.Event = field(default_factory=threading.Event)
    "The first sample of a reply has been played."
    closed: bool = False

    def __post_init__(self) -> None:
        self._stopped = threading.Event()

    def play(self, chunks: Iterator[AudioChunk], started: Callable[[], None] | None = None) -> None:
        self._stopped.clear()
        self.played.append(np.zeros(0, np.float32))
        for number, chunk in enumerate(chunks):
            if self._stopped.is_set():
                return
            if number == 0 and started is not None:
                started()
            self.played[-1] = np.concatenate([self.played[-1], chunk.samples])
            self.playing.set()
        if self.until_stopped:
            self._stopped.wait()

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self.stop()
        self.closed = True


class FakeRecorder:
    """Keeps in memory what would go to disk, in the order in which it came.

    `sound_error` and `text_error`, once set, are raised by everything of that kind.
    """

    id = "0123abcd-0000-4000-8000-000000000000"

    def __init__(self, *, free: int = 10**12) -> None:
        self.log: list[str] = []
        "What happened, but for sound."
        self.sound: list[Samples] = []
        self.synced = 0
        "Samples that were on disk at the last sync."
        self.turns: list[Turn] = []
        self.found: list[tuple[Finding, ...]] = []
        self.notes: list[str] = []
        self.consents: list[Consent] = []
        self.finished: tuple[str, dict[str, int]] | None = None
        self.free = free
        self.sound_error: Exception | None = None
        self.text_error: Exception | None = None

    @property
    def samples(self) -> Samples:
        return np.concatenate([np.zeros(0, np.float32), *self.sound])

    def audio(self, samples: Samples) -> None:
        if self.sound_error is not None:
            raise self.sound_error
        self.sound.append(samples.copy())

    def sync(self) -> None:
        if self.sound_error is not None:
            raise self.sound_error
        self.synced = self.samples.size
        self.log.append("sync")

    def turn(self, turn: Turn, language: str = "") -> None:
        self._note("turn")
        self.turns.append(turn)

    def findings(self, findings: Sequence[Finding]) -> None:
        self._note("findings")
        self.found.append(tuple(findings))

    def note(self, markdown: str) -> None:
        self._note("note")
        self.notes.append(markdown)

    def consent(self, consent: Consent) -> None:
        self._note("consent")
        self.consents.append(consent)

    def event(self, action: str, details: str = "") -> None:
        self._note(f"event {action}")

    def finish(self, *, model: str = "", dropped: Mapping[str, int] | None = None) -> None:
        self._note("finish")
        self.finished = (model, dict(dropped or {}))

    def free_space(self) -> int:
        return self.free

    def _note(self, what: str) -> None:
        if self.text_error is not None:
            raise self.text_error
        self.log.append(what)
