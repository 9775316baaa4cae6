"""Whisper on CTranslate2: CPU int8, and NVIDIA.

Whisper was trained on windows of 30 s and every implementation pads to that. The encoder's cost
grows faster than the window, so here it encodes only the utterance and a tail of silence, 10 s at
least: two or three times faster. The tail tells the decoder that the speech is over; what still
goes wrong (loops) the guard in asr.py sees, and asks for a `careful` decode with the full window.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicemed.asr import Effort, Hypothesis
from voicemed.audio import SAMPLE_RATE, Samples, Seconds
from voicemed.errors import ConfigError, EngineError, ModelDamaged
from voicemed.transcript import Word

_LENGTH_PENALTY = 1.4
"""Exponent of the length by which a score is divided. With 1, the usual choice, a wide beam drops
words that were said: on 62 min of consultations 24 more of some 6,500, inventing hardly fewer."""
_TRIMMED = frozenset({Effort.DRAFT, Effort.NORMAL})
_WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"Languages, as in openai-whisper's tokenizer.py."
_HOP = 160
"Samples between two frames of the mel spectrogram (10 ms)."
_FULL_WINDOW = 3000
"Frames: 30 s."
_FRAMES_STEP = 100
"Windows are multiples of so many frames."
_LEAN_WINDOWS = (1000, 1300, 1700, 2200, _FULL_WINDOW)
"""Frames of the windows of a lean decoder. The engine keeps kernels for each length that it has
seen (5 MB: oneDNN's convolutions), so with more of them memory would grow as a session goes on."""
_LEAN_CHUNK = 2 << 20
"Bytes from which on a lean decoder's buffers are the system's own, see _return_large_buffers."
_BEAM = MappingProxyType(
    {Effort.DRAFT: 1, Effort.NORMAL: 5, Effort.CAREFUL: 5, Effort.WITHOUT_REPETITION: 5}
)
"Hypotheses followed side by side."
_CONTEXT = 448
"Tokens that the decoder takes in all."
_MAX_PROMPT = 223
"Tokens of prompt; half of the decoder's context, as in openai-whisper."


class CT2Decoder:
    """A Decoder (asr.py) over a CTranslate2 Whisper; safe to call from several threads.

    Load it with `load`.
    """

    TAIL: Seconds = 1.5
    "Silence encoded after the utterance, at least."
    SHORTEST: Seconds = 10.0
    """Encoded, at least. Whisper has never seen a window of 4 s: two consultations in a session,
    their utterances mostly of 1 to 4 s, give 15.7 % WER with a tail of 1.5 s, 13.6 % with 3 s, and
    with at least 10 s 8.9 %. 15 s give 8.2 % and take half as long again."""
    BATCH = 8
    "Utterances decoded together at most; more gain nothing on a CPU and cost memory."

    def __init__(self, model: Any, name: str, device: str, *, lean: bool = False) -> None:
        """lean: for hours of use, memory stays level: few windows, free memory goes back."""
        self._whisper = model  # faster_whisper.WhisperModel: its features, tokenizer, alignment
        self._model = model.model  # ctranslate2.models.Whisper
        self.name = name
        self.device = device
        self._lean = lean
        if lean:
            _return_large_buffers()

    def decode(
        self,
        batch: Sequence[Samples],
        *,
        language: str | None,
        prompt: str = "",
        prefix: str = "",
        effort: Effort = Effort.NORMAL,
    ) -> list[Hypothesis]:
        """See asr.Decoder."""
        if language not in (None, "en") and language not in self._whisper.supported_languages:
            raise ConfigError(
                f"[recognition] language {language!r} is none that {self.name} knows: "
                "take an ISO 639-1 code such as en, or auto"
            )
        hypotheses: dict[int, Hypothesis] = {}
        try:
            for indices in _similar(batch, self.BATCH):
                stretches = [batch[i] for i in indices]
                frames = self._frames(stretches) if effort in _TRIMMED else _FULL_WINDOW
                encoded = self._encode(stretches, frames)
                for chosen, members in self._by_language(encoded, len(stretches), language):
                    part = encoded if len(members) == len(indices) else _rows(encoded, members)
                    decoded = self._generate(
                        part, [stretches[k] for k in members], chosen, prompt, prefix, effort
                    )
                    hypotheses.update(zip((indices[k] for k in members), decoded, strict=True))
        except (RuntimeError, MemoryError) as error:
            raise EngineError(f"{self.name}: recognition failed: {error}") from error
        if self._lean:
            _return_memory()
        return [hypotheses[i] for i in range(len(batch))]

    def _frames(self, stretches: Sequence[Samples]) -> int:
        longest = max(len(s) for s in stretches) / SAMPLE_RATE
        frames = int(max(longest + self.TAIL, self.SHORTEST) * SAMPLE_RATE) // _HOP
        if self._lean:
            return next((window for window in _LEAN_WINDOWS if window >= frames), _FULL_WINDOW)
        return min(_FULL_WINDOW, frames + -frames % _FRAMES_STEP)

    def _encode(self, stretches: Sequence[Samples], frames: int) -> Any:
        """Encoder output, frames / 2 positions for each stretch."""
        from ctranslate2 import StorageView

        features = np.stack([self._features(s, frames) for s in stretches])
        if self.device == "cuda" or len(stretches) == 1:
            return self._model.encode(StorageView.from_array(features))
        # One after the other: a CPU's caches hold the attention of one, not of eight.
        encoded = [self._model.encode(StorageView.from_array(one[None])) for one in features]
        return StorageView.from_array(np.concatenate([np.asarray(e) for e in encoded]))

    def _features(self, samples: Samples, frames: int) -> NDArray[np.float32]:
        """Log-mel spectrogram of the samples followed by silence, shape (mels, frames)."""
        padded = np.zeros(frames * _HOP, np.float32)
        padded[: min(len(samples), len(padded))] = samples[: len(padded)]
        features = self._whisper.feature_extractor(padded, padding=0)
        # The centred transform gives one frame for each hop, and not one more.
        return np.asarray(features[:, :frames], np.float32)

    def _by_language(
        self, encoded: Any, count: int, language: str | None
    ) -> Iterator[tuple[str, list[int]]]:
        """The language of each row of the encoder output, rows of one language together."""
        if language is None and self._model.is_multilingual:
            detected = [best[0][0].strip("<|>") for best in self._model.detect_language(encoded)]
        else:
            detected = [language or "en"] * count
        for chosen in dict.fromkeys(detected):
            yield chosen, [k for k, other in enumerate(detected) if other == chosen]

    def _generate(
        self,
        encoded: Any,
        stretches: Sequence[Samples],
        language: str,
        prompt: str,
        prefix: str,
        effort: Effort,
    ) -> list[Hypothesis]:
        tokenizer = self._tokenizer(language)
        start = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        # Languages that are written without spaces begin without one.
        space = "" if language in _WITHOUT_SPACES else " "
        forced = tokenizer.encode(space + prefix.strip()) if prefix.strip() else []
        if prompt.strip():
            favoured = tokenizer.encode(" " + prompt.strip())[-_MAX_PROMPT:]
            start = [tokenizer.sot_prev, *favoured, *start]
        limit = int(10 + 12 * max(len(s) for s in stretches) / SAMPLE_RATE)
        results = self._model.generate(
            encoded,
            [[*start, *forced]] * len(stretches),
            # A loop is left early; the guard takes what reaches the limit for invented. CTranslate2
            # writes half of max_length at most, and what of it the prompt leaves.
            max_length=min(_CONTEXT, max(2 * limit, limit + len(start))),
            beam_size=_BEAM[effort],
            length_penalty=_LENGTH_PENALTY,
            no_repeat_ngram_size=5 if effort is Effort.WITHOUT_REPETITION else 0,
            # At the start blanks are not allowed, nor the end of text; a prefix may be all of it.
            suppress_blank=not forced,
            return_scores=True,
            return_no_speech_prob=True,
        )
        texts = [[t for t in r.sequences_ids[0] if t < tokenizer.eot] for r in results]
        aligned = self._align(encoded, tokenizer, texts, stretches)
        return [
            Hypothesis(
                text=tokenizer.decode(tokens),
                words=words,
                tokens=len(tokens),
                # openai-whisper counts the end of text too.
                avg_logprob=result.scores[0] * len(tokens) ** _LENGTH_PENALTY / (len(tokens) + 1),
                no_speech_prob=result.no_speech_prob,
                language=language,
            )
            for result, tokens, words in zip(results, texts, aligned, strict=True)
        ]

    def _align(
        self,
        encoded: Any,
        tokenizer: Any,
        texts: list[list[int]],
        stretches: Sequence[Samples],
    ) -> list[tuple[Word, ...]]:
        """Word times by dynamic time warping of the cross-attention (openai-whisper, timing.py)."""
        from faster_whisper.transcribe import merge_punctuations

        spoken = [k for k, tokens in enumerate(texts) if tokens]
        aligned: list[tuple[Word, ...]] = [()] * len(texts)
        if not spoken:
            return aligned
        frames = [max(2, len(stretches[k]) // _HOP) for k in spoken]
        part = encoded if len(spoken) == len(texts) else _rows(encoded, spoken)
        alignments = self._whisper.find_alignment(
            tokenizer, [texts[k] for k in spoken], part, frames
        )
        for k, alignment in zip(spoken, alignments, strict=True):
            merge_punctuations(alignment, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")
            aligned[k] = _words(alignment, len(stretches[k]) / SAMPLE_RATE)
        return aligned

    def _tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        multilingual = self._model.is_multilingual
        return Tokenizer(
            self._whisper.hf_tokenizer,
            multilingual,
            task="transcribe",
            language=language if multilingual else "en",
        )


def load(folder: Path, *, device: str = "cpu", threads: int = 0, workers: int = 1) -> CT2Decoder:
    """A decoder of the CTranslate2 Whisper in that folder (verified before, see weights.py).

    device: cpu, cuda, or auto for the GPU where CTranslate2 sees one. threads: CPU threads for each
    call, 0 for one a core. workers: how many calls from different threads run side by side.

    Raises EngineError if faster-whisper is missing or the device cannot be used, ModelDamaged if
    the folder holds no such model.
    """
    try:
        from ctranslate2 import get_cuda_device_count
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise EngineError(
            f"the recogniser faster-whisper is not usable ({error}): pip install voicemed"
        ) from error
    for name in ("model.bin", "tokenizer.json"):  # faster-whisper would download a tokenizer
        if not (folder / name).is_file():
            raise ModelDamaged(f"{folder}: no CTranslate2 Whisper here ({name} is missing)")
    if device == "auto":
        device = "cuda" if get_cuda_device_count() else "cpu"
    try:
        model = WhisperModel(
            str(folder),
            device=device,
            compute_type="float16" if device == "cuda" else "int8",
            cpu_threads=threads,
            num_workers=workers,
            local_files_only=True,
        )
    except Exception as error:  # tokenizers raises nothing more specific
        raise EngineError(f"{folder.name} cannot be loaded on {device}: {error}") from error
    # A session lasts for hours; a batch is soon over, and its workers would wait for each other.
    lean = workers == 1
    return CT2Decoder(model, f"{folder.name} · CTranslate2", device, lean=lean)


@cache
def _glibc(name: str) -> Callable[..., object] | None:
    """glibc's function of that name; None where there is none."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def _return_large_buffers() -> None:
    """Let the system, not the heap, provide this process with large buffers from now on.

    An utterance needs dozens of them, of sizes of its own, and they leave holes in the heap that
    grow through a session of an hour by 20 MiB. It makes an utterance of 12 s 40 ms slower, one of
    3 s hardly. glibc does so of itself at first, but forgets it when a large buffer is freed.
    """
    set_option = _glibc("mallopt")
    if set_option is not None:
        mmap_threshold = -3  # M_MMAP_THRESHOLD of malloc.h
        set_option(mmap_threshold, _LEAN_CHUNK)


def _return_memory() -> None:
    """Give what is free back to the system.

    Every utterance needs buffers of other sizes, and glibc keeps the holes between them: without
    this a session of hours holds a hundred MiB that nobody uses, and slowly more. It takes 20 ms,
    most of them for having the memory anew.
    """
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _similar(batch: Sequence[Samples], size: int) -> Iterator[list[int]]:
    """Indices in groups of similar length, so that little padding is encoded."""
    order = sorted(range(len(batch)), key=lambda i: len(batch[i]))
    for first in range(0, len(order), size):
        yield order[first : first + size]


def _rows(encoded: Any, rows: Sequence[int]) -> Any:
    from ctranslate2 import Device, StorageView

    on_cpu = encoded.to_device(Device.cpu) if encoded.device != "cpu" else encoded
    chosen = np.ascontiguousarray(np.array(on_cpu)[list(rows)])
    return StorageView.from_array(chosen).to_device(getattr(Device, encoded.device))


def _words(alignment: list[dict[str, Any]], duration: Seconds) -> tuple[Word, ...]:
    """Words in order, within the duration, without overlap; empty ones went to their neighbours."""
    words = [w for w in alignment if w["word"].strip()]
    starts = [min(float(w["start"]), duration) for w in words]
    ends = [min(float(w["end"]), duration) for w in words]
    for i, j in pairwise(range(len(words))):
        ends[i] = min(ends[i], starts[j])
    return tuple(
        Word(w["word"], start, max(start, end), min(1.0, float(w["probability"])))
        for w, start, end in zip(words, starts, ends, strict=True)
    )
