"""A pure state machine: speech probabilities -> Utterances, with pre-roll.

            probability >= threshold              min_speech of speech
  silence ---------------------------> candidate ----------------------> utterance
     ^                                     | end_silence: Discarded        |     ^
     |<------------------------------------+                         pause |     | speech again
     |                                                              Paused v     | Resumed
     +<------------------------------------------------------------------ paused
                              end_silence: Ended

An utterance that grows to max_utterance is cut at its quietest point (Ended, cut), and the rest
goes on as the next utterance.

Every sample belongs to at most one utterance. All windows at or above the threshold belong to one,
except those that are Discarded.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from itertools import islice

import numpy as np

from voicemed.audio import SAMPLE_RATE, Samples, Seconds, level_dbfs
from voicemed.config import EndpointingSettings


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of speech at 16 kHz."""

    samples: Samples
    start: Seconds
    "Of the first sample (the pre-roll included)."
    end: Seconds
    "Of the sample after the last."


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody speaks, for min_speech by now."""

    at: Seconds
    "Of the first window of speech (without the pre-roll)."


@dataclass(frozen=True, slots=True)
class Paused:
    """Silence has lasted for `pause`: unless Resumed comes, Ended will carry this utterance."""

    utterance: Utterance


@dataclass(frozen=True, slots=True)
class Resumed:
    """Speech went on after Paused: the utterance grows."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An utterance is complete."""

    utterance: Utterance
    cut: bool
    "At max_utterance; the next utterance follows without a gap."


@dataclass(frozen=True, slots=True)
class Discarded:
    """A noise was too short for speech (min_speech)."""

    at: Seconds
    duration: Seconds
    "Of what sounded like speech."


EndpointEvent = SpeechStarted | Paused | Resumed | Ended | Discarded


@dataclass(frozen=True, slots=True)
class _Window:
    samples: Samples
    probability: float
    voiced: bool
    "Counts as speech, by the hysteresis."


class Endpointer:
    """Cuts a stream of windows and their speech probabilities into utterances.

    Windows have `window` samples at 16 kHz; only the last one before `flush` may be shorter. They
    are kept, not copied. Memory is bounded by max_utterance and end_silence, and a push costs the
    same whatever the length of the utterance. Settings are rounded to whole windows: silences up,
    sound around the speech down.
    """

    TAIL: Seconds = 0.2
    "Sound kept after the last window of speech, unless told otherwise: final consonants are soft."
    _HYSTERESIS = 0.15
    "Speech goes on down to this much below the threshold, as in Silero's get_speech_timestamps."

    def __init__(self, settings: EndpointingSettings, window: int, *, tail: Seconds = TAIL) -> None:
        self._window = window
        self._threshold = settings.threshold
        self._longest = max(3, self._floor(settings.max_utterance))
        self._pre_roll = min(self._floor(settings.pre_roll), self._longest // 3)
        self._min_speech = max(1, self._ceil(settings.min_speech))
        self._end_silence = max(1, self._ceil(settings.end_silence))
        self._pause = min(max(1, self._ceil(settings.pause)), self._end_silence)
        self._tail = min(self._floor(tail), self._pause)

        self._kept: deque[_Window] = deque()  # in silence the pre-roll, in speech the utterance
        self._first = 0  # number of the first kept window; window n starts at sample n * window
        self._talking = False  # the last window was voiced
        self._voiced = 0  # voiced windows in the utterance; 0 in silence
        self._onset = 0  # number of its first voiced window
        self._last = 0  # number of the window after its last voiced one
        self._started = False  # SpeechStarted was sent
        self._paused: Utterance | None = None

    def push(self, window: Samples, probability: float) -> list[EndpointEvent]:
        """Take the next window; what happened by it, in order."""
        if not self._voiced:
            self._forget(self._next - self._pre_roll)
        hysteresis = self._HYSTERESIS if self._talking else 0.0
        self._talking = probability >= max(self._threshold - hysteresis, 0.01)
        self._kept.append(_Window(window, probability, self._talking))
        if self._talking:
            return self._hear_speech()
        return self._hear_silence() if self._voiced else []

    def flush(self) -> list[EndpointEvent]:
        """End the stream: the utterance that is open ends here. Time goes on if more is pushed."""
        return self._end() if self._voiced else []

    def pending(self) -> Utterance | None:
        """The utterance that grows now; None before SpeechStarted, after Ended and in a silence."""
        growing = self._started and self._talking
        return self._utterance(self._end_of_speech) if growing else None

    def _hear_speech(self) -> list[EndpointEvent]:
        events: list[EndpointEvent] = []
        if not self._voiced:
            self._onset = self._next - 1
        self._voiced += 1
        self._last = self._next
        if self._paused is not None:
            self._paused = None
            events.append(Resumed())
        if not self._started and self._voiced >= self._min_speech:
            self._started = True
            events.append(SpeechStarted(self._time(self._onset)))
        if len(self._kept) > self._longest and not self._started:
            return [*events, *self._end()]  # clicks, too few and too far apart for speech
        while len(self._kept) > self._longest:
            events += self._cut()
        return events

    def _hear_silence(self) -> list[EndpointEvent]:
        silence = self._next - self._last
        if silence >= self._end_silence:
            return self._end()
        if silence >= self._pause and self._started and self._paused is None:
            self._paused = self._utterance(self._end_of_speech)
            return [Paused(self._paused)]
        return []

    def _end(self) -> list[EndpointEvent]:
        """Leave the utterance, or the noise that was too short for one."""
        event: EndpointEvent
        if self._started:
            end = self._end_of_speech
            event = Ended(self._paused or self._utterance(end), cut=False)
            self._forget(end)
        else:
            event = Discarded(self._time(self._onset), self._voiced * self._window / SAMPLE_RATE)
        self._voiced = 0
        self._started = False
        self._talking = False
        self._paused = None
        return [event]

    def _cut(self) -> list[EndpointEvent]:
        """End the utterance at its quietest point; the rest is the start of the next one."""
        cut = self._first + self._quietest()
        ended = Ended(self._utterance(cut), cut=True)
        self._forget(cut)
        voiced = [number for number, window in enumerate(self._kept, cut) if window.voiced]
        self._onset, self._voiced = voiced[0], len(voiced)
        return [ended, SpeechStarted(self._time(self._onset))]

    def _quietest(self) -> int:
        """Where to cut, in windows from the utterance's start: in the last third of its time.

        Each window costs its level in dB and, for speech, up to 30 dB more. A boundary is judged
        by the louder of its two windows, so that no cut touches sound where there is silence, and
        by the 0.2 s around it, so that the middle of a pause wins over the closure of a "p".
        """
        latest = self._longest
        earliest = latest - latest // 3
        windows = islice(self._kept, latest + 3)
        costs = np.array([max(level_dbfs(w.samples), -70) + 30 * w.probability for w in windows])
        padded = np.pad(costs, 3, mode="edge")  # window n is at n + 3
        nearness = [1, 2, 3, 3, 2, 1]

        def cost(boundary: int) -> float:
            around = padded[boundary : boundary + 6]
            return 2 * float(around[2:4].max()) + float(np.average(around, weights=nearness))

        return min(range(latest, earliest - 1, -1), key=cost)

    @property
    def _next(self) -> int:
        """The number of the window that comes next."""
        return self._first + len(self._kept)

    @property
    def _end_of_speech(self) -> int:
        """The number of the window before which the utterance would end now."""
        return min(self._last + self._tail, self._next, self._first + self._longest)

    def _utterance(self, end: int) -> Utterance:
        """The kept windows before number `end`."""
        windows = islice(self._kept, end - self._first)
        samples = np.concatenate([window.samples for window in windows])
        start = self._first * self._window
        return Utterance(samples, start / SAMPLE_RATE, (start + samples.size) / SAMPLE_RATE)

    def _forget(self, before: int) -> None:
        """Drop the windows before that number."""
        while self._first < before and self._kept:
            self._kept.popleft()
            self._first += 1

    def _time(self, number: int) -> Seconds:
        return number * self._window / SAMPLE_RATE

    def _floor(self, duration: Seconds) -> int:
        return int(duration * SAMPLE_RATE / self._window + 1e-6)

    def _ceil(self, duration: Seconds) -> int:
        return math.ceil(duration * SAMPLE_RATE / self._window - 1e-6)
