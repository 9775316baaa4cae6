"""Live sessions to do harm to: a sample, the real stages, and somebody in place of a recogniser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from voicemed.config import Settings
from voicemed.endpointing import Utterance
from voicemed.live import LiveLoop
from voicemed.microphone import FileSource
from voicemed.playback import create_sink
from voicemed.recording import Recorder
from voicemed.symptoms import create_symptom_extractor
from voicemed.transcript import Segment, Word
from voicemed.vad import create_vad

SAMPLE = Path(__file__).resolve().parents[2] / "audio_samples" / "consultation.wav"
_SENTENCES = ("I have a cough.", "Any fever?", "No.", "My back hurts since Monday.", "No rash.")


def loop(source: FileSource, recorder: Callable[[], Recorder]) -> LiveLoop:
    """With the real speech detection and symptoms; only the recogniser is a stand-in."""
    return LiveLoop(
        source,
        create_sink("none", ""),
        vad=lambda: create_vad("silero"),
        recognizer=StandIn,
        extractor=create_symptom_extractor,
        synthesizer=None,
        settings=Settings(),
        interactive=False,
        recorder=recorder,
    )


class StandIn:
    """In place of a recogniser: says some sentence for each utterance."""

    name = "stand-in"
    device = "cpu"

    def __init__(self) -> None:
        self._said = 0

    def transcribe(self, utterances: Sequence[Utterance], **_: object) -> list[list[Segment]]:
        return [[segment(utterance, self._sentence())] for utterance in utterances]

    def _sentence(self) -> str:
        self._said += 1
        return _SENTENCES[(self._said - 1) % len(_SENTENCES)]


def segment(utterance: Utterance, text: str) -> Segment:
    """A text as if it had been heard in an utterance."""
    texts = text.split()
    edges = np.linspace(utterance.start, utterance.end, len(texts) + 1).tolist()
    words = (
        Word(f" {one}", start, end, 0.9)
        for one, start, end in zip(texts, edges[:-1], edges[1:], strict=True)
    )
    return Segment(tuple(words), -0.2, 0.01, "en", "")
