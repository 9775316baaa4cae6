"""Speech synthesis: what is spoken for what is written, clauses, and Piper."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed.config import SpeechSettings
from voicemed.errors import EngineError, ModelDamaged, ModelMissing
from voicemed.tts import Piper, clauses, create_synthesizer, speakable

WRITTEN_AND_SPOKEN = {
    # doses
    "Take 5 mg bd": "Take five milligrams twice a day",
    "1 mg": "one milligram",
    "0.5 mL": "zero point five millilitres",
    ".5 mg": "zero point five milligrams",
    "0.05 mg": "zero point zero five milligrams",
    "1.0 mg": "one point zero milligrams",
    "50 µg and 50 μg and 50mcg": "fifty micrograms and fifty micrograms and fifty micrograms",
    "5 IU, 10,000 U": "five international units, ten thousand units",
    "1,500 mL": "one thousand five hundred millilitres",
    "3 mg/kg/day": "three milligrams per kilogram per day",
    "10 mg/5 mL": "ten milligrams per five millilitres",
    "500 mg po bid prn": "five hundred milligrams by mouth twice a day as needed",
    "5 mg b.d., TDS, qds": "five milligrams twice a day, three times a day, four times a day",
    "1 tablet od stat": "one tablet once a day stat",
    "OD vision": "OD vision",
    "the bid was od": "the bid was od",
    "q6h and q4-6h": "every six hours and every four to six hours",
    "2x/day": "two times per day",
    "2 x 500 mg": "two times five hundred milligrams",
    "1/2 tablet": "one half tablet",
    "1½ tablets": "one and a half tablets",
    "½ mg": "one half milligram",
    "5 -> 10 mg": "five to ten milligrams",
    # measurements
    "BP 140/90": "blood pressure one hundred and forty over ninety",
    "120/80mmHg": "one hundred and twenty over eighty millimetres of mercury",
    "37.8 °C": "thirty-seven point eight degrees Celsius",
    "SpO2 96%, SpO₂ 96 %": "oxygen saturation ninety-six percent, "
    "oxygen saturation ninety-six percent",
    "HR 72 bpm": "heart rate seventy-two beats per minute",
    "5.6 mmol/L": "five point six millimoles per litre",
    "24 kg/m2, 24 kg/m²": "twenty-four kilograms per square metre, "
    "twenty-four kilograms per square metre",
    "4.5 x 10⁹/L": "four point five times ten to the power of nine per litre",
    "pain 7/10": "pain seven out of ten",
    ">38, <5, ≥ 2": "more than thirty-eight, less than five, at least two",
    "-2.5 and +2": "minus two point five and plus two",
    # ranges, ratios, lists
    "3-5 days": "three to five days",
    "10 – 15 mg": "ten to fifteen milligrams",
    "5-3": "five dash three",
    "1:1000": "one to one thousand",
    "3, 4 and 5": "three, four and five",
    # dates and times
    "at 14:30, 08:05, 14:00": "at fourteen thirty, eight oh five, fourteen hundred",
    "9:00 am": "nine a m",
    "2026-03-12": "the twelfth of March twenty twenty-six",
    "13/03/2026": "the thirteenth of March twenty twenty-six",
    "03/13/2026": "the thirteenth of March twenty twenty-six",
    "12/03/2026": "twelve slash zero three slash twenty twenty-six",
    "since 2019": "since twenty nineteen",
    "in 1500 mL": "in one thousand five hundred millilitres",
    "21st": "twenty-first",
    # shorthand
    "ECG": "E C G",
    "?PE, +ve, -ve": "query P E, positive, negative",
    "Dr. Smith, e.g. B12": "Doctor Smith, for example B twelve",
    # read as written where the meaning is open
    "0123456789": "zero one two three four five six seven eight nine",
    "5000000": "five zero zero zero zero zero zero",
    "1,5 mg": "one comma five milligrams",
    "12345,678": "twelve thousand three hundred and forty-five comma six hundred and seventy-eight",
    "1.2.3": "one point two point three",
    "90s, 5 m": "ninety s, five m",
    "31/02/2026": "thirty-one slash zero two slash two thousand and twenty-six",
    "٣ mg ①": "three milligrams one",
}


@pytest.mark.parametrize(("written", "spoken"), WRITTEN_AND_SPOKEN.items())
def test_speakable(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


SHORTHAND_PIECES = """
0 1 5 12 140 2026 1,500 0.5 .5 07 1/2 140/90 14:30 3-5 ½ ² ① ٣ , . : / - – + ^ x × ° % ( ? mg mL
mcg µg/kg U h d g/L /day bpm °C q6h bd b.d. od bid po prn ECG PE BP SpO2 +ve e.g. one tablet mouth
st th am in since March and
"""
PIECES = st.sampled_from(SHORTHAND_PIECES.split())
SHORTHAND = st.lists(st.tuples(PIECES, st.sampled_from(["", " "])), max_size=12).map(
    lambda pairs: "".join(piece + gap for piece, gap in pairs)
)


@given(st.one_of(st.text(), SHORTHAND))
def test_speakable_leaves_no_digit_and_settles_at_once(text: str) -> None:
    spoken = speakable(text)
    assert not any(map(str.isdigit, spoken))
    assert speakable(spoken) == spoken


VOCABULARY = ("the", "patient", "takes", "paracetamol", "with", "water", "before", "lunch")
SHORT = ("5 mg", "2026", "BP 140/90", "bd", "3-5 days", "½")


@given(st.lists(st.tuples(st.sampled_from(VOCABULARY), st.sampled_from(SHORT))))
def test_other_words_keep_their_order(pairs: list[tuple[str, str]]) -> None:
    spoken = speakable(" ".join(f"{word} {shorthand}" for word, shorthand in pairs))
    assert [word for word in spoken.split() if word in VOCABULARY] == [word for word, _ in pairs]


UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
UNITS += " fifteen sixteen seventeen eighteen nineteen"
VALUES = {word: value for value, word in enumerate(UNITS.split())}
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
VALUES |= {word: 10 * value for value, word in enumerate(TENS.split(), 2)}


def heard(spoken: str) -> str:
    """The number that a listener would write down."""
    whole, _, decimals = spoken.partition(" point ")
    total = part = 0
    for word in re.split(r"[ -]", whole):
        if word == "thousand":
            total, part = 1000 * part, 0
        elif word == "hundred":
            part *= 100
        elif word != "and":
            part += VALUES[word]
    written = "".join(str(VALUES[word]) for word in decimals.split())
    return f"{total + part}.{written}" if written else str(total + part)


@given(st.integers(0, 999_999), st.text("0123456789", max_size=4), st.booleans())
def test_a_dose_is_heard_as_it_was_written(whole: int, decimals: str, grouped: bool) -> None:
    number = f"{whole}.{decimals}" if decimals else str(whole)
    written = f"{whole:,}{number.removeprefix(str(whole))}" if grouped else number
    spoken = speakable(f"{written} mg")
    assert heard(re.sub(r" milligrams?$", "", spoken)) == number
    assert spoken.endswith("milligram") == (number == "1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes, since yesterday.", ["Yes,", "since yesterday."]),
        ("Dr. Smith said 1,500 mL at 14:30.", ["Dr. Smith said 1,500 mL at 14:30."]),
        (
            "The patient has had a severe headache for three days.",
            ["The patient has had a severe headache", "for three days."],
        ),
        ("", []),
    ],
)
def test_clauses(text: str, expected: list[str]) -> None:
    assert clauses(text) == expected


@given(st.one_of(st.text(), SHORTHAND))
def test_clauses_lose_nothing(text: str) -> None:
    assert " ".join(clauses(text)) == " ".join(text.split())


@pytest.fixture(scope="module")
def voice() -> Piper:
    synthesizer = create_synthesizer(SpeechSettings())
    assert isinstance(synthesizer, Piper)
    return synthesizer


@pytest.mark.models
def test_piper_speaks_clause_by_clause(voice: Piper) -> None:
    assert (voice.name, voice.sample_rate) == ("Piper en_US-joe-medium", 22_050)
    first, second = voice.synthesize("Yes, since yesterday.")
    for chunk in (first, second):
        assert chunk.samples.dtype == np.float32
        assert chunk.sample_rate == voice.sample_rate
        assert 0.1 < np.abs(chunk.samples).max() <= 1
    assert (first.start, second.start) == (0.0, len(first.samples) / 22_050)
    assert 0.3 < second.start < 1.5


@pytest.mark.models
def test_piper_says_nothing_for_punctuation_and_survives_odd_text(voice: Piper) -> None:
    assert list(voice.synthesize(" ... ?!")) == []
    assert list(voice.synthesize("[[ a \ud800 b"))


@pytest.mark.models
def test_piper_at_twice_the_rate_takes_about_half_the_time(voice: Piper) -> None:
    from voicemed.weights import locate

    text = "Present: headache, since yesterday; nausea and vomiting."
    quick = Piper(locate("piper-en-us-joe"), rate=2.0)
    lengths = [sum(len(chunk.samples) for chunk in one.synthesize(text)) for one in (voice, quick)]
    assert 0.35 < lengths[1] / lengths[0] < 0.7


@pytest.mark.models
def test_piper_never_logs_what_it_says(voice: Piper, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)  # of the root, as a user's --verbose would
    list(voice.synthesize("headache"))
    assert "headache" not in caplog.text


@pytest.mark.models
def test_a_failing_voice_is_one_line_without_the_text(
    voice: Piper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("cannot speak headache")

    monkeypatch.setattr(voice._voice, "synthesize", fail)
    with pytest.raises(EngineError, match=r"^Piper .* failed to speak \(RuntimeError\)") as raised:
        list(voice.synthesize("headache"))
    assert "headache" not in str(raised.value)


def test_missing_and_damaged_voices_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelMissing, match="no Piper voice"):
        Piper(tmp_path)
    (tmp_path / "voice.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelMissing, match=r"voice\.onnx\.json: missing"):
        Piper(tmp_path)
    (tmp_path / "voice.onnx.json").write_text(json.dumps({"audio": {}}))
    with pytest.raises(ModelDamaged, match="not a readable Piper voice"):
        Piper(tmp_path)
    monkeypatch.setitem(sys.modules, "piper", None)
    with pytest.raises(EngineError, match="pip install piper-tts"):
        Piper(tmp_path)


def test_coqui_without_its_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "TTS", None)
    monkeypatch.setitem(sys.modules, "trainer", None)
    with pytest.raises(EngineError, match=r"pip install voicemed\[coqui\]"):
        create_synthesizer(SpeechSettings(engine="coqui", model="tts_models/en/ljspeech/vits"))
