"""Words with times, segments of recognition, and turns of the conversation."""

from __future__ import annotations

from dataclasses import dataclass

from voicemed.audio import Seconds


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word."""

    text: str
    "As Whisper spells it, with the leading space where one belongs (none in Chinese)."
    start: Seconds
    "Since the first captured sample."
    end: Seconds
    probability: float
    "Of the recogniser, 0 to 1."


@dataclass(frozen=True, slots=True)
class Segment:
    """What the recogniser made of one stretch of speech."""

    words: tuple[Word, ...]
    avg_logprob: float
    "Mean log probability of the tokens (natural logarithm), 0 at best."
    no_speech_prob: float
    "0 to 1."
    language: str = ""
    "ISO 639-1 code that was given or detected; empty if unknown."
    rejected: str = ""
    "Why the guard takes the text for invented (then it must not be shown); empty if accepted."

    @property
    def text(self) -> str:
        """The words as one string, without space at the ends."""
        return "".join(word.text for word in self.words).strip()


@dataclass(frozen=True, slots=True)
class Turn:
    """One speaker's words up to a pause or a change of speaker."""

    id: int
    "Counts from 1 within the encounter."
    speaker: str
    "doctor, patient, another label, or empty where unknown."
    words: tuple[Word, ...]
    to_assistant: bool = False
    "The doctor spoke to the assistant, not to the patient: no evidence for findings."

    @property
    def text(self) -> str:
        """The words as one string, without space at the ends."""
        return "".join(word.text for word in self.words).strip()

    @property
    def start(self) -> Seconds:
        """Start of the first word, in seconds since the first captured sample."""
        return self.words[0].start if self.words else 0.0

    @property
    def end(self) -> Seconds:
        """End of the last word, in seconds since the first captured sample."""
        return self.words[-1].end if self.words else 0.0


@dataclass(frozen=True, slots=True)
class Span:
    """Words of a turn: the evidence for a finding."""

    turn: int
    "Id of the turn."
    first: int
    "Index of the first word in the turn's words."
    last: int
    "Index of the last word, included."
