"""The streaming loop: the only module that starts threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voicemed.audio import Seconds
from voicemed.encounter import Encounter
from voicemed.transcript import Turn


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """What the screen shows besides the encounter; replaced, never changed."""

    input_name: str = ""
    model: str = ""
    device: str = ""
    "cpu or cuda."
    elapsed: Seconds = 0.0
    level: float = -100.0
    "Of the input, dBFS (RMS of the last 100 ms); -100 is digital silence."
    recording: bool = False
    speaking: bool = False
    "The assistant is talking."
    committed: str = ""
    "Words of the growing utterance that will not change any more."
    tentative: str = ""
    "Words of the growing utterance that may still change."
    latency: Seconds | None = None
    "From the last speech sample to the final text, of the last turn."
    overflows: int = 0
    "Chunks that the microphone lost because the machine was too slow."
    backlog: Seconds = 0.0
    "Sound captured but not yet recognised."
    warning: str = ""
    "Such as a lost microphone; empty when all is well."
    reply: str = ""
    "What the assistant said last."


@dataclass(frozen=True, slots=True)
class TurnAdded:
    """A turn is final; findings are up to date with it."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class Replied:
    """The assistant began to answer."""

    text: str


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """Something in the status changed (level, partial words, warning, ...)."""


Event = TurnAdded | Replied | StatusChanged


class LiveLoop:
    """Source -> speech -> words -> findings -> replies. One run for each encounter."""

    encounter: Encounter
    status: LiveStatus

    def run(self, observe: Callable[[Event], None]) -> None:
        """Work until the source has ended and all of it is recognised.

        `observe` is called in this thread for each event, and at least every 0.1 s with
        StatusChanged. The first KeyboardInterrupt closes the source and drains to the last word;
        a second one aborts. An exception of a stage is raised here.
        """
        raise NotImplementedError

    def address(self) -> None:
        """Take the next utterance as addressed to the assistant (the space key)."""
        raise NotImplementedError

    def stop_speaking(self) -> None:
        """Silence the assistant at once."""
        raise NotImplementedError

    def close(self) -> None:
        """End the source; `run` returns when all that was captured is recognised."""
        raise NotImplementedError
