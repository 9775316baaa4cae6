"""Whisper on PyTorch (openai-whisper): the recogniser for a GPU, many utterances in one batch.

Needs the extra `gpu` (torch, torchaudio, openai-whisper); nothing is imported from it before it is
asked for. Weights come from openai-whisper's own list, a local .pt, or the CTranslate2 folder that
the CPU engine uses: that one is read here and renamed, which takes less than a second, so that the
same download serves both engines and no converted copy is kept.

Always the full window of 30 s is encoded: on a GPU that costs little, and openai-whisper's encoder
takes nothing else.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import pickle
import re
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from voicemed.asr import Effort, Hypothesis
from voicemed.audio import SAMPLE_RATE, Samples, Seconds
from voicemed.errors import ConfigError, DownloadError, EngineError, ModelDamaged, ModelMissing
from voicemed.transcript import Word

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from whisper.decoding import DecodingOptions, DecodingResult
    from whisper.model import Whisper
    from whisper.tokenizer import Tokenizer

WINDOW = 30 * SAMPLE_RATE
"Samples that Whisper encodes at once."
POSITION: Seconds = 0.02
"Sound in one position of the encoder's output."
BEAM_SIZE = 5
"Of the second, careful decode; openai-whisper's command line uses the same."
BATCH_SIZE = {"cuda": 32, "cpu": 4}
"Utterances decoded at once; halved where the GPU's memory does not hold them."
_WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"Languages whose text starts without a space, as in openai-whisper's tokenizer."


# ---- What is there -----------------------------------------------------------------------------


def gpu_available() -> bool:
    """Whether torch and openai-whisper are installed and torch sees a CUDA GPU.

    Without the two packages nothing is imported.
    """
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("whisper") is None:
        return False
    try:
        import torch
    except (ImportError, OSError):  # a library that torch was built for is not there
        return False
    return bool(torch.cuda.is_available())


def _require_engine() -> None:
    """Raise EngineError with the mending command unless torch and openai-whisper import."""
    try:
        import torch  # noqa: F401
        import whisper  # noqa: F401
    except (ImportError, OSError) as error:
        raise EngineError(
            f"the torch engine cannot be loaded ({error}): run pip install 'voicemed[gpu]'"
        ) from error


def resample(samples: Samples, from_rate: int, to_rate: int, device: str = "cpu") -> Samples:
    """Change the sampling rate of a whole signal (in Hz) with torchaudio, on the device named.

    The windowed sinc is the one whose parameters torchaudio gives for the quality of resampy's
    `kaiser_best`. Raises EngineError where torchaudio does not import.
    """
    try:
        import torch
        from torchaudio.functional import resample as sinc_resample
    except (ImportError, OSError) as error:
        raise EngineError(
            f"torchaudio cannot be loaded ({error}): run pip install 'voicemed[gpu]'"
        ) from error
    resampled: Samples = (
        sinc_resample(
            torch.tensor(samples, dtype=torch.float32, device=device),
            from_rate,
            to_rate,
            lowpass_filter_width=64,
            rolloff=0.9475937167399596,
            resampling_method="sinc_interp_kaiser",
            beta=14.769656459379492,
        )
        .cpu()
        .numpy()
    )
    return resampled


# ---- Decoding ----------------------------------------------------------------------------------


class TorchDecoder:
    """Decodes batches of utterances with an openai-whisper model: an `asr.Decoder`.

    fp16 or fp32 as the model's weights are. Calls from several threads wait for each other, because
    openai-whisper keeps a decode's state in hooks on the model.
    """

    name: str
    device: str

    def __init__(self, model: Whisper, name: str = "whisper", batch_size: int | None = None):
        """Take a model that is on its device and in its precision; `load` makes one."""
        import torch

        self.name = f"{name} · PyTorch"
        self.device = model.device.type
        self._model = model
        self._fp16 = model.encoder.conv1.weight.dtype == torch.float16
        self._batch_size = batch_size or BATCH_SIZE.get(self.device, 1)
        self._log_mel = LogMel(model.dims.n_mels, self.device)
        self._lock = threading.Lock()

    def decode(
        self,
        batch: Sequence[Samples],
        *,
        language: str | None,
        prompt: str = "",
        prefix: str = "",
        effort: Effort = Effort.NORMAL,
    ) -> list[Hypothesis]:
        """Return what was said in each of the utterances, in their order.

        Args:
            batch: utterances of at most 30 s at 16 kHz.
            language: ISO 639-1 code, or None to detect it for each utterance.
            prompt: text that is taken to come before, to favour its words; its last 223 tokens
                count, fewer with a prefix.
            prefix: what the text of each utterance is known to begin with; part of the result.
            effort: CAREFUL and WITHOUT_REPETITION take a beam of 5 instead of greedy decoding.
                (The window is full in any case; openai-whisper cannot forbid repetition.)

        Raises:
            ConfigError: the model does not know the language.
            EngineError: the GPU failed, or has no memory for even one utterance.
        """
        import torch

        if any(len(samples) > WINDOW for samples in batch):
            raise ValueError("an utterance is longer than Whisper's window of 30 s")
        careful = effort in (Effort.CAREFUL, Effort.WITHOUT_REPETITION)
        options = self._options(language, prompt, prefix, careful)
        # openai-whisper's beam search takes one utterance at a time.
        size = 1 if careful else self._batch_size
        # Neighbours in length end decoding after about as many tokens, so that few wait for others.
        order = sorted(range(len(batch)), key=lambda index: len(batch[index]))
        hypotheses: list[Hypothesis] = []
        with self._lock, torch.inference_mode():
            for first in range(0, len(order), size):
                part = [batch[index] for index in order[first : first + size]]
                hypotheses += self._decode_fitting(part, options)
        in_order = dict(zip(order, hypotheses, strict=True))
        return [in_order[index] for index in range(len(batch))]

    def _options(
        self, language: str | None, prompt: str, prefix: str, careful: bool
    ) -> DecodingOptions:
        from whisper.decoding import DecodingOptions
        from whisper.tokenizer import LANGUAGES

        if not self._model.is_multilingual:
            if language not in (None, "en"):
                raise ConfigError(f"[recognition] language {language!r}: {self.name} knows only en")
            language = "en"
        elif language is not None and language not in list(LANGUAGES)[: self._model.num_languages]:
            raise ConfigError(
                f"[recognition] language {language!r} is none that {self.name} knows: "
                "take an ISO 639-1 code such as en, or auto"
            )
        prefix_tokens = self._encode(prefix, language)
        # Of the decoder's 448 positions half are for the prompt, and half for the text, prefix and
        # all; where there are both, the prompt leaves room for the prefix twice.
        room = max(1, self._model.dims.n_text_ctx // 2 - len(prefix_tokens))
        return DecodingOptions(
            language=language,
            prompt=self._encode(prompt, language)[-room:],
            prefix=prefix_tokens,
            sample_len=room,
            beam_size=BEAM_SIZE if careful else None,
            # Nothing may follow a prefix. So the end is not forbidden as the first token, and beams
            # are not ranked by dividing by their length, which may be 0.
            suppress_blank=not prefix_tokens,
            length_penalty=1.0 if prefix_tokens else None,
            without_timestamps=True,
            fp16=self._fp16,
        )

    def _encode(self, text: str, language: str | None) -> list[int]:
        """Tokens of a text that stands at the start of a line or of an utterance."""
        if not (text := text.strip()):
            return []
        space = "" if language in _WITHOUT_SPACES else " "
        # As plain text: what looks like one of Whisper's control tokens must not become one.
        tokens: list[int] = self._tokenizer("en").encoding.encode_ordinary(space + text)
        return tokens

    def _tokenizer(self, language: str) -> Tokenizer:
        from whisper.tokenizer import get_tokenizer

        return get_tokenizer(
            self._model.is_multilingual,
            num_languages=self._model.num_languages,
            language=language,
            task="transcribe",
        )

    def _decode_fitting(self, batch: list[Samples], options: DecodingOptions) -> list[Hypothesis]:
        """Decode a batch; where it does not fit into the GPU's memory, its halves one by one."""
        import torch

        try:
            return self._decode_batch(batch, options)
        except torch.cuda.OutOfMemoryError:
            if len(batch) == 1:
                raise EngineError(
                    f"{self.name}: the GPU has not enough free memory: "
                    "close other programs that use it, or take a smaller model"
                ) from None
        except torch.AcceleratorError as error:
            reason = str(error).partition("\n")[0]
            raise EngineError(f"{self.name}: the GPU failed: {reason}") from error
        # Not in the handler: the exception keeps the tensors of the failed attempt alive.
        torch.cuda.empty_cache()
        half = len(batch) // 2
        self._batch_size = min(self._batch_size, len(batch) - half)
        return [
            hypothesis
            for part in (batch[:half], batch[half:])
            for hypothesis in self._decode_fitting(part, options)
        ]

    def _decode_batch(self, batch: list[Samples], options: DecodingOptions) -> list[Hypothesis]:
        from whisper.decoding import decode

        results = decode(self._model, self._log_mel(batch), options)
        tokenizers = [self._tokenizer(result.language) for result in results]
        # Nothing but training keeps timestamps out where none were asked for.
        decoded = [
            [token for token in result.tokens if token < tokenizer.eot]
            for result, tokenizer in zip(results, tokenizers, strict=True)
        ]
        texts = [[*options.prefix, *tokens] for tokens in decoded]
        attention, logits = self._reread(results, texts, tokenizers)
        return [
            Hypothesis(
                text=tokenizers[i].decode(texts[i]).strip(),
                words=_align(
                    tokenizers[i],
                    texts[i],
                    attention[i],
                    logits[i],
                    duration=len(batch[i]) / SAMPLE_RATE,
                ),
                tokens=len(texts[i]),
                avg_logprob=result.avg_logprob,
                no_speech_prob=result.no_speech_prob,
                language=result.language,
            )
            for i, result in enumerate(results)
        ]

    def _reread(
        self,
        results: Sequence[DecodingResult],
        texts: Sequence[list[int]],
        tokenizers: Sequence[Tokenizer],
    ) -> tuple[Tensor, Tensor]:
        """Send the finished texts through the decoder once more, to see what each token heard.

        Starts from the encoder's output that the decode has left, and takes the whole batch at
        once; openai-whisper's `timing.find_alignment` encodes again, one utterance at a time.

        Returns the scores of cross-attention before the softmax [utterance, alignment head, token,
        encoder position], and the logits [utterance, token, vocabulary]. Tokens are those of the
        start of transcript, <|notimestamps|>, the text, the end of text, and padding.
        """
        import torch

        heads: dict[int, list[int]] = {}
        for layer, head in self._model.alignment_heads.indices().T.tolist():
            heads.setdefault(layer, []).append(head)
        sequences = [
            torch.tensor([*tokenizer.sot_sequence_including_notimestamps, *text, tokenizer.eot])
            for tokenizer, text in zip(tokenizers, texts, strict=True)
        ]
        # Later tokens do not act on earlier ones: the padding changes nothing.
        tokens = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True).to(self.device)
        features = torch.stack([result.audio_features for result in results])
        with _recorded_attention(self._model, heads) as recorded:
            logits = self._model.decoder(tokens, features)
        return torch.cat(recorded, dim=1), logits


class LogMel:
    """Whisper's input: the log-mel spectrograms of utterances, padded to 30 s.

    By torchaudio where it imports, else by openai-whisper itself; the two agree.
    """

    def __init__(self, n_mels: int, device: str):
        self._n_mels = n_mels
        self._device = device
        self._power_mel = _torchaudio_mel(n_mels, device)

    def __call__(self, batch: Sequence[Samples]) -> Tensor:
        """Return [utterance, n_mels, 3000] in float32; 3000 frames of 10 ms."""
        import torch
        from whisper.audio import log_mel_spectrogram

        padded = np.zeros((len(batch), WINDOW), dtype=np.float32)
        for row, samples in zip(padded, batch, strict=True):
            row[: len(samples)] = samples
        audio = torch.from_numpy(padded).to(self._device)
        if self._power_mel is None:
            return torch.stack([log_mel_spectrogram(row, self._n_mels) for row in audio])
        log_mel = self._power_mel(audio)[..., :-1].clamp(min=1e-10).log10()
        # Whisper was trained on the 80 dB below each window's maximum, scaled to about [-1, 1].
        loudest = log_mel.amax(dim=(1, 2), keepdim=True)
        return (torch.maximum(log_mel, loudest - 8.0) + 4.0) / 4.0


def _torchaudio_mel(n_mels: int, device: str) -> Module | None:
    """The power mel spectrogram [..., samples] -> [..., n_mels, frames] that Whisper takes."""
    try:
        from torchaudio.transforms import MelSpectrogram
    except (ImportError, OSError):  # not installed, or built for another torch
        return None
    return MelSpectrogram(
        sample_rate=SAMPLE_RATE,
        n_fft=400,
        hop_length=160,
        n_mels=n_mels,
        norm="slaney",
        mel_scale="slaney",
    ).to(device)


@contextmanager
def _recorded_attention(model: Whisper, heads: dict[int, list[int]]) -> Iterator[list[Tensor]]:
    """Within it, the decoder's cross-attention scores [batch, head, token, position] are listed.

    heads: which heads of which layers.
    """
    from whisper.model import disable_sdpa

    recorded: list[Tensor] = []

    def record(
        heads_of_layer: list[int],
    ) -> Callable[[Module, object, tuple[Tensor, Tensor]], None]:
        return lambda _module, _inputs, outputs: recorded.append(outputs[1][:, heads_of_layer])

    with disable_sdpa():  # fused attention never has the scores
        hooks = [
            model.decoder.blocks[layer].cross_attn.register_forward_hook(record(heads_of_layer))
            for layer, heads_of_layer in heads.items()
        ]
        try:
            yield recorded
        finally:
            for hook in hooks:
                hook.remove()


def _align(
    tokenizer: Tokenizer, tokens: list[int], scores: Tensor, logits: Tensor, duration: Seconds
) -> tuple[Word, ...]:
    """Place the words in time: the path along which the tokens' attention moves through the sound.

    The method and its constants are those of openai-whisper's `timing.find_alignment`.

    Args:
        tokenizer: of the text's language.
        tokens: the text.
        scores: of cross-attention, as `_reread` returns them [head, token, encoder position].
        logits: [token, vocabulary], likewise.
        duration: of the utterance; the window goes on with silence, which is not looked at.
    """
    import torch
    from whisper.timing import WordTiming, dtw_cpu, merge_punctuations

    spellings, word_tokens = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
    if len(spellings) <= 1:
        return ()
    # The text is predicted from the tokens start … end - 1, the end of text from the token `end`.
    start = len(tokenizer.sot_sequence)
    end = start + len(tokens)
    positions = max(1, round(duration / POSITION))
    weights = scores[:, : end + 2, :positions].softmax(dim=-1)
    std, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    weights = _median_filter((weights - mean) / std).mean(dim=0).nan_to_num()
    rows, columns = dtw_cpu(-weights[start : end + 1].double().cpu().numpy())
    entered = columns[np.diff(rows, prepend=-1) > 0] * POSITION  # each row, in seconds
    probabilities = logits[start:end, : tokenizer.eot].softmax(dim=-1)
    chosen = probabilities[range(len(tokens)), tokens].cpu().numpy()

    bounds = np.cumsum([0, *(len(part) for part in word_tokens[:-1])])
    timings = [
        WordTiming(spelling, part, entered[first], entered[last], chosen[first:last].mean())
        for spelling, part, first, last in zip(
            spellings[:-1], word_tokens[:-1], bounds[:-1], bounds[1:], strict=True
        )
    ]
    merge_punctuations(timings, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")
    return tuple(
        Word(
            timing.word,
            min(float(timing.start), duration),
            min(float(timing.end), duration),
            min(float(timing.probability), 1.0),
        )
        for timing in timings
        if timing.word
    )


def _median_filter(weights: Tensor, width: int = 7) -> Tensor:
    """Smooth along the last dimension; openai-whisper's own tries to compile a Triton kernel."""
    from torch.nn.functional import pad

    half = width // 2
    if weights.shape[-1] <= half:
        return weights
    padded = pad(weights, (half, half), mode="reflect")
    return padded.unfold(-1, width, 1).sort(dim=-1).values[..., half]


# ---- Loading -----------------------------------------------------------------------------------


def load(name_or_path: str | Path, device: Literal["auto", "cpu", "cuda"] = "auto") -> TorchDecoder:
    """Load a model: on a GPU in fp16, on the CPU in fp32.

    Args:
        name_or_path: a folder with a CTranslate2 Whisper (verified before, see weights.py), an
            openai-whisper checkpoint (.pt), or a name of openai-whisper's own list, which it
            downloads into its cache and checks against the sha256 in its source. Checkpoints are
            read as tensors only, nothing in them is run.
        device: auto takes a GPU where torch sees one.

    Raises:
        EngineError: torch or openai-whisper is not installed, or the GPU cannot be used.
        ModelMissing: there is no such folder, file or name.
        ModelDamaged: the file is cut short, or is no Whisper model.
        DownloadError: the checkpoint could not be fetched.
    """
    _require_engine()
    import torch
    from whisper.timing import dtw_cpu

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    elif device == "cuda" and not torch.cuda.is_available():
        raise EngineError("[recognition] device is cuda, but torch sees no GPU: set it to auto")
    path = Path(name_or_path)
    if path.is_dir():
        model = _load_ctranslate2(path)
    elif path.is_file():
        model = _load_checkpoint(path)
    else:
        model = _load_by_name(str(name_or_path))
    if device == "cuda":
        halve(model)
    try:
        decoder = TorchDecoder(model.to(device), path.name)
    except RuntimeError as error:  # out of memory, or a driver that does not fit
        reason = str(error).partition("\n")[0]
        raise EngineError(f"{path.name} cannot be put on {device}: {reason}") from error
    # numba compiles it on first use, for 2 s: here rather than during the first utterance.
    dtw_cpu(np.zeros((1, 1)))
    return decoder


def halve(model: Whisper) -> None:
    """Put the weights into fp16, but not those of layer norms, which openai-whisper runs in fp32.

    openai-whisper itself keeps all of them in fp32 and casts them at each use.
    """
    from torch import nn

    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Embedding)):
            module.half()


def _load_by_name(name: str) -> Whisper:
    import whisper

    if name not in whisper.available_models():
        raise ModelMissing(
            f"model {name}: no such folder or file, and openai-whisper has none of that name: "
            "see `voicemed models list`"
        )
    try:
        return whisper.load_model(name, device="cpu")
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(
            f"model {name}: openai-whisper could not fetch it ({error}): check the network and the "
            "free space, or take a model of `voicemed models list`"
        ) from error
    except RuntimeError as error:
        raise ModelDamaged(
            f"model {name}: what openai-whisper fetched differs from its sha256: try again"
        ) from error


def _load_checkpoint(path: Path) -> Whisper:
    import whisper

    try:
        # Reads with weights_only=True: tensors and plain containers, no code.
        return whisper.load_model(str(path), device="cpu")
    except (
        OSError,
        EOFError,
        RuntimeError,
        KeyError,
        TypeError,
        AttributeError,
        pickle.UnpicklingError,
    ) as error:
        raise ModelDamaged(
            f"{path}: not a readable openai-whisper checkpoint ({type(error).__name__}): "
            "fetch it again"
        ) from error


# ---- CTranslate2 weights -----------------------------------------------------------------------


def _load_ctranslate2(folder: Path) -> Whisper:
    """Build an openai-whisper model from a folder with CTranslate2 weights (any quantisation)."""
    import torch
    import whisper

    dims, state = convert(folder / "model.bin")
    heads = _alignment_heads(folder / "config.json", dims["n_text_layer"], dims["n_text_head"])
    model = whisper.Whisper(whisper.ModelDimensions(**dims))
    try:
        # Names and shapes must be exactly those of the model.
        model.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    except RuntimeError as error:
        raise _damaged(folder / "model.bin", "weights are missing or have wrong shapes") from error
    model.register_buffer("alignment_heads", torch.tensor(heads).to_sparse(), persistent=False)
    return model


def convert(file: Path) -> tuple[dict[str, int], dict[str, NDArray[np.generic]]]:
    """Read a CTranslate2 Whisper (model.bin) as an openai-whisper model.

    Returns the arguments of its ModelDimensions and its state dict: float16 where the file has
    that, else float32. Raises ModelMissing, and ModelDamaged for anything but a whole Whisper.
    """
    try:
        variables = read_variables(np.memmap(file, dtype=np.uint8, mode="r"))
        return _dimensions(variables), _state_dict(variables)
    except FileNotFoundError as error:
        raise ModelMissing(f"{file}: no such file: run `voicemed models pull`") from error
    except KeyError as error:
        raise _damaged(file, "weights are missing or have other names") from error
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(file, str(error)) from error


def _damaged(file: Path, reason: str) -> ModelDamaged:
    return ModelDamaged(
        f"{file}: not a whole CTranslate2 Whisper ({reason}): run `voicemed models pull`"
    )


_FORMAT_VERSION = 6
_DTYPES = tuple(np.dtype(code) for code in ("<f4", "i1", "<i2", "<i4", "<f2", "<u2"))
"By CTranslate2's type number; the last one is bfloat16, which numpy does not have."
_BFLOAT16 = 5


def read_variables(data: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
    """Read the variables of a CTranslate2 model.bin: names like `encoder/conv1/weight` to arrays.

    Quantised weights are returned as numbers again (value / scale, per row), float16 as it is, all
    else as float32; an alias has the array of its original. The layout is the one that
    `ModelSpec._serialize` in ctranslate2/specs/model_spec.py writes.

    Raises ValueError for anything else than one whole WhisperSpec of format version 6.
    """
    reader = _Reader(data)
    if (version := reader.number("<I")) != _FORMAT_VERSION:
        raise ValueError(f"format version {version} instead of {_FORMAT_VERSION}")
    if reader.string() != "WhisperSpec":
        raise ValueError("it holds another kind of model")
    reader.number("<I")  # the spec's revision: the names of the variables tell more
    raw: dict[str, NDArray[np.generic]] = {}
    for _ in range(reader.number("<I")):
        name = reader.string()
        if name in raw:
            raise ValueError("a variable appears twice")
        raw[name] = reader.array()
    aliases = [(reader.string(), reader.string()) for _ in range(reader.number("<I"))]
    reader.expect_end()

    variables = {
        name: _dequantise(array, raw.get(f"{name}_scale"))
        for name, array in raw.items()
        if not name.endswith("_scale")
    }
    for alias, original in aliases:
        if original not in variables:
            raise ValueError("an alias has no original")
        variables[alias] = variables[original]
    return variables


class _Reader:
    """Takes values off the front of a buffer; ValueError where it ends too early."""

    def __init__(self, data: NDArray[np.uint8]):
        self._data = data
        self._position = 0

    def _take(self, size: int) -> NDArray[np.uint8]:
        end = self._position + size
        if end > len(self._data):
            raise ValueError("it ends too early")
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def number(self, code: str) -> int:
        value: int = struct.unpack(code, self._take(struct.calcsize(code)).tobytes())[0]
        return value

    def string(self) -> str:
        text = self._take(self.number("<H")).tobytes()
        if not text.endswith(b"\0"):
            raise ValueError("a name has no end")
        return text[:-1].decode("utf-8")

    def array(self) -> NDArray[np.generic]:
        shape = [self.number("<I") for _ in range(self.number("B"))]
        kind = self.number("B")
        if kind >= len(_DTYPES):
            raise ValueError(f"unknown number type {kind}")
        # A copy in memory, which torch can take over; reshape: ValueError where the sizes differ.
        array = np.array(self._take(self.number("<I"))).view(_DTYPES[kind]).reshape(shape)
        if kind == _BFLOAT16:
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array

    def expect_end(self) -> None:
        if self._position != len(self._data):
            raise ValueError("there is more than the model in it")


def _dequantise(
    array: NDArray[np.generic], scale: NDArray[np.generic] | None
) -> NDArray[np.generic]:
    if scale is None:
        if array.ndim and array.dtype.kind != "f":
            raise ValueError("a quantised weight has no scale")
        return array
    if scale.shape not in ((), array.shape[:1]):
        raise ValueError("a scale does not fit its weight")
    per_row = scale.astype(np.float32).reshape(scale.shape + (1,) * (array.ndim - scale.ndim))
    with np.errstate(all="ignore"):
        weights = np.asarray(array.astype(np.float32) / per_row)
    if not np.isfinite(weights).all():
        raise ValueError("a quantised weight is not finite")
    return weights


_BLOCK = {
    "self_attention/layer_norm": ["attn_ln"],
    "self_attention/linear_0": ["attn.query", "attn.key", "attn.value"],
    "self_attention/linear_1": ["attn.out"],
    "attention/layer_norm": ["cross_attn_ln"],
    "attention/linear_0": ["cross_attn.query"],
    "attention/linear_1": ["cross_attn.key", "cross_attn.value"],
    "attention/linear_2": ["cross_attn.out"],
    "ffn/layer_norm": ["mlp_ln"],
    "ffn/linear_0": ["mlp.0"],
    "ffn/linear_1": ["mlp.2"],
}
"A transformer layer's parts: CTranslate2's to openai-whisper's. It fuses what one product can do."
_OUTSIDE = {
    "encoder/conv1": "encoder.conv1",
    "encoder/conv2": "encoder.conv2",
    "encoder/layer_norm": "encoder.ln_post",
    "decoder/embeddings": "decoder.token_embedding",
    "decoder/layer_norm": "decoder.ln",
}
_PARAMETER = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


def _state_dict(variables: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    """Rename CTranslate2's variables to those of openai-whisper, and split the fused ones.

    Raises ValueError or KeyError for a weight that Whisper does not have.
    """
    state: dict[str, NDArray[np.generic]] = {}
    for name, array in variables.items():
        part, _, parameter = name.rpartition("/")
        if array.ndim == 0 or name == "decoder/projection/weight":
            continue  # settings of the spec; and the embeddings again, which Whisper shares
        if parameter == "encodings":
            state[f"{part.partition('/')[0]}.positional_embedding"] = array
        elif part in _OUTSIDE:
            state[f"{_OUTSIDE[part]}.{_PARAMETER[parameter]}"] = array
        elif match := re.fullmatch(r"(encoder|decoder)/layer_(\d+)/(.+)", part):
            side, number, part_of_block = match.groups()
            targets = _BLOCK[part_of_block]
            for target, piece in zip(targets, np.split(array, len(targets)), strict=True):
                # Whisper's keys have no bias; CTranslate2 fills zeros in to fuse them.
                if not (target.endswith(".key") and parameter == "bias"):
                    state[f"{side}.blocks.{number}.{target}.{_PARAMETER[parameter]}"] = piece
        else:
            raise ValueError("it has weights that Whisper has not")
    return state


def _dimensions(variables: dict[str, NDArray[np.generic]]) -> dict[str, int]:
    """The arguments of openai-whisper's ModelDimensions, from the shapes of the weights.

    Raises ValueError, TypeError or KeyError where they are none of a Whisper.
    """

    def layers(side: str) -> int:
        names = (re.match(rf"{side}/layer_(\d+)/", name) for name in variables)
        return len({match[1] for match in names if match})

    n_audio_state, n_mels, _ = variables["encoder/conv1/weight"].shape
    n_vocab, n_text_state = variables["decoder/embeddings/weight"].shape
    dims = {
        "n_mels": n_mels,
        "n_audio_ctx": len(variables["encoder/position_encodings/encodings"]),
        "n_audio_state": n_audio_state,
        "n_audio_head": int(variables["encoder/num_heads"]),
        "n_audio_layer": layers("encoder"),
        "n_vocab": n_vocab,
        "n_text_ctx": len(variables["decoder/position_encodings/encodings"]),
        "n_text_state": n_text_state,
        "n_text_head": int(variables["decoder/num_heads"]),
        "n_text_layer": layers("decoder"),
    }
    for side in ("audio", "text"):
        heads, width = dims[f"n_{side}_head"], dims[f"n_{side}_state"]
        if heads < 1 or width % heads:
            raise ValueError(f"{heads} attention heads do not divide a width of {width}")
    if n_mels not in (80, 128) or n_vocab not in (51864, 51865, 51866):
        raise ValueError(f"no Whisper has {n_mels} mel bands and {n_vocab} tokens")
    if (dims["n_audio_ctx"], dims["n_text_ctx"]) != (1500, 448):
        raise ValueError("its windows of sound and text are not Whisper's")
    return dims


def _alignment_heads(config: Path, layers: int, heads: int) -> NDArray[np.bool_]:
    """The mask [layer, head] of the heads that follow the speech, as config.json lists them."""
    mask = np.zeros((layers, heads), dtype=bool)
    try:
        for layer, head in json.loads(config.read_text("utf-8"))["alignment_heads"]:
            mask[layer, head] = True
    except FileNotFoundError as error:
        raise ModelMissing(f"{config}: no such file: run `voicemed models pull`") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ModelDamaged(
            f"{config}: its alignment_heads are no list of [layer, head] of this model: "
            "run `voicemed models pull`"
        ) from error
    if not mask.any():
        raise ModelDamaged(f"{config}: no alignment_heads: run `voicemed models pull`")
    return mask
