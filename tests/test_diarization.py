"""Who speaks: channels of synthetic and real calls, and the roles of two speakers."""

from __future__ import annotations

import json
import wave
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed.audio import Samples, level_dbfs, read
from voicemed.diarization import assign_roles, merge, speaker_channels
from voicemed.errors import AudioFileError
from voicemed.transcript import Turn, Word

DATA = Path(__file__).parents[2] / "shared" / "data"
RATE = 8_000


# --- channels ------------------------------------------------------------------------------------


def db(level: float) -> float:
    return float(10 ** (level / 20))


def noise(level: float, size: int, seed: int = 9) -> Samples:
    return (db(level) * np.random.default_rng(seed).standard_normal(size)).astype(np.float32)


def talk(turns: list[tuple[float, float]], seconds: float = 40.0, level: float = -20.0) -> Samples:
    """Something with the ups and downs of syllables during the turns, silence elsewhere."""
    time = np.arange(round(seconds * RATE)) / RATE
    voice = noise(level, len(time), seed=len(turns)) * (np.sin(2 * np.pi * 2 * time) ** 2 + 0.05)
    spoken = np.zeros(len(time), bool)
    for start, end in turns:
        spoken |= (start <= time) & (time < end)
    return np.where(spoken, voice, 0).astype(np.float32)


AGENT = talk([(1, 7), (14, 20), (26, 30)])
CALLER = talk([(8, 13), (21, 25), (29, 35), (36, 38)])
BOTH = AGENT + CALLER
LINE = noise(-50, len(BOTH))
OTHER_LINE = noise(-45, len(BOTH), seed=8)
HUM = (0.01 * np.sin(2 * np.pi * 50 * np.arange(len(BOTH)) / RATE)).astype(np.float32)


def recording(folder: Path, *channels: Samples) -> Path:
    path = folder / "call.wav"
    pcm = (np.clip(np.stack(channels, axis=1), -1, 1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.tobytes())
    return path


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(AGENT, CALLER, id="clean"),
        pytest.param(AGENT + LINE + HUM, CALLER + OTHER_LINE + HUM, id="hum and noise"),
        pytest.param(
            AGENT + db(-20) * CALLER + LINE, CALLER + db(-20) * AGENT + OTHER_LINE, id="crosstalk"
        ),
        pytest.param(AGENT + LINE, db(-15) * CALLER + noise(-65, len(BOTH)), id="quiet caller"),
        pytest.param(AGENT, talk([(8, 10)]) + LINE, id="a caller of few words"),
    ],
)
def test_a_speaker_to_a_channel(left: Samples, right: Samples, tmp_path: Path) -> None:
    assert speaker_channels(recording(tmp_path, left, right)) is not None
    assert speaker_channels(recording(tmp_path, right, left)) is not None


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(BOTH, BOTH, id="the same twice"),
        pytest.param(BOTH + LINE, db(-10) * BOTH + OTHER_LINE, id="other level and noise"),
        pytest.param(BOTH, np.roll(BOTH, 40), id="5 ms later"),
        pytest.param(BOTH, -BOTH, id="poles swapped"),
        pytest.param(AGENT + 0.5 * CALLER, CALLER + 0.5 * AGENT, id="two microphones in a room"),
        pytest.param(BOTH, np.zeros_like(BOTH), id="one channel empty"),
        pytest.param(BOTH + LINE, OTHER_LINE, id="one channel only noise"),
        pytest.param(LINE, OTHER_LINE, id="noise"),
        pytest.param(np.zeros_like(BOTH), np.zeros_like(BOTH), id="silence"),
        pytest.param(BOTH[:200], BOTH[:200], id="25 ms"),
    ],
)
def test_the_same_sound_or_none_in_both_channels(
    left: Samples, right: Samples, tmp_path: Path
) -> None:
    assert speaker_channels(recording(tmp_path, left, right)) is None


def test_one_channel_cannot_differ(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="has no channel 1"):
        speaker_channels(recording(tmp_path, BOTH))


@pytest.mark.shared_data
@pytest.mark.parametrize("call", ["Auto_Repairs_40_UTC", "Auto_Repairs_49_UTC"])
def test_real_calls(call: str, tmp_path: Path) -> None:
    folder = DATA / "audio" / "telephone_8k"
    agent, caller = (read(folder / f"{call}_{who}.wav")[::2] for who in ("agent", "caller"))
    size = min(len(agent), len(caller), 90 * RATE)
    agent, caller = agent[:size], caller[:size]
    assert speaker_channels(recording(tmp_path, agent, caller)) is not None
    assert speaker_channels(recording(tmp_path, agent + caller, 0.5 * (agent + caller))) is None


def heard(path: Path, channel: int) -> Samples:
    """A speaker's channel, at 16 kHz."""
    apart = speaker_channels(path)
    assert apart is not None
    return np.concatenate([chunk.samples for chunk in apart.read(channel)])


def part(samples: Samples, start: float, end: float) -> Samples:
    return samples[round(start * 16_000) : round(end * 16_000)]


@pytest.mark.parametrize("crosstalk", [-30, -20, -15])
def test_what_leaks_from_the_other_channel_is_silenced(crosstalk: float, tmp_path: Path) -> None:
    left = AGENT + db(crosstalk) * CALLER + LINE
    right = CALLER + db(crosstalk) * AGENT + OTHER_LINE
    path = recording(tmp_path, left, right)
    for channel, own, other, line in (
        (0, (1.2, 6.8), (8.5, 12.5), LINE),
        (1, (21.2, 24.8), (15.5, 19.5), OTHER_LINE),
    ):
        samples, raw = heard(path, channel), read(path, channel=channel)
        assert len(samples) == len(raw)
        assert np.array_equal(part(samples, *own), part(raw, *own))
        left_over = part(samples, *other)[part(samples, *other) != 0]
        assert left_over.size < 0.25 * part(samples, *other).size
        assert level_dbfs(left_over) < level_dbfs(line) + 4  # pauses between syllables


def test_two_who_talk_at_once_are_both_kept(tmp_path: Path) -> None:
    path = recording(tmp_path, AGENT + LINE, db(-6) * CALLER + OTHER_LINE)
    for channel in (0, 1):  # from 29 to 30 s
        raw = read(path, channel=channel)
        assert np.array_equal(part(heard(path, channel), 29, 30), part(raw, 29, 30))


def test_speech_begins_and_ends_quietly_and_is_not_cut(tmp_path: Path) -> None:
    path = recording(tmp_path, AGENT + LINE, CALLER + OTHER_LINE)
    raw = read(path, channel=1)
    for start, end in ((7.8, 13.2), (20.8, 25.2)):
        assert np.array_equal(part(heard(path, 1), start, end), part(raw, start, end))


# --- turns of several channels -------------------------------------------------------------------


def turn(number: int, speaker: str, text: str, start: float = 0.0) -> Turn:
    words = [Word(f" {part}", start, start + 0.1, 0.9) for part in text.split()]
    return Turn(number, speaker, tuple(words))


starts = st.lists(st.floats(0, 1000), max_size=20).map(sorted)


@given(st.lists(starts, max_size=3))
def test_merged_turns_are_in_order_of_time_and_none_is_lost(channels: list[list[float]]) -> None:
    spoken = [
        [turn(i, f"speaker {channel}", "yes", start) for i, start in enumerate(times, 1)]
        for channel, times in enumerate(channels, 1)
    ]
    merged = merge(spoken)
    assert [one.id for one in merged] == list(range(1, len(merged) + 1))
    assert [one.start for one in merged] == sorted(one.start for one in merged)
    for channel in spoken:
        label = channel[0].speaker if channel else "nobody"
        own = [one.words for one in merged if one.speaker == label]
        assert own == [one.words for one in channel]


# --- roles ---------------------------------------------------------------------------------------

CONSULTATION = [
    ("a", "Hello, how can I help you today?"),
    ("b", "I've had a terrible cough for a week, and my chest hurts."),
    ("a", "I'm sorry to hear that. Have you had any fever?"),
    ("b", "No, I don't think I have."),
]


def turns(spoken: list[tuple[str, str]]) -> list[Turn]:
    return [turn(number, *one) for number, one in enumerate(spoken, 1)]


def test_the_doctor_is_who_asks() -> None:
    assert assign_roles(turns(CONSULTATION)) == {"a": "doctor", "b": "patient"}
    swapped = [({"a": "b", "b": "a"}[who], text) for who, text in CONSULTATION]
    assert assign_roles(turns(swapped)) == {"b": "doctor", "a": "patient"}


@pytest.mark.parametrize(
    "spoken",
    [
        pytest.param([], id="nothing"),
        pytest.param([("a", "Hello."), ("b", "Hello, can you hear me?")], id="too little"),
        pytest.param([("", text) for _, text in CONSULTATION], id="no labels"),
        pytest.param([("a", text) for _, text in CONSULTATION], id="one label"),
        pytest.param([*CONSULTATION, ("c", "My mother is here, too.")], id="three labels"),
        pytest.param(
            [({"a": "doctor", "b": "b"}[who], text) for who, text in CONSULTATION],
            id="known already",
        ),
    ],
)
def test_roles_that_are_not_clear_are_left_open(spoken: list[tuple[str, str]]) -> None:
    assert assign_roles(turns(spoken)) == {}


def consultations() -> Iterator[list[Turn]]:
    for path in sorted((DATA / "primock57" / "transcripts").glob("*.json")):
        rows = json.loads(path.read_text("utf-8"))
        yield [turn(row["id"], row["speaker"], row["text"]) for row in rows]


@pytest.mark.shared_data
def test_roles_in_recorded_consultations() -> None:
    hidden = {"doctor": "speaker 2", "patient": "speaker 1"}
    right = {label: role for role, label in hidden.items()}
    outcomes: dict[int | None, Counter[str]] = {None: Counter(), 10: Counter()}
    for spoken in consultations():
        anonymous = [replace(one, speaker=hidden[one.speaker]) for one in spoken]
        for first, counts in outcomes.items():
            roles = assign_roles(anonymous[:first])
            counts["open" if not roles else "right" if roles == right else "wrong"] += 1
    assert outcomes[None] == {"right": 25}
    assert outcomes[10]["wrong"] == 0
    assert outcomes[10]["right"] >= 22
