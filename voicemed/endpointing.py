"""A pure state machine: speech probabilities -> Utterances, with pre-roll."""

from __future__ import annotations

from dataclasses import dataclass

from voicemed.audio import Samples, Seconds


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of speech at 16 kHz."""

    samples: Samples
    start: Seconds
    "Of the first sample (the pre-roll included)."
    end: Seconds
    "Of the sample after the last."
