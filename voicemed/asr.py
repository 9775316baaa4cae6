"""Speech recognition: the protocol, the guard against invented text, partial hypotheses.

Whisper writes fluent sentences about silence and loops on what it has just said.
`GuardedRecognizer` stands between an engine's decoder and the rest: it gates what is not speech,
looks at each hypothesis for the marks of invented text, has a suspicious one decoded again with
more care (the full encoder window, beam search), and only then rejects it, with the reason, so
that it can be counted and shown.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import numpy as np

from voicemed.audio import SAMPLE_RATE, Samples, Seconds, level_dbfs
from voicemed.config import RecognitionSettings
from voicemed.endpointing import Utterance
from voicemed.transcript import Segment, Word
from voicemed.weights import locate

MAX_UTTERANCE: Seconds = 29.5
"Whisper hears at most 30 s at once; a longer utterance would lose its end."


class Recognizer(Protocol):
    """Turns utterances into words. Weights are loaded once; calls are independent of each other."""

    name: str
    "For the screen: engine and model."
    device: str
    "cpu or cuda."

    def transcribe(
        self,
        utterances: Sequence[Utterance],
        *,
        language: str | None,
        prompt: str = "",
        prefix: str = "",
        draft: bool = False,
    ) -> list[list[Segment]]:
        """Recognise utterances of at most MAX_UTTERANCE seconds, together where that is faster.

        language: ISO 639-1 code, or None to detect it for each utterance.
        prompt: names and terms to favour, and what was said before; never part of the result.
        prefix: words that the text of each utterance is known to begin with; they are part of the
            result. (The committed words of a growing utterance, where its final text would
            contradict them.)
        draft: a quick look at an utterance that is still growing; what is doubtful is rejected
            instead of decoded again.

        Returns one list of segments for each utterance, empty where there was nothing to hear;
        segments with `rejected` set carry text that is not to be shown. Raises EngineError if the
        engine fails.
        """
        ...


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a decoder reads from one stretch of sound, before anybody has judged it."""

    text: str
    words: tuple[Word, ...]
    "Times relative to the first sample; empty if no word times were asked for."
    tokens: int
    "Of text, the prefix included."
    avg_logprob: float
    "Mean over the tokens, end of text included (natural logarithm)."
    no_speech_prob: float
    language: str
    "ISO 639-1."


Judge = Callable[["Hypothesis", Seconds], str]
"From a hypothesis and the duration of its sound, what speaks against it; empty if nothing."


class Effort(Enum):
    """How a decoder weighs speed against accuracy."""

    DRAFT = "draft"
    "The fastest way: what it reads is shown for a moment."
    NORMAL = "normal"
    CAREFUL = "careful"
    "The most reliable way (full encoder window, wide beam), for the few that went wrong."
    WITHOUT_REPETITION = "without repetition"
    "The same, and nothing longer than a few words is said twice: the way out of a loop."


class Decoder(Protocol):
    """A Whisper engine: sound in, hypotheses out."""

    name: str
    device: str

    def decode(
        self,
        batch: Sequence[Samples],
        *,
        language: str | None,
        prompt: str = "",
        prefix: str = "",
        effort: Effort = Effort.NORMAL,
    ) -> list[Hypothesis]:
        """Decode stretches of at most 30 s at 16 kHz, one hypothesis for each.

        Raises ConfigError for a language that the model does not know, EngineError if the engine
        fails.
        """
        ...


class GuardedRecognizer:
    """The Recognizer over any Decoder, with the guard against invented text."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.name = decoder.name
        self.device = decoder.device

    def transcribe(
        self,
        utterances: Sequence[Utterance],
        *,
        language: str | None,
        prompt: str = "",
        prefix: str = "",
        draft: bool = False,
    ) -> list[list[Segment]]:
        """See Recognizer."""
        audible = [u for u in utterances if not _is_silent(u.samples)]
        hypotheses = self._decode(audible, language, prompt, prefix, draft)
        if not draft:
            hypotheses = self._fill_gaps(audible, hypotheses, len(prefix.split()))
        judge = doubt if draft else rejection
        segments = {id(u): _segment(u, h, judge) for u, h in zip(audible, hypotheses, strict=True)}
        return [[segments[id(u)]] if id(u) in segments else [] for u in utterances]

    def _decode(
        self,
        utterances: Sequence[Utterance],
        language: str | None,
        prompt: str,
        prefix: str,
        draft: bool,
    ) -> list[Hypothesis]:
        if not utterances:
            return []
        batch = [u.samples for u in utterances]
        effort = Effort.DRAFT if draft else Effort.NORMAL
        hypotheses = [
            without_soundless_repeats(hypothesis)
            for hypothesis in self._decoder.decode(
                batch, language=language, prompt=prompt, prefix=prefix, effort=effort
            )
        ]
        if draft:
            return hypotheses
        # Without the prompt: it is one of the things that Whisper invents text from.
        said_before = _spoken_words(prompt)

        def judge(hypothesis: Hypothesis, duration: Seconds) -> str:
            return _echo(hypothesis.text, said_before) or doubt(hypothesis, duration)

        self._decode_again(utterances, hypotheses, judge, language, prefix, Effort.CAREFUL)
        self._decode_again(
            utterances, hypotheses, rejection, language, prefix, Effort.WITHOUT_REPETITION
        )
        return hypotheses

    def _decode_again(
        self,
        utterances: Sequence[Utterance],
        hypotheses: list[Hypothesis],
        judge: Judge,
        language: str | None,
        prefix: str,
        effort: Effort,
    ) -> None:
        """Replace the hypotheses that the judge has something against."""
        again = [
            i
            for i, (u, h) in enumerate(zip(utterances, hypotheses, strict=True))
            if judge(h, u.end - u.start)
        ]
        if again:
            batch = [utterances[i].samples for i in again]
            better = self._decoder.decode(batch, language=language, prefix=prefix, effort=effort)
            for i, hypothesis in zip(again, better, strict=True):
                hypotheses[i] = without_soundless_repeats(hypothesis)

    def _fill_gaps(
        self,
        utterances: Sequence[Utterance],
        hypotheses: list[Hypothesis],
        settled: int,
    ) -> list[Hypothesis]:
        """Decode what sounds like speech but has no words: Whisper stops early, or skips a part.

        The first `settled` words stay together: nothing is put between them.
        """
        gaps = [
            (i, start, end)
            for i, (u, h) in enumerate(zip(utterances, hypotheses, strict=True))
            for start, end in wordless(u.samples, h.words)
            if start >= max((w.start for w in h.words[:settled]), default=0.0)
        ]
        filled = list(hypotheses)
        # A gap is too short to tell its language; it is that of the words around it.
        for language in dict.fromkeys(hypotheses[i].language for i, _, _ in gaps):
            alike = [gap for gap in gaps if hypotheses[gap[0]].language == language]
            stretches = [
                utterances[i].samples[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)]
                for i, start, end in alike
            ]
            found = self._decoder.decode(stretches, language=language)
            for (i, start, end), extra in zip(alike, found, strict=True):
                joined = _joined(filled[i], extra, start)
                # Sound that is not speech was passed over for good reason: demand more of it than
                # elsewhere, and never that the words around it are rejected for its sake.
                sure = extra.words and not doubt(extra, end - start) and extra.avg_logprob > -0.7
                if sure and not rejection(joined, utterances[i].end - utterances[i].start):
                    filled[i] = joined
        return filled


def doubt(hypothesis: Hypothesis, duration: Seconds) -> str:
    """Why the text may be invented, in a word or two; empty if nothing speaks against it.

    It costs no more than a second decode, so it is easily raised.
    """
    if _longest_rush(hypothesis.words) >= _RUSH:
        return "words without sound"
    if has_loop(hypothesis.text, _DOUBTFUL_LOOPS) or _ends_repeating(hypothesis.text):
        return "repetition"
    return rejection(hypothesis, duration)


def _echo(text: str, said_before: Sequence[str]) -> str:
    """Whether the whole text, of at least three words, is a piece of the prompt."""
    words = _spoken_words(text)
    starts = range(len(said_before) - len(words) + 1) if len(words) >= 3 else ()
    echoes = any(list(said_before[i : i + len(words)]) == words for i in starts)
    return "echo of the prompt" if echoes else ""


def rejection(hypothesis: Hypothesis, duration: Seconds) -> str:
    """Why the text is taken for invented, in a word or two; empty if it is not.

    Compression ratio, no-speech and log probability with their thresholds are openai-whisper's
    (transcribe.py); loops and tokens per second are ours, from what the trimmed window does.
    """
    text = hypothesis.text.strip()
    if not text:
        return ""
    if has_loop(text, _CERTAIN_LOOPS) or compression_ratio(text) > 2.4:
        return "repetition"
    # Fast English has about 6 tokens a second; languages that Whisper spells in bytes have 9.
    if hypothesis.tokens > 6 + 11 * duration:
        return "too many words for its length"
    if any(
        hypothesis.no_speech_prob > no_speech and hypothesis.avg_logprob < logprob
        for no_speech, logprob in _no_speech(duration)
    ):
        return "no speech"
    if not re.search(r"\w", text):  # ". . . ." is written about hiss
        return "no speech"
    if _is_stock_phrase(text) and (
        hypothesis.no_speech_prob > 0.3 or hypothesis.avg_logprob < -0.8
    ):
        return "no speech"
    return ""


_NO_SPEECH = ((0.6, -1.0), (0.3, -1.3), (0.0, -1.5))
"""No-speech probability above and mean log probability below which no speech is assumed. The first
pair is openai-whisper's. The others are ours: of 63 inventions about noise they reject 62 where the
first alone rejects 41, and of 126 real utterances, also 20 dB softer and in a café's noise, one."""
_NO_SPEECH_BRIEF = ((0.3, -0.8), (0.25, -0.95))
"""The same for up to _BRIEF seconds, where Whisper has little to go by: of 297 such utterances of
speech these pairs reject 13, half of them "um", "mmm" and the like; and all 39 inventions about
noise."""
_BRIEF: Seconds = 4.0


def _no_speech(duration: Seconds) -> tuple[tuple[float, float], ...]:
    return (*_NO_SPEECH, *_NO_SPEECH_BRIEF) if duration <= _BRIEF else _NO_SPEECH


def compression_ratio(text: str) -> float:
    """Bytes of the text over bytes of it compressed by zlib, as in openai-whisper."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))


_SILENCE = -70.0
"dBFS: below any microphone's noise, so nothing is said there."
_GAP: Seconds = 1.5
"Speech without words from that length on is decoded again."
_LONGEST_WORD: Seconds = 1.0
"Alignment stretches a word over what follows it; what exceeds this is not counted as the word."


def wordless(samples: Samples, words: Sequence[Word]) -> list[tuple[Seconds, Seconds]]:
    """Stretches, in seconds from the first sample, as loud as the speech around but without words.

    A stretch counts if at least _GAP seconds of it lie within 20 dB of the utterance's own level.
    """
    if not words:
        return []
    frame = SAMPLE_RATE // 10
    levels = np.array(
        [level_dbfs(samples[i : i + frame]) for i in range(0, len(samples) - frame + 1, frame)]
    )
    if not levels.size:
        return []
    loud = levels > max(_SILENCE, np.percentile(levels, 90) - 20.0)
    edges = [0.0]
    for word in words:
        edges += [word.start, min(word.end, word.start + _LONGEST_WORD)]
    edges.append(len(samples) / SAMPLE_RATE)
    return [
        (start, end)
        for start, end in zip(edges[::2], edges[1::2], strict=True)
        if end - start >= _GAP and loud[round(start * 10) : round(end * 10)].sum() * 0.1 >= _GAP
    ]


def _joined(hypothesis: Hypothesis, extra: Hypothesis, offset: Seconds) -> Hypothesis:
    """The hypothesis with the words of a gap, `offset` seconds after its first sample, put in."""
    moved = (Word(w.text, offset + w.start, offset + w.end, w.probability) for w in extra.words)
    words = tuple(sorted((*hypothesis.words, *moved), key=lambda w: w.start))
    tokens = hypothesis.tokens + extra.tokens
    weighted = hypothesis.avg_logprob * hypothesis.tokens + extra.avg_logprob * extra.tokens
    return replace(
        hypothesis,
        text="".join(w.text for w in words),
        words=words,
        tokens=tokens,
        avg_logprob=weighted / max(1, tokens),
    )


_DOUBTFUL_LOOPS = (5, 4, 3, 2)
_CERTAIN_LOOPS = (8, 5, 4, 3)
"""How often an n-gram of 1, 2, 3, and more words is said in a row: people say "no, no, no", "very
very very", even "I don't know, I don't know", but not a whole sentence three times over."""
_LONGEST_LOOP = 20
"Words."


def has_loop(text: str, counts: Sequence[int]) -> bool:
    """Whether an n-gram is said `counts[min(n, len(counts)) - 1]` times without a break."""
    words = _spoken_words(text)
    for n in range(1, min(_LONGEST_LOOP, len(words) // 2) + 1):
        needed = n * (counts[min(n, len(counts)) - 1] - 1)
        run = 0
        for i in range(n, len(words)):
            run = run + 1 if words[i] == words[i - n] else 0
            if run >= needed:
                return True
    return False


def _ends_repeating(text: str) -> bool:
    """Whether the text ends in the middle of saying the same four or more words again."""
    words = _spoken_words(text)
    return any(
        words[-3:] == words[-3 - n : -n] for n in range(4, min(_LONGEST_LOOP, len(words) - 3) + 1)
    )


_RUSH = 3
"Words in a row, with next to no time for any: what Whisper adds after the sound has ended."


def _rushes(words: Sequence[Word]) -> list[tuple[int, int]]:
    """Runs of words that last 0.05 s at most, as first index and index after the last."""
    soundless = [word.end - word.start <= 0.05 for word in words]
    edges = [i for i, _ in enumerate(words) if soundless[i] and not (i and soundless[i - 1])]
    return [
        (first, next((i for i in range(first, len(words)) if not soundless[i]), len(words)))
        for first in edges
    ]


def _longest_rush(words: Sequence[Word]) -> int:
    return max((end - first for first, end in _rushes(words)), default=0)


def without_soundless_repeats(hypothesis: Hypothesis) -> Hypothesis:
    """The hypothesis without words that have no sound and only say again what came before them.

    A fifth of short utterances are read as "It started last night. It started last night." by a
    beam that is not to stop early; the second time has no time. What was said twice has sound
    twice, and stays.
    """
    words = list(hypothesis.words)
    for first, end in reversed(_rushes(words)):
        if end - first >= _RUSH:
            start = _repeat_start([_spoken(word.text) for word in words[:end]], first)
            del words[start:end]
    if len(words) == len(hypothesis.words):
        return hypothesis
    kept = len(words) / len(hypothesis.words)
    return replace(
        hypothesis,
        text="".join(word.text for word in words),
        words=tuple(words),
        tokens=round(hypothesis.tokens * kept),
    )


def _repeat_start(words: Sequence[str], first: int) -> int:
    """Where the repeat begins to which words[first:] belong; len(words) if they repeat nothing.

    Its first words may have got some of the sound of the original's last ones.
    """
    end = len(words)
    for period in range(1, first + 1):
        if all(words[i] == words[i - period] for i in range(first, end)):
            start = first
            longest = -(-(end - first) // period) * period
            while (
                start > period
                and end - start < longest
                and words[start - 1] == words[start - 1 - period]
            ):
                start -= 1
            return start
    return end


_STOCK_PHRASES = frozenset(
    {
        "thank you",
        "thank you very much",
        "thank you for watching",
        "thanks for watching",
        "please subscribe",
        "subtitles by the amara org community",
        "you",
        "bye",
        "bye bye",
    }
)
"What Whisper writes about noise, learnt from subtitles; all but the middle ones are also said."


def _is_stock_phrase(text: str) -> bool:
    return " ".join(_spoken_words(text)) in _STOCK_PHRASES


def _is_silent(samples: Samples) -> bool:
    """No tenth of a second reaches _SILENCE."""
    frame = SAMPLE_RATE // 10
    return all(level_dbfs(samples[i : i + frame]) < _SILENCE for i in range(0, len(samples), frame))


def _segment(utterance: Utterance, hypothesis: Hypothesis, judge: Judge) -> Segment:
    words = tuple(
        Word(w.text, utterance.start + w.start, utterance.start + w.end, w.probability)
        for w in hypothesis.words
    )
    return Segment(
        words=words,
        avg_logprob=hypothesis.avg_logprob,
        no_speech_prob=hypothesis.no_speech_prob,
        language=hypothesis.language,
        rejected=judge(hypothesis, utterance.end - utterance.start),
    )


class Agreement:
    """Which words of a growing utterance will not change any more: LocalAgreement.

    Words on which consecutive hypotheses agree are committed (Macháček et al. 2023, "Turning
    Whisper into Real-Time Transcription System"). The hypotheses are made independently of what is
    committed, and three must agree, each sure of the word and with sound after it: with two, as in
    the paper, the final text contradicted what stood on the screen in every fifth utterance ("I
    have it lost weight" for "haven't"), with three in about one of a hundred.
    """

    COUNT = 3
    "Hypotheses that must agree."
    HOLD: Seconds = 0.8
    "Sound that must follow a word: the last words of cut sound are guesses."
    PROBABILITY = 0.5
    "Of each word at least, in each of the hypotheses."

    def __init__(self) -> None:
        self._committed: list[str] = []
        self._recent: list[Sequence[Word]] = []

    @property
    def committed(self) -> str:
        """The words that will not change."""
        return "".join(self._committed).strip()

    @property
    def tentative(self) -> str:
        """The words of the last hypothesis that may still change."""
        fresh = self._recent[-1][len(self._committed) :] if self._recent else ()
        return "".join(word.text for word in fresh).strip()

    def update(self, words: Sequence[Word], end: Seconds) -> None:
        """Take the hypothesis on the utterance's sound up to `end`."""
        self._recent = [*self._recent, words][-self.COUNT :]
        if len(self._recent) < self.COUNT or self.settled(words) is None:
            return
        for same in islice(zip(*self._recent, strict=False), len(self._committed), None):
            agreed = len({_spoken(word.text) for word in same}) == 1
            sure = all(word.probability >= self.PROBABILITY for word in same)
            if not (agreed and sure and same[-1].end <= end - self.HOLD):
                break
            self._committed.append(same[-1].text)

    def settled(self, words: Sequence[Word]) -> list[Word] | None:
        """The words with the committed ones as they were shown; None if they say otherwise."""
        count = len(self._committed)
        if [_spoken(w.text) for w in words[:count]] != [_spoken(c) for c in self._committed]:
            return None
        shown = zip(words, self._committed, strict=False)
        return [*(replace(word, text=text) for word, text in shown), *words[count:]]


def _spoken_words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _spoken(word: str) -> str:
    """A word without its case and punctuation, which change while a sentence grows."""
    return "".join(c for c in word.casefold() if c.isalnum())


def create_recognizer(settings: RecognitionSettings, *, workers: int = 1) -> Recognizer:
    """The recogniser of the settings, its weights loaded.

    workers: how many threads will call it; on a CPU they share its cores.

    Raises ModelMissing or ModelDamaged for the weights, EngineError for the engine or device.
    """
    folder = locate(settings.model)
    engine = settings.engine
    if engine == "auto":
        from voicemed.whisper_torch import gpu_available

        engine = "torch" if settings.device != "cpu" and gpu_available() else "ct2"
    decoder = _ENGINES[engine](folder, settings, workers)
    return GuardedRecognizer(decoder)


def _load_ct2(folder: Path, settings: RecognitionSettings, workers: int) -> Decoder:
    from voicemed import whisper_ct2

    threads = settings.threads or os.cpu_count() or 1
    return whisper_ct2.load(
        folder, device=settings.device, threads=max(1, threads // workers), workers=workers
    )


def _load_torch(folder: Path, settings: RecognitionSettings, _workers: int) -> Decoder:
    from voicemed import whisper_torch

    return whisper_torch.load(folder, settings.device)


_ENGINES: Mapping[str, Callable[[Path, RecognitionSettings, int], Decoder]] = MappingProxyType(
    {"ct2": _load_ct2, "torch": _load_torch}
)
