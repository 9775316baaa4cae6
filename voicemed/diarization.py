"""Who speaks: one speaker to a channel, and which of two speakers is the doctor."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voicemed.audio import SAMPLE_RATE, AudioChunk, Seconds, read_blocks
from voicemed.transcript import Turn

# --- channels ------------------------------------------------------------------------------------

_RATE = 8_000
"Hz; enough for levels, of a telephone line as of anything else."
_FRAME: Seconds = 0.1
_QUIETEST_DB = -90.0
_RANGE_DB = 50.0
"Below a channel's loudest; weaker sound is no speaker's."
_AUDIBLE_DB = 12.0
"Above a channel's own noise."
_APART_DB = 10.0
"By which one channel stands out against the other while its speaker speaks alone."
_LEAST_SHARE = 0.03
"Of the audible frames, in which each channel must stand out: a caller may say little."
_LEAST_TOGETHER = 0.5
"Of the audible frames, in which one or the other must stand out."
_GUARD = 2
"Frames before and after a speaker's own speech that are kept: it begins and ends quietly."


@dataclass(frozen=True, slots=True)
class _Levels:
    """How loud a channel is, frame by frame."""

    level: NDArray[np.float64]
    "In dB relative to the channel's own loud frames, so that a quiet caller counts as much."
    audible: NDArray[np.bool_]
    "Whether it stands out from the channel's own noise."


class SpeakerChannels:
    """A recording whose two channels carry a speaker each (`speaker_channels` finds out)."""

    def __init__(self, path: Path, left: _Levels, right: _Levels) -> None:
        self._path = path
        self._leaks = _leaks(left, right), _leaks(right, left)

    def read(
        self, channel: int, *, on_damage: Callable[[str], None] | None = None
    ) -> Iterator[AudioChunk]:
        """One speaker's sound, 0 or 1, in blocks of 1 s at 16 kHz.

        It is silenced where it only holds what leaks over from the other channel, which would be
        recognised a second time, as the wrong speaker's. `on_damage` and errors: see `read_blocks`.
        """
        size = round(_FRAME * SAMPLE_RATE)
        for chunk in read_blocks(self._path, channel=channel, on_damage=on_damage):
            frames = np.arange(len(chunk.samples)) // size + round(chunk.start / _FRAME)
            leaks = self._leaks[channel]
            silenced = leaks[np.minimum(frames, len(leaks) - 1)]
            yield replace(chunk, samples=np.where(silenced, np.float32(0), chunk.samples))


def speaker_channels(path: Path) -> SpeakerChannels | None:
    """Where the two channels of a recording carry a speaker each, such as agent and caller: these.

    None where both carry the same sound, also at different levels or with a line's noise added, or
    a room as two microphones hear it, and where one of them is empty. The recording is read in
    blocks. Raises AudioFileError if it cannot be read or has one channel only.
    """
    left, right = _levels(path, 0), _levels(path, 1)
    lead = (left.level - right.level)[left.audible | right.audible]
    if lead.size == 0:
        return None
    shares = np.mean(lead >= _APART_DB), np.mean(lead <= -_APART_DB)
    apart = min(shares) >= _LEAST_SHARE and sum(shares) >= _LEAST_TOGETHER
    return SpeakerChannels(path, left, right) if apart else None


def _levels(path: Path, channel: int) -> _Levels:
    size = round(_FRAME * _RATE)
    powers = []
    for block in read_blocks(path, sample_rate=_RATE, channel=channel, block=100 * _FRAME):
        whole = block.samples[: block.samples.size - block.samples.size % size]
        powers.append(np.square(whole, dtype=np.float64).reshape(-1, size).mean(axis=1))
    level = 10 * np.log10(np.concatenate(powers) + 10 ** (_QUIETEST_DB / 10))
    quiet, loud = np.percentile(level, (10, 99)) if level.size else (0.0, 0.0)
    return _Levels(level - loud, level >= max(quiet, loud - _RANGE_DB) + _AUDIBLE_DB)


def _leaks(own: _Levels, other: _Levels) -> NDArray[np.bool_]:
    """In which frames a channel holds nothing but noise and what leaks over from the other."""
    overpowered = own.level - other.level <= -_APART_DB
    speaks = own.audible & ~overpowered
    near = speaks.copy()
    for shift in range(1, _GUARD + 1):
        near[shift:] |= speaks[:-shift]
        near[:-shift] |= speaks[shift:]
    return other.audible & overpowered & ~near


def merge(turns_by_channel: Iterable[Sequence[Turn]]) -> list[Turn]:
    """The turns of all channels in order of time, with ids that count from 1."""
    turns = sorted(chain.from_iterable(turns_by_channel), key=lambda turn: turn.start)
    return [replace(turn, id=number) for number, turn in enumerate(turns, 1)]


# --- roles ---------------------------------------------------------------------------------------

DOCTOR = "doctor"
PATIENT = "patient"

_CUES = (
    (1, r"\?"),
    (1, r"\b(?:you|your|you're|you've|yourself)\b"),
    (-1, r"\b(?:i|my|me|i've|i'm|i'd|myself)\b"),
    (2, r"\b(?:(?:can|could|may|if) i|i'm (?:going to|just going|sorry)|i'd like to|let me)\b"),
    (2, r"\b(?:i(?:'m| am) (?:dr|doctor|one of)|my name is)\b"),
    (3, r"\b(?:how can i help|what (?:brings|brought) you|tell me (?:more|a bit|about))\b"),
    (3, r"\b(?:how long|when did|since when|have you (?:had|noticed|ever|been))\b"),
    (3, r"\b(?:do you (?:have|smoke|drink|take|feel|live)|are you (?:taking|allergic))\b"),
    (3, r"\bany (?:other|pain|fever|history|family|medical|allergies|changes?)\b"),
    (3, r"\b(?:allergies|examine|prescribe|i can see)\b"),
    (-3, r"\b(?:i've (?:been|had|got)|i (?:have|feel|felt|think it|don't have|take))\b"),
    (-3, r"\bmy (?:wife|husband|mum|mom|dad|mother|father|son|daughter|kids|work|job|gp)\b"),
    (-3, r"\bthank you,? doctor\b"),
)
"Signs of the doctor, or with a negative weight of the patient; each occurrence counts."
_CUE_PATTERNS = tuple((weight, re.compile(cue)) for weight, cue in _CUES)
_CLEAR = 8
"Difference of the two sums of cues, above which the roles are taken for clear."


def assign_roles(turns: Sequence[Turn]) -> dict[str, str]:
    """Which label is the doctor and which the patient, by what they say in English.

    Empty if there are not exactly two labels, if they have these names already, or if it is not
    clear.
    """
    points: defaultdict[str, int] = defaultdict(int)
    for turn in turns:
        text = turn.text.lower().replace("’", "'")
        if turn.speaker:
            points[turn.speaker] += sum(
                weight * len(pattern.findall(text)) for weight, pattern in _CUE_PATTERNS
            )
    if len(points) != 2 or {DOCTOR, PATIENT} & set(points):
        return {}
    doctor, patient = sorted(points, key=lambda speaker: points[speaker], reverse=True)
    if points[doctor] - points[patient] < _CLEAR:
        return {}
    return {doctor: DOCTOR, patient: PATIENT}
