"""The endpointing state machine, over made and over random probability sequences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemed.audio import SAMPLE_RATE, Samples
from voicemed.config import EndpointingSettings
from voicemed.endpointing import (
    Discarded,
    Ended,
    Endpointer,
    EndpointEvent,
    Paused,
    Resumed,
    SpeechStarted,
    Utterance,
)

WINDOW = 512
SECOND = SAMPLE_RATE / WINDOW
"Windows in a second."


def numbered(count: int) -> Samples:
    """Sound in which each sample tells its own place."""
    return np.arange(count * WINDOW, dtype=np.float32)


def run(
    endpointer: Endpointer, probabilities: Sequence[float], samples: Samples | None = None
) -> list[EndpointEvent]:
    sound = numbered(len(probabilities)) if samples is None else samples
    events = []
    for number, probability in enumerate(probabilities):
        events += endpointer.push(sound[number * WINDOW : (number + 1) * WINDOW], probability)
    return events + endpointer.flush()


def windows(duration: float, probability: float) -> list[float]:
    return [probability] * round(duration * SECOND)


def utterances(events: Sequence[EndpointEvent]) -> list[Utterance]:
    return [event.utterance for event in events if isinstance(event, Ended)]


def span(utterance: Utterance) -> tuple[int, int]:
    return round(utterance.start * SAMPLE_RATE), round(utterance.end * SAMPLE_RATE)


def test_speech_between_silences_is_one_utterance_with_pre_roll_and_tail() -> None:
    speech = windows(1, 0) + windows(1, 0.9) + windows(2, 0)
    started, paused, ended = run(Endpointer(EndpointingSettings(), WINDOW), speech)
    first, last = round(SECOND), round(SECOND) + round(SECOND)
    assert isinstance(started, SpeechStarted)
    assert started.at == first * WINDOW / SAMPLE_RATE
    assert isinstance(paused, Paused)
    assert isinstance(ended, Ended)
    assert not ended.cut
    begin, end = span(ended.utterance)
    assert first * WINDOW - 0.3 * SAMPLE_RATE <= begin <= (first - 8) * WINDOW
    assert (last + 5) * WINDOW <= end <= last * WINDOW + 0.2 * SAMPLE_RATE
    np.testing.assert_array_equal(ended.utterance.samples, np.arange(begin, end))
    assert ended.utterance is paused.utterance


def test_end_is_declared_when_end_silence_has_passed() -> None:
    endpointer = Endpointer(EndpointingSettings(end_silence=0.64, pause=0.32), WINDOW)
    probabilities = windows(0.96, 0.9) + windows(2, 0)
    sound = numbered(len(probabilities))
    kinds = {}
    for number, probability in enumerate(probabilities):
        for event in endpointer.push(sound[number * WINDOW :][:WINDOW], probability):
            kinds[type(event)] = number + 1
    assert kinds == {SpeechStarted: 4, Paused: 30 + 10, Ended: 30 + 20}


def test_speech_at_the_very_first_sample_is_kept() -> None:
    (utterance,) = utterances(
        run(Endpointer(EndpointingSettings(), WINDOW), windows(1, 0.9) + windows(1, 0))
    )
    assert utterance.start == 0


def test_resumed_speech_grows_the_same_utterance_and_pauses_anew() -> None:
    events = run(
        Endpointer(EndpointingSettings(), WINDOW),
        windows(1, 0.9) + windows(0.35, 0) + windows(1, 0.9) + windows(1, 0),
    )
    assert [type(event) for event in events] == [SpeechStarted, Paused, Resumed, Paused, Ended]
    first, second = (event.utterance for event in events if isinstance(event, Paused))
    assert first.start == second.start
    assert first.end < second.end
    assert isinstance(events[-1], Ended)
    assert events[-1].utterance is second


def test_short_noise_is_discarded() -> None:
    events = run(
        Endpointer(EndpointingSettings(min_speech=0.1), WINDOW),
        [*windows(1, 0), 0.9, 0.9, *windows(1, 0)],
    )
    (discarded,) = events
    assert isinstance(discarded, Discarded)
    assert discarded.duration == 2 * WINDOW / SAMPLE_RATE
    assert discarded.at == round(SECOND) * WINDOW / SAMPLE_RATE


def test_clicks_that_never_become_speech_do_not_pile_up() -> None:
    clicks = [0.9, *windows(0.4, 0)] * 3
    endpointer = Endpointer(
        EndpointingSettings(min_speech=0.5, max_utterance=1.0, end_silence=0.5), WINDOW
    )
    events = run(endpointer, clicks * 3)
    assert events
    assert all(isinstance(event, Discarded) for event in events)


def test_threshold_has_hysteresis() -> None:
    def count(probabilities: list[float]) -> int:
        return len(utterances(run(Endpointer(EndpointingSettings(), WINDOW), probabilities)))

    assert count(windows(3, 0.4)) == 0
    (whole,) = utterances(
        run(Endpointer(EndpointingSettings(), WINDOW), windows(0.5, 0.6) + windows(2, 0.4))
    )
    assert whole.end == pytest.approx(2.5, abs=0.1)


def test_pending_grows_and_is_none_in_silences() -> None:
    """A partial hypothesis in a silence would keep the final text waiting."""
    endpointer = Endpointer(EndpointingSettings(), WINDOW)
    sound = numbered(200)
    lengths = []
    spoken = windows(1, 0) + windows(1, 0.9) + windows(0.1, 0) + windows(0.4, 0.9) + windows(1, 0)
    for number, probability in enumerate(spoken):
        endpointer.push(sound[number * WINDOW : (number + 1) * WINDOW], probability)
        pending = endpointer.pending()
        lengths.append(0 if pending is None else pending.samples.size)
    assert lengths[30] == 0
    assert lengths[35] > 0
    assert lengths[60] > lengths[40]
    assert lengths[63] == lengths[64] == 0  # 0.1 s of silence
    assert lengths[70] > lengths[60]
    assert lengths[78:] == [0] * len(lengths[78:])


def test_pre_roll_never_reaches_into_the_utterance_before() -> None:
    speech = windows(1, 0.9) + windows(0.3, 0) + windows(1, 0.9) + windows(1, 0)
    short = EndpointingSettings(pre_roll=1.0, pause=0.1, end_silence=0.2)
    first, second = utterances(run(Endpointer(short, WINDOW), speech))
    assert second.start == first.end


def test_last_window_may_be_shorter() -> None:
    endpointer = Endpointer(EndpointingSettings(), WINDOW)
    sound = np.ones(20 * WINDOW + 100, np.float32)
    events = []
    for begin in range(0, sound.size, WINDOW):
        events += endpointer.push(sound[begin : begin + WINDOW], 0.9)
    (utterance,) = utterances(events + endpointer.flush())
    assert utterance.samples.size == sound.size
    assert utterance.end == sound.size / SAMPLE_RATE


def speech_with_gaps(gap: float, seed: int) -> tuple[Samples, list[tuple[int, int]]]:
    """40 s of "words" of noise, 0.25 to 0.6 s, between gaps; the words' places in samples."""
    rng = np.random.default_rng(seed)
    pieces, words, position = [], [], 0
    while position < 40 * SAMPLE_RATE:
        word = rng.normal(0, 0.1, rng.integers(4000, 9600))
        closure = word.size // 2  # 40 ms of silence within the word, as in "happy"
        word[closure : closure + 640] *= 0.001
        silence = rng.normal(0, 0.0003, round(gap * SAMPLE_RATE) + rng.integers(0, 400))
        pieces += [word, silence]
        words.append((position, position + word.size))
        position += word.size + silence.size
    return np.concatenate(pieces).astype(np.float32), words


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gap", [0.1, 0.2])
def test_long_speech_is_cut_between_words(gap: float, seed: int) -> None:
    sound, words = speech_with_gaps(gap, seed)
    probabilities = [0.95] * (sound.size // WINDOW)
    events = run(Endpointer(EndpointingSettings(max_utterance=5), WINDOW), probabilities, sound)
    ends = [event for event in events if isinstance(event, Ended)]
    assert len(ends) >= 8
    for ended in ends[:-1]:
        assert ended.cut
        place = round(ended.utterance.end * SAMPLE_RATE)
        assert not any(begin < place < end for begin, end in words)


def test_cut_prefers_where_the_detector_hears_no_speech() -> None:
    sound = np.full(200 * WINDOW, 0.1, np.float32)  # a steady hum hides the pauses
    probabilities = [0.9] * 200
    pause = slice(130, 134)
    probabilities[pause] = [0.05] * 4
    events = run(Endpointer(EndpointingSettings(max_utterance=4.8), WINDOW), probabilities, sound)
    assert utterances(events)[0].end == 132 * WINDOW / SAMPLE_RATE


def test_long_silence_is_forgotten() -> None:
    endpointer = Endpointer(EndpointingSettings(), WINDOW)
    silence = np.zeros(WINDOW, np.float32)
    for _ in range(10_000):
        assert endpointer.push(silence, 0.0) == []
    assert len(endpointer._kept) <= 0.3 * SECOND + 1


plausible_settings = st.builds(
    EndpointingSettings,
    threshold=st.floats(0.1, 0.9),
    pre_roll=st.floats(0, 1),
    min_speech=st.floats(0, 0.5),
    pause=st.floats(0, 0.6),
    end_silence=st.floats(0.05, 1),
    max_utterance=st.floats(2, 5),
)
probability_runs = st.lists(
    st.tuples(st.integers(1, 60), st.floats(0, 1)), min_size=1, max_size=20
).map(lambda runs: [probability for count, probability in runs for _ in range(count)])


@settings(max_examples=300, deadline=None)
@given(plausible_settings, probability_runs)
def test_properties(chosen: EndpointingSettings, probabilities: list[float]) -> None:
    endpointer = Endpointer(chosen, WINDOW)
    sound = numbered(len(probabilities))
    events: list[EndpointEvent] = []
    most_kept = 0
    for number, probability in enumerate(probabilities):
        events += endpointer.push(sound[number * WINDOW : (number + 1) * WINDOW], probability)
        most_kept = max(most_kept, len(endpointer._kept))
    events += endpointer.flush()

    assert most_kept <= (chosen.max_utterance + chosen.end_silence) * SECOND + 3
    ended = [event for event in events if isinstance(event, Ended)]
    check_order(events)
    for event in ended:
        begin, end = span(event.utterance)
        np.testing.assert_array_equal(event.utterance.samples, np.arange(begin, end))
        assert event.utterance.end - event.utterance.start <= chosen.max_utterance + 1e-6
    for before, after in pairwise(ended):
        assert before.utterance.end <= after.utterance.start
        if before.cut:
            assert before.utterance.end == after.utterance.start
    check_all_speech_is_accounted_for(chosen, probabilities, events)


def check_order(events: Sequence[EndpointEvent]) -> None:
    """(SpeechStarted (Paused Resumed)* Paused? Ended | Discarded)*, Ended as Paused said."""
    state = "silence"
    paused: Utterance | None = None
    for event in events:
        match event:
            case SpeechStarted():
                assert state == "silence"
                state = "speech"
            case Paused(utterance):
                assert state == "speech"
                state, paused = "paused", utterance
            case Resumed():
                assert state == "paused"
                state, paused = "speech", None
            case Ended(utterance, cut):
                assert state == "speech" or (state == "paused" and not cut)
                assert paused is None or utterance is paused
                state, paused = "silence", None
            case Discarded():
                assert state == "silence"
    assert state == "silence"


def check_all_speech_is_accounted_for(
    chosen: EndpointingSettings, probabilities: Sequence[float], events: Sequence[EndpointEvent]
) -> None:
    """Windows above the threshold are in an utterance, or after the start of a discarded noise."""
    spans = [span(utterance) for utterance in utterances(events)]
    noises = [round(e.at * SAMPLE_RATE) for e in events if isinstance(e, Discarded)]
    longest = round((chosen.max_utterance + chosen.end_silence) * SAMPLE_RATE) + WINDOW
    for number, probability in enumerate(probabilities):
        place = number * WINDOW
        if probability < chosen.threshold:
            continue
        inside = any(begin <= place and place + WINDOW <= end for begin, end in spans)
        assert inside or any(noise <= place < noise + longest for noise in noises)
