"""Sentence meaning: text -> a unit vector, near that of a text which means the same.

all-MiniLM-L6-v2 (Reimers and Gurevych 2019, "Sentence-BERT"; Wang et al. 2020, "MiniLM"), int8,
by onnxruntime on one core: 3 to 15 ms for a sentence. Loaded with `load_encoder`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from voicemed.errors import EngineError, ModelDamaged
from voicemed.weights import locate

Vector = NDArray[np.float32]
"Shape (384,), of length 1."

MODEL = "minilm-l6"
SIZE = 384


class Encoder(Protocol):
    """Turns a text into a vector."""

    def __call__(self, text: str, /) -> Vector:
        """The unit vector of a text, shape (SIZE,); of an empty text too."""
        ...


class SentenceEncoder:
    """The Encoder over MiniLM. Texts are cut after 128 tokens; the last 512 vectors are kept."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # They would keep memory for the longest sentence and for each length, and save no time.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        try:
            self._session = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # neither library raises anything more specific
            raise ModelDamaged(f"{folder}: no sentence encoder here ({error})") from error
        # One text at a time: padding would change what int8 makes of it.
        self._tokenizer.no_padding()
        self._known = lru_cache(maxsize=512)(self._encode)

    def __call__(self, text: str, /) -> Vector:
        """See Encoder."""
        return self._known(text)

    def _encode(self, text: str) -> Vector:
        ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        inputs = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        try:
            (states,) = self._session.run(None, inputs)
        except Exception as error:
            raise EngineError(f"the sentence encoder failed: {type(error).__name__}") from error
        mean = np.asarray(states[0].mean(axis=0), np.float32)
        vector: Any = mean / np.linalg.norm(mean)
        vector.setflags(write=False)
        return np.asarray(vector, np.float32)


@lru_cache(maxsize=1)
def load_encoder() -> SentenceEncoder:
    """The encoder, its weights verified and loaded once.

    Raises ModelMissing or ModelDamaged for the weights.
    """
    return SentenceEncoder(locate(MODEL))
