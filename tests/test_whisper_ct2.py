"""The real Whisper base, on real and made speech."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import SAMPLES, SHARED
from fakes import silence
from scores import word_error_rate

from voicemed import whisper_ct2
from voicemed.asr import Effort, GuardedRecognizer, Hypothesis
from voicemed.audio import SAMPLE_RATE, Samples, Seconds, read
from voicemed.endpointing import Utterance
from voicemed.errors import ConfigError, EngineError, ModelDamaged
from voicemed.whisper_ct2 import CT2Decoder

ASK_NOT = (
    "And so my fellow Americans, ask not what your country can do for you, "
    "ask what you can do for your country."
)


@pytest.fixture(scope="module")
def jfk() -> Samples:
    return read(SHARED / "audio" / "english" / "jfk.flac")


@pytest.fixture(scope="module")
def jfk_read(ct2_base: CT2Decoder, jfk: Samples) -> Hypothesis:
    (hypothesis,) = ct2_base.decode([jfk], language="en")
    return hypothesis


def noise(seconds: Seconds, level: float) -> Samples:
    samples = np.random.default_rng(5).normal(0, level, round(seconds * SAMPLE_RATE))
    return samples.astype(np.float32)


# ---- Words and their times -----------------------------------------------------------------------


@pytest.mark.models
@pytest.mark.shared_data
def test_reads_a_recording(jfk_read: Hypothesis) -> None:
    assert word_error_rate(ASK_NOT, jfk_read.text) == 0
    assert "".join(word.text for word in jfk_read.words) == jfk_read.text
    assert jfk_read.language == "en"
    assert 20 <= jfk_read.tokens <= 30
    assert -0.5 < jfk_read.avg_logprob < 0
    assert jfk_read.no_speech_prob < 0.3


@pytest.mark.models
@pytest.mark.shared_data
def test_word_times_are_in_order_and_near_the_truth(jfk: Samples, jfk_read: Hypothesis) -> None:
    words = jfk_read.words
    assert all(0 <= w.start <= w.end <= jfk.size / SAMPLE_RATE for w in words)
    assert all(0 < w.probability <= 1 for w in words)
    assert all(a.end <= b.start for a, b in pairwise(words))
    # As heard and seen in the waveform, where he pauses. (The word after a pause begins too early.)
    ends = {words[i].text: words[i].end for i in (4, 6, 13, 21)}
    assert ends == pytest.approx(
        {" Americans,": 2.2, " not": 4.3, " you,": 7.5, " country.": 10.5}, abs=0.3
    )


@pytest.mark.models
@pytest.mark.parametrize(
    "name", ["assistant_questions", "consultation", "corrections", "dictation"]
)
def test_reads_the_samples(name: str, ct2_base: CT2Decoder) -> None:
    sound = read(SAMPLES / f"{name}.wav")[: 29 * SAMPLE_RATE]
    (hypothesis,) = ct2_base.decode([sound], language="en")
    expected = (SAMPLES / f"{name}.txt").read_text("utf-8").split()
    found = hypothesis.text.split()
    if sound.size == 29 * SAMPLE_RATE:  # the sample goes on
        expected = expected[: len(found)]
    assert word_error_rate(" ".join(expected), hypothesis.text) < 0.15


@pytest.mark.models
@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["aishell-BAC009S0724W0121.wav", "asr_example.wav"])
def test_detects_mandarin_and_writes_it_as_it_is_written(name: str, ct2_base: CT2Decoder) -> None:
    rows = map(json.loads, (SHARED / "audio" / "manifest.jsonl").read_text("utf-8").splitlines())
    text = next(row["text"] for row in rows if row["audio"] == f"mandarin/{name}")
    sound = read(SHARED / "audio" / "mandarin" / name)
    detected, given = (ct2_base.decode([sound], language=code)[0] for code in (None, "zh"))
    assert detected.language == "zh"
    assert detected.text == given.text
    assert detected.text.strip().count(" ") < len(text) / 4  # some between phrases, none per word
    assert len(set(text) & set(detected.text)) >= 0.4 * len(set(text))  # base, and traditional too
    assert len(detected.words) > 5


@pytest.mark.models
@pytest.mark.shared_data
def test_a_batch_gives_what_each_gives_alone(ct2_base: CT2Decoder, jfk: Samples) -> None:
    mandarin = read(SHARED / "audio" / "mandarin" / "asr_example.wav")
    batch = [jfk, mandarin, jfk[: 2 * SAMPLE_RATE], jfk[SAMPLE_RATE * 7 :]]
    together = ct2_base.decode(batch, language=None)
    alone = [ct2_base.decode([sound], language=None)[0] for sound in batch]
    assert [h.language for h in together] == [h.language for h in alone] == ["en", "zh", "en", "en"]
    for one, other in zip(together, alone, strict=True):
        # Some characters of the Mandarin are toss-ups, which fall otherwise beside other lengths.
        assert SequenceMatcher(None, one.text, other.text).ratio() > 0.7
        if one.text == other.text:
            ends = [w.end for w in other.words]
            assert [w.end for w in one.words] == pytest.approx(ends, abs=0.3)
    assert together[0].text == alone[0].text


@pytest.mark.models
def test_no_sound_gives_no_hypotheses(ct2_base: CT2Decoder) -> None:
    assert ct2_base.decode([], language="en") == []


@pytest.mark.models
@pytest.mark.shared_data
def test_the_trimmed_window_reads_what_the_full_one_reads(
    ct2_base: CT2Decoder, jfk: Samples, jfk_read: Hypothesis
) -> None:
    (careful,) = ct2_base.decode([jfk], language="en", effort=Effort.CAREFUL)
    (draft,) = ct2_base.decode([jfk], language="en", effort=Effort.DRAFT)
    assert word_error_rate(careful.text, jfk_read.text) == 0
    assert word_error_rate(careful.text, draft.text) < 0.1
    assert [w.end for w in careful.words] == pytest.approx([w.end for w in jfk_read.words], abs=0.2)


@pytest.mark.parametrize(
    ("seconds", "frames"),
    [([0.5], 1000), ([2.0, 8.5], 1000), ([8.6], 1100), ([16.0], 1800), ([29.0], 3000)],
)
def test_a_window_holds_the_longest_and_its_tail_and_is_never_short(
    seconds: list[float], frames: int
) -> None:
    decoder = CT2Decoder(SimpleNamespace(model=None), "fake", "cpu")
    stretches = [np.zeros(int(length * SAMPLE_RATE), np.float32) for length in seconds]
    assert decoder._frames(stretches) == frames


def test_a_lean_decoder_has_few_windows_and_each_holds_the_utterance_and_its_tail() -> None:
    decoder = CT2Decoder(SimpleNamespace(model=None), "fake", "cpu", lean=True)
    lengths = np.arange(0.5, 29.0, 0.25)
    windows = [decoder._frames([np.zeros(int(s * SAMPLE_RATE), np.float32)]) for s in lengths]
    assert len(set(windows)) <= 5
    assert windows == sorted(windows)
    full = 3000
    assert all(
        w == full or w >= 100 * (s + decoder.TAIL) for w, s in zip(windows, lengths, strict=True)
    )


# ---- Prefix and prompt ---------------------------------------------------------------------------


@pytest.mark.models
@pytest.mark.shared_data
@pytest.mark.parametrize("effort", [Effort.DRAFT, Effort.NORMAL])
@pytest.mark.parametrize("prefix", ["And so, my yellow Americans", "And", ASK_NOT])
def test_a_prefix_is_kept_word_for_word(
    prefix: str, effort: Effort, ct2_base: CT2Decoder, jfk: Samples
) -> None:
    (hypothesis,) = ct2_base.decode([jfk], language="en", prefix=prefix, effort=effort)
    assert hypothesis.text.startswith(f" {prefix}")
    assert word_error_rate(ASK_NOT, hypothesis.text) < 0.1
    assert "".join(word.text for word in hypothesis.words) == hypothesis.text


@pytest.mark.models
@pytest.mark.shared_data
def test_nothing_is_added_to_a_prefix_that_is_complete(ct2_base: CT2Decoder, jfk: Samples) -> None:
    (whole,) = ct2_base.decode([jfk], language="en", prefix=ASK_NOT)
    assert whole.text.strip() == ASK_NOT
    mandarin = read(SHARED / "audio" / "mandarin" / "asr_example.wav")
    (read_alone,) = ct2_base.decode([mandarin], language="zh")
    (again,) = ct2_base.decode([mandarin], language="zh", prefix=read_alone.text)
    assert again.text == read_alone.text


@pytest.mark.models
def test_a_prompt_favours_its_words_and_is_no_part_of_the_text(ct2_base: CT2Decoder) -> None:
    sound = read(SAMPLES / "phone_call.wav", channel=0)[: 4 * SAMPLE_RATE]
    plain, prompted = (
        ct2_base.decode([sound], language="en", prompt=prompt)[0]
        for prompt in ("", "Doctor Myllär, Doctor Myllär's practice")
    )
    assert "Mill" in plain.text
    assert "Myllär" in prompted.text
    assert "practice" not in prompted.text


@pytest.mark.models
@pytest.mark.shared_data
def test_a_long_prompt_leaves_room_for_the_text(ct2_base: CT2Decoder, jfk: Samples) -> None:
    (hypothesis,) = ct2_base.decode([jfk], language="en", prompt="metoprolol, lisinopril, " * 100)
    assert word_error_rate(ASK_NOT, hypothesis.text) < 0.1


@pytest.mark.models
@pytest.mark.parametrize("seconds", [1.0, 5.0, 15.0])
@pytest.mark.parametrize("prompt", ["", "metoprolol, lisinopril, " * 10])
def test_fast_speech_fits(seconds: Seconds, prompt: str, ct2_base: CT2Decoder) -> None:
    """Nine tokens a second can be written, of any language, and even more of a loop.

    A prefix of that many tokens counts as text: what of it is missing did not fit.
    """
    spoken = " ".join(["one", "two", "three", "four", "five"] * 40).split()
    prefix = " ".join(spoken[: round(9 * seconds)])
    (hypothesis,) = ct2_base.decode(
        [noise(seconds, 0.01)], language="en", prompt=prompt, prefix=prefix
    )
    assert hypothesis.text.strip().startswith(prefix)


# ---- Through the guard ---------------------------------------------------------------------------


@pytest.mark.models
@pytest.mark.parametrize("seconds", [0.3, 5.0])
def test_nothing_is_written_about_silence_and_noise(
    seconds: Seconds, whisper_base: GuardedRecognizer
) -> None:
    sounds = [silence(seconds), noise(seconds, 1e-3), noise(seconds, 0.1)]
    utterances = [Utterance(samples, 0.0, seconds) for samples in sounds]
    found = whisper_base.transcribe(utterances, language="en")
    accepted = [s.text for segments in found for s in segments if not s.rejected and s.words]
    assert accepted == []


@pytest.mark.models
@pytest.mark.shared_data
def test_several_threads_at_once(ct2_base: CT2Decoder, jfk: Samples) -> None:
    stretches = [jfk[i * 8000 :][: 4 * SAMPLE_RATE] for i in range(4)]
    alone = [ct2_base.decode([sound], language="en") for sound in stretches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda s: ct2_base.decode([s], language="en"), stretches))
    assert [h.text for (h,) in together] == [h.text for (h,) in alone]


# ---- What cannot be used -------------------------------------------------------------------------


@pytest.mark.models
def test_a_language_that_the_model_does_not_know(ct2_base: CT2Decoder) -> None:
    with pytest.raises(ConfigError, match="language 'xx'"):
        ct2_base.decode([noise(1.0, 0.1)], language="xx")


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match="no CTranslate2 Whisper here"):
        whisper_ct2.load(tmp_path)
    (tmp_path / "model.bin").touch()
    with pytest.raises(ModelDamaged, match="tokenizer"):  # it would be downloaded otherwise
        whisper_ct2.load(tmp_path)


@pytest.mark.models
@pytest.mark.parametrize(
    "damage", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"]
)
def test_a_damaged_model(damage: str, tmp_path: Path, ct2_base: CT2Decoder) -> None:
    from voicemed.weights import locate

    for file in locate("whisper-base").iterdir():
        if file.name != damage:
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / damage).write_bytes(b"\x00damaged")
    with pytest.raises((EngineError, ModelDamaged)) as caught:
        whisper_ct2.load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.models
def test_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    import ctranslate2

    from voicemed.weights import locate

    if ctranslate2.get_cuda_device_count():
        pytest.skip("there is a GPU")
    with pytest.raises(EngineError, match="cannot be loaded on cuda"):
        whisper_ct2.load(locate("whisper-base"), device="cuda")
    assert whisper_ct2.load(locate("whisper-base"), device="auto", threads=1).device == "cpu"
