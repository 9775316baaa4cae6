"""The guard against invented text, partial hypotheses that agree, and the choice of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeDecoder, hypothesis, silence, tone
from hypothesis import given
from hypothesis import strategies as st

from voicemed import asr, whisper_ct2, whisper_torch
from voicemed.asr import (
    Agreement,
    Effort,
    GuardedRecognizer,
    Hypothesis,
    create_recognizer,
    doubt,
    rejection,
    without_soundless_repeats,
    wordless,
)
from voicemed.audio import SAMPLE_RATE, Samples, Seconds
from voicemed.config import RecognitionSettings
from voicemed.endpointing import Utterance
from voicemed.errors import EngineError, ModelDamaged, ModelMissing
from voicemed.transcript import Segment, Word


def utterance(samples: Samples, start: Seconds = 0.0) -> Utterance:
    return Utterance(samples, start, start + samples.size / SAMPLE_RATE)


def transcribe(decoder: FakeDecoder, *utterances: Utterance, **options: Any) -> list[list[Segment]]:
    return GuardedRecognizer(decoder).transcribe(utterances, **{"language": "en", **options})


def efforts(decoder: FakeDecoder) -> list[Effort]:
    return [call.effort for call in decoder.calls]


# ---- What a hypothesis is rejected for -----------------------------------------------------------

SENTENCE = "well the pain comes and goes but mostly at night when i lie down on my left"
LOOPS = [" ".join(SENTENCE.split()[:n]) for n in range(1, 13)]


@pytest.mark.parametrize("phrase", LOOPS, ids=lambda phrase: f"{len(phrase.split())} words")
def test_a_loop_of_any_length_is_rejected(phrase: str) -> None:
    looped = f"He said that {' '.join([phrase] * 8)}"
    assert rejection(hypothesis(looped), 60.0) == "repetition"


@pytest.mark.parametrize("phrase", LOOPS[3:], ids=lambda phrase: f"{len(phrase.split())} words")
def test_a_clause_said_twice_is_doubtful_and_three_times_too_often(phrase: str) -> None:
    twice = hypothesis(f"{phrase}, {phrase.capitalize()}.")
    assert rejection(twice, 60.0) == ""
    assert doubt(twice, 60.0) == "repetition"
    assert rejection(hypothesis(f"{phrase}. {phrase}. {phrase}."), 60.0) == "repetition"


def test_a_loop_that_is_not_at_the_end_is_seen() -> None:
    text = "So " + "and currently I smoke " * 4 + "about ten cigarettes a day since I was twenty."
    assert rejection(hypothesis(text), 30.0) == "repetition"


def test_a_loop_without_spaces_is_seen_by_its_compression() -> None:
    assert rejection(hypothesis("我头很疼" * 12, tokens=60, language="zh"), 20.0) == "repetition"


SAID = [
    ("No, no, no, no.", 1.2),
    ("Very, very, very, very tired.", 1.6),
    ("I don't know, I don't know.", 1.2),
    ("It comes and goes, comes and goes, comes and goes.", 2.5),
    ("Yeah, yeah, yeah, yeah, yeah, yeah.", 1.5),
    ("Metoprolol, lisinopril, atorvastatin, metformin, aspirin and a multivitamin.", 4.0),
    ("Forty milligrams of pantoprazole and forty milligrams of furosemide.", 3.5),
    ("Left arm no, left leg no, right arm no, right leg yes.", 3.0),
    ("My number is 0 7 7 0 0 9 0 0 1 2 3.", 3.0),
    ("You know what I mean it just sort of came out of nowhere and I was like what is that", 4.0),
    ("我头疼,发烧,咳嗽,没有胸痛。", 3.5),
    ("对对对对,是的。", 1.0),
    ("Ça fait mal, là, là et là.", 1.5),
]  # fmt: skip


@pytest.mark.parametrize(("text", "seconds"), SAID)
def test_what_people_say_is_accepted(text: str, seconds: Seconds) -> None:
    assert rejection(hypothesis(text), seconds) == ""


@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.0, 15.0])
def test_more_tokens_than_anybody_can_speak(seconds: Seconds) -> None:
    most = int(6 + 11 * seconds)
    assert rejection(hypothesis("words", tokens=most), seconds) == ""
    assert (
        rejection(hypothesis("words", tokens=most + 1), seconds) == "too many words for its length"
    )


@pytest.mark.parametrize(
    ("no_speech", "logprob", "brief", "long"),
    [
        (0.7, -1.1, True, True),
        (0.36, -0.84, True, False),  # 'Sanctuary, man' about a café
        (0.29, -0.99, True, False),  # 'Stand up, man', likewise
        (0.24, -1.05, False, False),
        (0.15, -1.1, False, False),
        (0.5, -0.75, False, False),
        (0.9, -0.5, False, False),
        (0.01, -1.4, False, False),
        (0.01, -1.6, True, True),
    ],
)
def test_no_speech_needs_two_signs(
    no_speech: float, logprob: float, brief: bool, long: bool
) -> None:
    said = hypothesis("It hurts here.", no_speech_prob=no_speech, avg_logprob=logprob)
    assert (rejection(said, 2.0) == "no speech") is brief
    assert (rejection(said, 12.0) == "no speech") is long


@pytest.mark.parametrize("text", ["Thank you.", "Thanks for watching!", " you", "Bye-bye."])
def test_what_whisper_writes_about_noise_needs_one(text: str) -> None:
    said = hypothesis(text)
    assert rejection(said, 2.0) == ""
    assert rejection(replace(said, no_speech_prob=0.4), 2.0) == "no speech"
    assert rejection(replace(said, avg_logprob=-0.9), 2.0) == "no speech"
    assert rejection(replace(said, text=f"{text} Doctor.", no_speech_prob=0.4), 2.0) == ""


def test_words_without_any_time_are_doubtful() -> None:
    rushed = hypothesis("I will see you in the next video", word=0.02)
    assert doubt(rushed, 5.0) == "words without sound"
    assert rejection(rushed, 5.0) == ""
    assert doubt(hypothesis("So we", word=0.02), 5.0) == ""


def test_a_repeat_without_sound_is_taken_away_without_a_second_decode() -> None:
    said, again = hypothesis("It started last night."), "It started last night."
    late = hypothesis(again, start=1.2, word=0.0)
    doubled = replace(said, text=said.text + late.text, words=said.words + late.words, tokens=10)
    decoder = FakeDecoder(doubled)
    ((segment,),) = transcribe(decoder, utterance(tone(1.5)))
    assert segment.text == "It started last night."
    assert efforts(decoder) == [Effort.NORMAL]


def test_a_repeat_whose_first_word_took_sound_goes_as_a_whole() -> None:
    sentence = ("It", "started", "last", "night.")
    words = [(text, 0.3) for text in sentence]
    words += [("It", 0.2), ("started", 0.0), ("last", 0.0), ("night.", 0.0)]
    ends = np.cumsum([duration for _, duration in words])
    timed = tuple(
        Word(f" {text}", float(end) - duration, float(end), 0.9)
        for (text, duration), end in zip(words, ends, strict=True)
    )
    looped = Hypothesis("".join(w.text for w in timed), timed, 9, -0.2, 0.01, "en")
    assert without_soundless_repeats(looped).text == " It started last night."


@pytest.mark.parametrize(
    "words",
    [
        [("No", 0.3), ("fever", 0.3), ("no", 0.3), ("fever", 0.3)],  # said twice
        [("No", 0.3), ("fever", 0.3), ("and", 0.0), ("a", 0.0), ("cough", 0.0)],  # something new
        [("No", 0.3), ("fever", 0.3), ("no", 0.0), ("fever", 0.0)],  # too short to be sure
    ],
    ids=["with sound", "new words", "two words"],
)
def test_other_words_stay(words: list[tuple[str, Seconds]]) -> None:
    timed, at = [], 0.0
    for text, duration in words:
        timed.append(Word(f" {text}", at, at + duration, 0.9))
        at += duration
    said = Hypothesis("".join(w.text for w in timed), tuple(timed), 6, -0.2, 0.01, "en")
    assert without_soundless_repeats(said) is said


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=12))
def test_what_is_taken_away_only_says_again_what_stays(words: list[tuple[str, bool]]) -> None:
    timed, at = [], 0.0
    for i, (text, sounds) in enumerate(words):
        timed.append(Word(f" {text}", at, at + 0.3 * sounds, 0.9 - i / 100))  # no two are equal
        at += 0.3 * sounds
    said = Hypothesis("".join(w.text for w in timed), tuple(timed), len(timed), -0.2, 0.01, "en")
    kept = without_soundless_repeats(said)
    assert {w.text for w in kept.words} == {w.text for w in timed}
    assert [w for w in timed if w in kept.words] == list(kept.words)


@given(st.text(), st.floats(0.1, 30))
def test_what_is_rejected_is_doubted_too(text: str, seconds: Seconds) -> None:
    said = hypothesis(text, tokens=len(text) // 4)
    assert doubt(said, seconds) or not rejection(said, seconds)


# ---- What the guard does about it ----------------------------------------------------------------

LOOP = "and currently I smoke " * 5
GOOD = "and currently I smoke ten a day"


def test_words_get_the_time_of_the_recording() -> None:
    ((segment,),) = transcribe(FakeDecoder(hypothesis("It hurts")), utterance(tone(1.0), 100.0))
    assert [(w.start, w.end) for w in segment.words] == [(100.0, 100.3), (100.3, 100.6)]
    assert (segment.text, segment.rejected, segment.language) == ("It hurts", "", "en")


def test_options_reach_the_decoder_and_one_call_takes_all() -> None:
    decoder = FakeDecoder(hypothesis("one"), hypothesis("two"))
    found = transcribe(
        decoder,
        utterance(tone(1.0)),
        utterance(tone(1.2), 5.0),
        language="de",
        prompt="Metoprolol",
        prefix="one",
    )
    assert [[s.text for s in segments] for segments in found] == [["one"], ["two"]]
    (call,) = decoder.calls
    assert (call.language, call.prompt, call.prefix) == ("de", "Metoprolol", "one")
    assert call.effort is Effort.NORMAL


def test_silence_never_reaches_the_decoder() -> None:
    decoder = FakeDecoder(hypothesis("one"), hypothesis("two"))
    hiss = np.random.default_rng(0).normal(0, 1e-4, 32_000).astype(np.float32)  # -80 dBFS
    heard = [tone(1.0), silence(1.0), tone(1.0), hiss, silence(0.0)]
    found = transcribe(decoder, *(utterance(samples, 2.0 * i) for i, samples in enumerate(heard)))
    assert [len(segments) for segments in found] == [1, 0, 1, 0, 0]
    assert len(decoder.calls[0].batch) == 2
    quiet = FakeDecoder()
    assert transcribe(quiet, utterance(silence(1.0))) == [[]]
    assert transcribe(quiet) == []
    assert quiet.calls == []


def test_one_quiet_word_in_silence_is_heard() -> None:
    sound = np.concatenate([silence(2.0), tone(0.3, amplitude=0.001), silence(2.0)])
    ((segment,),) = transcribe(FakeDecoder(hypothesis("yes", start=2.0)), utterance(sound))
    assert segment.text == "yes"


def test_a_doubtful_hypothesis_is_decoded_with_care_and_without_the_prompt() -> None:
    decoder = FakeDecoder(hypothesis("fine"), hypothesis(LOOP), hypothesis(GOOD))
    both = utterance(tone(1.0)), utterance(tone(3.0, 300), 2.0)
    (first,), (second,) = transcribe(decoder, *both, prompt="ibuprofen", prefix="and")
    assert (first.text, second.text, second.rejected) == ("fine", GOOD, "")
    assert efforts(decoder) == [Effort.NORMAL, Effort.CAREFUL]
    again = decoder.calls[1]
    assert (again.prompt, again.prefix, again.language) == ("", "and", "en")
    assert [stretch is both[1].samples for stretch in again.batch] == [True]


def test_a_second_loop_is_decoded_where_none_can_be() -> None:
    decoder = FakeDecoder(hypothesis(LOOP), hypothesis(LOOP), hypothesis(GOOD))
    ((segment,),) = transcribe(decoder, utterance(tone(3.0)))
    assert (segment.text, segment.rejected) == (GOOD, "")
    assert efforts(decoder) == [Effort.NORMAL, Effort.CAREFUL, Effort.WITHOUT_REPETITION]


def test_what_stays_invented_is_rejected_with_its_reason_and_its_text() -> None:
    decoder = FakeDecoder(*[hypothesis(LOOP)] * 3)
    ((segment,),) = transcribe(decoder, utterance(tone(6.0)))
    assert segment.rejected == "repetition"
    assert segment.text == LOOP.strip()


def test_a_doubt_that_stays_is_no_rejection() -> None:
    decoder = FakeDecoder(*[hypothesis("It comes and goes. It comes and goes.")] * 2)
    ((segment,),) = transcribe(decoder, utterance(tone(2.5)))
    assert segment.rejected == ""
    assert efforts(decoder) == [Effort.NORMAL, Effort.CAREFUL]


def test_a_draft_is_decoded_once_whatever_it_reads() -> None:
    decoder = FakeDecoder(hypothesis(LOOP, word=0.1), hypothesis("yes"))
    (first,), (second,) = transcribe(
        decoder, utterance(tone(6.0)), utterance(tone(6.0)), draft=True
    )
    assert (first.rejected, second.rejected) == ("repetition", "")
    assert efforts(decoder) == [Effort.DRAFT]


# ---- Speech without words ------------------------------------------------------------------------


def spoken(*words: tuple[str, Seconds, Seconds], language: str = "en") -> Hypothesis:
    """A hypothesis of words with their times."""
    times = tuple(Word(f" {text}", start, end, 0.9) for text, start, end in words)
    text = "".join(word.text for word in times)
    return Hypothesis(text, times, len(words), -0.2, 0.01, language)


BEGINNING = ("it", 0.0, 0.5), ("started", 0.5, 1.0), ("slowly", 1.0, 2.0)
END = ("last", 4.0, 5.0), ("night", 5.0, 6.0)


@pytest.mark.parametrize(
    ("words", "text", "gap"),
    [
        ((*BEGINNING, *END), "it started slowly I think last night", (2.0, 4.0)),
        (END, "I think last night", (0.0, 4.0)),
        (BEGINNING, "it started slowly I think", (2.0, 6.0)),
    ],
)
def test_a_gap_is_decoded_again_and_joined_in_its_place(
    words: Sequence[tuple[str, Seconds, Seconds]], text: str, gap: tuple[Seconds, Seconds]
) -> None:
    decoder = FakeDecoder(spoken(*words), hypothesis("I think"))
    ((segment,),) = transcribe(decoder, utterance(tone(6.0), 50.0))
    assert segment.text == text
    starts = [word.start for word in segment.words]
    assert starts == sorted(starts)
    assert 50.0 + gap[0] in starts
    (stretch,) = decoder.calls[-1].batch
    assert stretch.size / SAMPLE_RATE == gap[1] - gap[0]


def test_silence_between_words_is_no_gap() -> None:
    pause = np.concatenate([tone(2.0), tone(2.0, amplitude=0.001), tone(2.0)])
    decoder = FakeDecoder(spoken(*BEGINNING, *END))
    transcribe(decoder, utterance(pause))
    assert len(decoder.calls) == 1


def test_a_word_stretched_over_what_follows_hides_no_gap() -> None:
    stretched = [Word(" it", 0.0, 5.0, 0.9), Word(" hurts", 5.0, 5.5, 0.9)]
    assert wordless(tone(5.5), stretched) == [(1.0, 5.0)]
    assert wordless(tone(5.5), []) == []
    assert wordless(silence(0.05), stretched) == []


@pytest.mark.parametrize(
    "extra",
    [
        hypothesis("I think", avg_logprob=-0.8),
        hypothesis("Thank you.", no_speech_prob=0.5),
        hypothesis("so so so so so so so so"),
        hypothesis(""),
    ],
    ids=["unsure", "stock phrase", "loop", "nothing"],
)
def test_what_is_read_in_a_gap_has_to_be_sure(extra: Hypothesis) -> None:
    decoder = FakeDecoder(spoken(*BEGINNING, *END), extra)
    ((segment,),) = transcribe(decoder, utterance(tone(6.0)))
    assert segment.text == "it started slowly last night"


def test_a_gap_never_costs_the_words_around_it() -> None:
    phrase = "I cannot sleep at night"
    first, third = hypothesis(phrase), hypothesis(phrase, start=4.0)
    twice = Hypothesis(first.text + third.text, first.words + third.words, 14, -0.2, 0.01, "en")
    decoder = FakeDecoder(twice, twice, hypothesis(phrase))  # doubtful, so decoded twice
    ((segment,),) = transcribe(decoder, utterance(tone(5.5)))
    assert segment.rejected == ""
    assert segment.text == f"{phrase} {phrase}"


def test_a_gap_is_in_the_language_of_its_utterance() -> None:
    both = utterance(tone(6.0)), utterance(tone(6.0), 10.0)
    decoder = FakeDecoder(
        spoken(*BEGINNING, *END, language="de"),
        spoken(*BEGINNING, *END, language="fr"),
        hypothesis("ich denke", language="de"),
        hypothesis("je pense", language="fr"),
    )
    (first,), (second,) = transcribe(decoder, *both, language=None)
    assert [call.language for call in decoder.calls] == [None, "de", "fr"]
    assert (first.language, first.text) == ("de", "it started slowly ich denke last night")
    assert (second.language, second.text) == ("fr", "it started slowly je pense last night")


def test_the_words_of_the_prefix_stay_together() -> None:
    decoder = FakeDecoder(spoken(*BEGINNING, *END), hypothesis("I think"))
    ((segment,),) = transcribe(decoder, utterance(tone(9.0)), prefix="it started slowly last")
    assert segment.text == "it started slowly last night I think"  # from 6 to 9 s, not from 2 to 4
    assert len(decoder.calls[1].batch) == 1


def test_a_draft_has_its_gaps() -> None:
    decoder = FakeDecoder(spoken(*BEGINNING, *END))
    transcribe(decoder, utterance(tone(6.0)), draft=True)
    assert len(decoder.calls) == 1


# ---- Agreement -----------------------------------------------------------------------------------


def words(text: str) -> tuple[Word, ...]:
    return hypothesis(text).words


def shown(agreement: Agreement, text: str, end: Seconds) -> tuple[str, str]:
    """Committed and tentative words after a hypothesis whose words take 0.3 s each."""
    agreement.update(words(text), end)
    return agreement.committed, agreement.tentative


def test_agreement_on_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Agreement, "HOLD", 0.5)
    agreement = Agreement()
    grown = [
        ("the", 0.4, "", "the"),
        ("The pain is", 1.0, "", "The pain is"),
        ("The pain in my", 1.4, "The", "pain in my"),
        ("The pain in my chest", 1.6, "The pain", "in my chest"),
        ("The pain in my jest has", 1.9, "The pain in my", "jest has"),
        ("The pain in my chest has come", 2.2, "The pain in my", "chest has come"),
        ("The pain in my chest has come back", 2.5, "The pain in my", "chest has come back"),
        ("The pain in my chest has come back", 2.8, "The pain in my chest has come", "back"),
    ]
    for text, end, committed, tentative in grown:
        assert shown(agreement, text, end) == (committed, tentative)


def test_case_and_punctuation_are_no_disagreement_and_the_newer_is_kept() -> None:
    agreement = Agreement()
    shown(agreement, "i feel sick but", 5.0)
    shown(agreement, "I feel sick, but", 5.0)
    assert shown(agreement, "I feel sick, But no", 5.0) == ("I feel sick, But", "no")


def test_a_hypothesis_without_words_takes_nothing_back() -> None:
    agreement = Agreement()
    for _ in range(3):
        shown(agreement, "it hurts here", 5.0)
    assert shown(agreement, "", 5.5) == ("it hurts here", "")


def test_a_doubtful_word_is_not_committed() -> None:
    agreement = Agreement()
    doubtful = tuple(
        replace(w, probability=0.4) if w.text == " it" else w for w in words("have it")
    )
    for _ in range(3):
        agreement.update(doubtful, 5.0)
    assert (agreement.committed, agreement.tentative) == ("have", "it")


def test_settled_keeps_the_committed_spelling_and_sees_contradiction() -> None:
    agreement = Agreement()
    for _ in range(3):
        agreement.update(words("no I have"), 5.0)
    settled = agreement.settled(words("No, I have lost weight."))
    assert settled is not None
    assert "".join(word.text for word in settled) == " no I have lost weight."
    assert agreement.settled(words("No I haven't lost weight.")) is None


WORDS = st.lists(st.sampled_from(["it", "is", "It", "is,", "a", "the"]), max_size=8)


@given(st.lists(st.tuples(WORDS, st.floats(0, 6)), max_size=20))
def test_committed_words_never_change(grown: list[tuple[list[str], Seconds]]) -> None:
    agreement = Agreement()
    before: list[str] = []
    for spelt, end in grown:
        heard = words(" ".join(spelt))
        agreement.update(heard, end)
        now = agreement.committed.split()
        assert now[: len(before)] == before
        assert all(word.end <= end - Agreement.HOLD for word in heard[len(before) : len(now)])
        before = now


@given(st.lists(st.lists(st.sampled_from(["a", "b"]), max_size=5), min_size=3, max_size=12))
def test_committed_is_what_three_consecutive_hypotheses_share(grown: list[list[str]]) -> None:
    """LocalAgreement-3 by its definition, with all words long past."""
    agreement = Agreement()
    committed: list[str] = []
    for number, spelt in enumerate(grown, 1):
        agreement.update(words(" ".join(spelt)), 1000.0)
        if number >= 3 and spelt[: len(committed)] == committed:
            same = zip(*grown[number - 3 : number], strict=False)
            for position, heard in enumerate(same):
                if position >= len(committed):
                    if len(set(heard)) > 1:
                        break
                    committed.append(heard[-1])
        assert agreement.committed == " ".join(committed)


# ---- The choice of an engine ---------------------------------------------------------------------


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Any, ...]]:
    """What the engines were asked to load, instead of loading it."""
    calls: list[tuple[Any, ...]] = []

    def load_ct2(folder: Path, *, device: str, threads: int, workers: int) -> FakeDecoder:
        calls.append(("ct2", folder, device, threads, workers))
        return FakeDecoder()

    def load_torch(folder: Path, device: str) -> FakeDecoder:
        calls.append(("torch", folder, device))
        return FakeDecoder()

    monkeypatch.setattr(whisper_ct2, "load", load_ct2)
    monkeypatch.setattr(whisper_torch, "load", load_torch)
    monkeypatch.setattr(asr, "locate", lambda name: tmp_path / name)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    return calls


@pytest.mark.parametrize(
    ("settings", "gpu", "engine"),
    [
        (RecognitionSettings(), False, "ct2"),
        (RecognitionSettings(), True, "torch"),
        (RecognitionSettings(device="cpu"), True, "ct2"),
        (RecognitionSettings(device="cuda"), False, "ct2"),
        (RecognitionSettings(engine="ct2"), True, "ct2"),
        (RecognitionSettings(engine="torch"), False, "torch"),
    ],
)
def test_the_engine_is_chosen(
    settings: RecognitionSettings,
    gpu: bool,
    engine: str,
    loaded: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(whisper_torch, "gpu_available", lambda: gpu)
    recognizer = create_recognizer(settings)
    ((name, folder, device, *_),) = loaded
    assert (name, folder, device) == (engine, tmp_path / "whisper-base", settings.device)
    assert (recognizer.name, recognizer.device) == ("fake decoder", "cpu")


@pytest.mark.parametrize(
    ("threads", "workers", "each"), [(0, 1, 8), (0, 4, 2), (0, 16, 1), (3, 1, 3), (3, 2, 1)]
)
def test_workers_share_the_threads(
    threads: int, workers: int, each: int, loaded: list[tuple[Any, ...]]
) -> None:
    create_recognizer(RecognitionSettings(engine="ct2", threads=threads), workers=workers)
    assert loaded[0][3:] == (each, workers)


def test_missing_and_unusable_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="no such model folder"):
        create_recognizer(RecognitionSettings(model=str(tmp_path / "none")))
    with pytest.raises(ModelDamaged, match=r"model\.bin is missing"):
        create_recognizer(RecognitionSettings(engine="ct2", model=str(tmp_path)))
    (tmp_path / "model.bin").write_bytes(b"no weights")
    with pytest.raises((EngineError, ModelDamaged)) as caught:
        create_recognizer(RecognitionSettings(engine="ct2", model=str(tmp_path)))
    assert "\n" not in str(caught.value)
