"""How far a result is from what was expected."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any


@cache
def _normalizer() -> Any:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


def word_error_rate(expected: str, found: str) -> float:
    """Of two English texts, by Whisper's normaliser, which levels case, punctuation, numbers."""
    import jiwer

    normalize = _normalizer()
    return float(jiwer.wer(normalize(expected), normalize(found)))


def f1(expected: Iterable[object], found: Iterable[object]) -> float:
    """Of two sets."""
    wanted, got = set(expected), set(found)
    return 2 * len(wanted & got) / (len(wanted) + len(got))
