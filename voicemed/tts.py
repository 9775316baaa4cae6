"""Speech synthesis: the Synthesizer protocol, Piper, Coqui, and the text made ready for them.

A reply goes `speakable` (numbers, units and shorthand as words, the same for every engine), then
`clauses` (the first one short, so that the first sound comes early), then through the engine.
"""

from __future__ import annotations

import json
import logging
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Protocol

import numpy as np
from num2words import num2words

from voicemed.audio import AudioChunk, Samples
from voicemed.config import SpeechSettings
from voicemed.errors import EngineError, ModelDamaged, ModelMissing


class Synthesizer(Protocol):
    """A voice. Weights are loaded once."""

    name: str
    "For the screen: engine and voice."
    sample_rate: int
    "Hz."

    def synthesize(self, text: str) -> Iterator[AudioChunk]:
        """The spoken text, a chunk for each clause, so that the first sound comes early.

        `start` of a chunk counts from the first sample of this text. Text without a letter or digit
        yields nothing.
        """
        ...


class Piper:
    """A Piper voice (VITS as ONNX, phonemes by espeak-ng) on one CPU thread.

    One thread, so that speaking does not starve recognition; a second one makes it no faster.
    """

    def __init__(self, folder: Path, rate: float = 1.0) -> None:
        """Load the one voice (NAME.onnx, NAME.onnx.json) in a folder.

        `rate` is relative to the voice's own, 0.5 to 2. Raises EngineError if the piper-tts package
        does not import, ModelMissing if there is no voice in the folder, ModelDamaged if it cannot
        be read.
        """
        try:
            import onnxruntime
            from piper import PiperVoice, SynthesisConfig
            from piper.config import PiperConfig
        except ImportError as error:
            raise EngineError(
                f"speech.engine piper does not import ({error}): run `pip install piper-tts`"
            ) from error
        # At DEBUG piper logs the text that it speaks, which here is patient data.
        logging.getLogger("piper").setLevel(logging.INFO)

        model = next(iter(sorted(folder.glob("*.onnx"))), None)
        if model is None:
            raise ModelMissing(
                f"{folder}: no Piper voice (*.onnx) there: run `voicemed models pull`, or set "
                "speech.model"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        try:
            config = PiperConfig.from_dict(json.loads(Path(f"{model}.json").read_text("utf-8")))
            session = onnxruntime.InferenceSession(
                str(model), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except FileNotFoundError as error:
            raise ModelMissing(
                f"{model}.json: missing beside the voice: run `voicemed models pull`"
            ) from error
        except Exception as error:  # onnxruntime's exceptions share no base; json and keys besides
            raise ModelDamaged(
                f"{model}: not a readable Piper voice ({type(error).__name__}): run "
                "`voicemed models pull`"
            ) from error
        self._voice = PiperVoice(session=session, config=config)
        self._style = SynthesisConfig(length_scale=config.length_scale / rate)
        self.name = f"Piper {model.stem}"
        self.sample_rate: int = config.sample_rate

    def synthesize(self, text: str) -> Iterator[AudioChunk]:
        """The spoken text, a chunk for each clause; EngineError if the voice fails."""
        return _chunks(text, self._speak, self.sample_rate, self.name)

    def _speak(self, clause: str) -> Samples:
        # "[[" would begin raw phonemes.
        sentences = self._voice.synthesize(clause.replace("[[", "["), self._style)
        return np.concatenate(
            [np.zeros(0, np.float32)] + [sentence.audio_float_array for sentence in sentences]
        )


class Coqui:
    """A Coqui voice with one speaker (VITS, Tacotron, ...), by coqui-tts and torch, on the CPU.

    Checkpoints are loaded with torch's `weights_only`, so a pickle in them can run nothing; a torch
    too old for that is refused.
    """

    def __init__(self, model: str | Path, rate: float = 1.0) -> None:
        """Load a checkpoint's folder (config.json, one *.pth), or a model by its Coqui name.

        A name ("tts_models/en/ljspeech/vits") that Coqui does not have on this machine yet is
        downloaded by Coqui itself, from its own servers, unverified by voicemed. `rate` is relative
        to the voice's own, 0.5 to 2, and other than 1 for VITS only. Raises EngineError if the
        extra is not installed, ModelMissing if there is no such model or no network, ModelDamaged
        if it cannot be read.
        """
        try:
            from trainer.generic_utils import is_pytorch_at_least_2_4
            from TTS.api import TTS
            from TTS.utils.synthesizer import Synthesizer as CoquiSynthesizer
        except ImportError as error:
            raise EngineError(
                f"speech.engine coqui does not import ({error}): run `pip install voicemed[coqui]`"
            ) from error
        if not is_pytorch_at_least_2_4():  # older ones would unpickle whatever is in a checkpoint
            raise EngineError("speech.engine coqui needs torch 2.4 or newer: upgrade torch")
        # At INFO coqui-tts logs the text that it speaks, which here is patient data.
        logging.getLogger("TTS").setLevel(logging.WARNING)

        try:
            if Path(model).is_dir():
                checkpoint = _only_checkpoint(Path(model))
                self._coqui = CoquiSynthesizer(
                    tts_checkpoint=checkpoint, tts_config_path=checkpoint.with_name("config.json")
                )
            elif str(model).startswith("tts_models/"):
                self._coqui = TTS(str(model), progress_bar=True).synthesizer
            else:
                raise ModelMissing(
                    f"speech.model {model}: neither a folder nor a Coqui name (tts_models/...)"
                )
        except (ModelMissing, ModelDamaged):
            raise
        except OSError as error:
            raise ModelMissing(
                f"speech.model {model}: cannot be read or downloaded ({type(error).__name__}): "
                "name a checkpoint's folder, or connect to the network for Coqui's own download"
            ) from error
        except Exception as error:  # coqui-tts, torch's unpickler and their configs share no base
            raise ModelDamaged(
                f"speech.model {model}: not a Coqui voice that loads safely "
                f"({type(error).__name__}): choose another"
            ) from error
        if rate != 1.0 and not hasattr(self._coqui.tts_model, "length_scale"):
            raise EngineError(f"speech.rate: {model} speaks at its own rate only: set it to 1")
        if rate != 1.0:
            self._coqui.tts_model.length_scale /= rate
        self.name = f"Coqui {Path(model).name}"
        self.sample_rate = int(self._coqui.output_sample_rate)

    def synthesize(self, text: str) -> Iterator[AudioChunk]:
        """The spoken text, a chunk for each clause; EngineError if the voice fails."""
        return _chunks(text, self._speak, self.sample_rate, self.name)

    def _speak(self, clause: str) -> Samples:
        samples = np.asarray(self._coqui.tts(clause), np.float32)
        # It puts 10 000 zeros after each sentence, here after each clause.
        return np.clip(np.trim_zeros(samples, "b"), -1.0, 1.0)


def _only_checkpoint(folder: Path) -> Path:
    checkpoints = sorted(folder.glob("*.pth"))
    if len(checkpoints) != 1 or not (folder / "config.json").is_file():
        raise ModelMissing(
            f"{folder}: a Coqui checkpoint's folder holds config.json and one *.pth file: "
            f"found {len(checkpoints)} *.pth"
        )
    return checkpoints[0]


def create_synthesizer(settings: SpeechSettings) -> Synthesizer:
    """The voice that the settings name; ModelError or EngineError says what is missing."""
    return _ENGINES[settings.engine](settings)


def _piper(settings: SpeechSettings) -> Synthesizer:
    from voicemed.weights import locate

    return Piper(locate(settings.model), settings.rate)


_ENGINES: Mapping[str, Callable[[SpeechSettings], Synthesizer]] = {
    "piper": _piper,
    "coqui": lambda settings: Coqui(settings.model, settings.rate),
}


def _chunks(
    text: str, speak: Callable[[str], Samples], sample_rate: int, name: str
) -> Iterator[AudioChunk]:
    start = 0.0
    for clause in clauses(speakable(text)):
        if not any(map(str.isalnum, clause)):
            continue
        try:
            samples = speak(clause)
        except Exception as error:  # whatever an engine raises; its message may quote the text
            raise EngineError(
                f"{name} failed to speak ({type(error).__name__}): run `voicemed check`"
            ) from None
        if len(samples):
            yield AudioChunk(samples, sample_rate, start)
            start += len(samples) / sample_rate


# --- clauses -------------------------------------------------------------------------------------

_FIRST_CLAUSE = 40
"Characters; about 2.5 s of speech, which Piper makes in 0.15 s."
_CLAUSE = 120
"Characters up to which clauses are joined, for the sake of a natural melody."
_ABBREVIATION = re.compile(
    r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof|St|approx|vs|e\.g|i\.e|etc|[A-Za-z])\.|\d,)$", re.IGNORECASE
)


def clauses(text: str) -> list[str]:
    """Cut text where a speaker would breathe: after . ! ? ; : and commas, never inside a number.

    The first clause is short where the text allows it. Joined by spaces the clauses are the text
    again (runs of white space become one space).
    """
    pieces: list[str] = []
    for word in text.split():
        if pieces and not _is_end(pieces[-1]):
            pieces[-1] += f" {word}"
        else:
            pieces.append(word)
    if pieces and len(pieces[0]) > _FIRST_CLAUSE:
        pieces[:1] = _before_conjunction(pieces[0])
    joined: list[str] = []
    for index, piece in enumerate(pieces):
        if index > 1 and len(joined[-1]) + len(piece) < _CLAUSE:
            joined[-1] += f" {piece}"
        else:
            joined.append(piece)
    return joined


def _is_end(piece: str) -> bool:
    return piece[-1] in ".!?;:,…" and not _ABBREVIATION.search(piece)


def _before_conjunction(piece: str) -> list[str]:
    """Cut a long clause before a conjunction that is at least three words in, if it has one."""
    cut = re.match(r"(\S+ \S+ \S+.*?) ((?:and|but|or|because|which|since|when|with|for) .+)", piece)
    return list(cut.groups()) if cut else [piece]


# --- numbers, units and shorthand ----------------------------------------------------------------


def speakable(text: str) -> str:
    """Numbers, units and medical shorthand as words, the way a doctor would say them.

    "5 mg bd" becomes "five milligrams twice a day". What can be read in more than one way is read
    as written and never interpreted: 03/04/2026 says "zero three slash zero four slash twenty
    twenty-six", numbers of more than six digits and with leading zeros go digit by digit. The
    result holds no digit, and is left as it is when given again. Forms: data/spoken_forms.toml.
    """
    forms = _spoken_forms()
    text = text.encode("utf-8", "ignore").decode("utf-8")  # lone surrogates
    text = _ascii_digits(text)
    for pattern, spoken in _SIGNS:
        text = pattern.sub(spoken, text)
    text = forms.name_with_digit.sub(lambda match: forms.names[match[0]], text)
    text = forms.quantity.sub(_quantity, text)
    text = forms.name.sub(lambda match: forms.names[match[0]], text)
    text = forms.bare_unit.sub(_bare_unit, text)
    text = forms.dosing.sub(lambda match: forms.dosings[_undotted(match[0])], text)
    text = forms.dosing_after_dose.sub(lambda match: forms.dosings[_undotted(match[0])], text)
    text = re.sub(r"(?<!\S)\?(?=\w)", "query ", text)
    return " ".join(text.split())


class _SpokenForms:
    """data/spoken_forms.toml, and the patterns that find its entries."""

    def __init__(self) -> None:
        table = tomllib.loads(
            (resources.files("voicemed.data") / "spoken_forms.toml").read_text("utf-8")
        )
        self.units: dict[str, list[str]] = table["units"] | table["units_after_number"]
        self.names: dict[str, str] = table["names"] | {
            name: " ".join(name) for name in table["letters"]["names"]
        }
        self.dosings: dict[str, str] = table["dosing"] | table["dosing_after_dose"]

        unit = _any_of(self.units)
        numbered = {name for name in self.names if re.search(r"\d", name)}
        self.name_with_digit = re.compile(rf"(?<!\w){_any_of(numbered)}(?!\w)")
        self.name = re.compile(rf"(?<!\w){_any_of(self.names.keys() - numbered)}(?!\w)")
        self.quantity = re.compile(
            rf"(?P<sign>(?<![\w)])[-−+])?(?P<chain>{_CHAIN})"
            rf"(?:(?P<ordinal>st|nd|rd|th)(?!\w)"
            rf"|(?P<unit>(?:\s?{unit}(?![^\W\d_]))?(?:\s?/\s?{unit}(?!\w))*)(?P<per>/(?=\d))?)"
        )
        self.bare_unit = re.compile(
            rf"(?<![\w/])(?P<unit>{_any_of(table['units'])}(?:/{unit})*)(?!\w)"
        )
        # b.d. and bd, BD and B.D., but not Bd.
        self.dosing = re.compile(_any_dosing(table["dosing"]))
        dose = sorted({form.split()[-1] for forms in table["units"].values() for form in forms})
        dose += ["gram", "grams", "unit", "units", "mouth", "needed", "I V", "I M"]
        dose += [f"{form}{s}" for form in ("tablet", "capsule", "puff", "drop") for s in ("", "s")]
        after = "|".join(rf"(?<=\b{word} )" for word in dose)
        self.dosing_after_dose = re.compile(f"(?:{after}){_any_dosing(table['dosing_after_dose'])}")


@cache
def _spoken_forms() -> _SpokenForms:
    return _SpokenForms()


def _any_of(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(re.escape(word) for word in sorted(words, key=len, reverse=True))})"


def _any_dosing(words: Iterable[str]) -> str:
    forms = [form for word in words for form in (word, word.upper())]
    dotted = [r"\.".join(form) + r"\." for form in forms]
    return rf"(?<![\w.])(?:{'|'.join(dotted + forms)})(?!\w)"


def _undotted(word: str) -> str:
    return word.replace(".", "").lower()


_FRACTIONS = {
    "1/2": "one half",
    "1/3": "one third",
    "2/3": "two thirds",
    "1/4": "one quarter",
    "3/4": "three quarters",
    "1/8": "one eighth",
}
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)*|(?<!\d)\.\d+"
_JOINT = r"(?:\s?[-–—]\s?|[,:/^])"
_CHAIN = (
    rf"\d+ (?:{'|'.join(_FRACTIONS)})(?![\d/])"
    rf"|(?:{_NUMBER})(?:{_JOINT}(?:{_NUMBER}))*"
)
"Numbers held together by signs: a date, a time, a range, a ratio, a fraction; or one number."
_SEPARATORS = {
    "-": "dash",
    "–": "dash",
    "—": "dash",
    ",": "comma",
    ":": "colon",
    "/": "slash",
    "^": "to the power of",
}
_SPOKEN_SIGN = {"-": "minus", "−": "minus", "+": "plus"}
_SIGNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[-=]+>|→"), " to "),
    (re.compile(r"\bq\s?(\d+(?:\s?[-–]\s?\d+)?)\s?(?:h|hrs?|hourly)\b"), r"every \1 h"),
    (re.compile(r"(?<!\w)[x×]\s?(?=\d)|(?<=\d)\s?[x×]\s?(?=\d)"), " times "),
    (re.compile(r"(?:>=|≥)\s?(?=[.\d])"), " at least "),
    (re.compile(r"(?:<=|≤)\s?(?=[.\d])"), " at most "),
    (re.compile(r"<\s?(?=[.\d])"), " less than "),
    (re.compile(r">\s?(?=[.\d])"), " more than "),
    (re.compile(r"[~≈]\s?(?=[.\d])"), " about "),
    (re.compile(r"±\s?(?=[.\d])"), " plus or minus "),
    (re.compile(r"=\s?(?=[-−+.\d])"), " equals "),
)
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_BEFORE_YEAR = re.compile(
    rf"\b(?:in|since|from|until|by|year|(?:{'|'.join(_MONTHS)})(?: \d{{1,2}},)?) $", re.IGNORECASE
)


def _ascii_digits(text: str) -> str:
    """Digits of other scripts as 0 to 9; 10⁹ as 10^9, m² as m2, SpO₂ as SpO2, 1½ as 1 1/2."""
    written: list[str] = []
    raised = False
    for char in text:
        decomposed = unicodedata.decomposition(char)
        if decomposed.startswith("<fraction>") and "2044" in decomposed:
            glyphs = unicodedata.normalize("NFKC", char).replace("⁄", "/")
            written.append(f" {glyphs}" if written and written[-1][-1].isdigit() else glyphs)
        elif char.isdigit() and not char.isascii():
            power = decomposed.startswith("<super>") and not raised
            after_digit = bool(written) and written[-1][-1].isdigit()
            sign = "^" if power and after_digit else ""
            written.append(f"{sign}{unicodedata.digit(char)}")
        else:
            written.append(char)
        raised = decomposed.startswith("<super>")
    return "".join(written)


def _quantity(match: re.Match[str]) -> str:
    """A chain of numbers with its sign, its unit or its ordinal ending."""
    chain, units = match["chain"], match["unit"] or ""
    words = [_SPOKEN_SIGN[match["sign"]]] if match["sign"] else []
    if match["ordinal"] and chain.isdecimal() and len(chain) <= 6:
        words.append(_words(int(chain), "ordinal"))
    elif match["ordinal"]:
        words += [_chain(chain), match["ordinal"]]
    elif units.strip() in ("am", "pm", "AM", "PM") and chain.endswith(":00"):
        words += [_number(chain.removesuffix(":00")), _units(units, one=True)]
    elif not units and _is_year(match):
        words.append(_words(int(chain), "year"))
    else:
        words += [_chain(chain), _units(units, one=chain == "1" or chain in _FRACTIONS)]
    if match["per"]:
        words.append("per ")
    spoken = " ".join(filter(None, words))
    before, after = match.string[: match.start()], match.string[match.end() :]
    return " " * before[-1:].isalnum() + spoken + " " * after[:1].isalnum()


def _bare_unit(match: re.Match[str]) -> str:
    before = match.string[: match.start()]
    return _units(match["unit"], one=bool(re.search(r"(?:^|\s)one $", before)))


def _units(written: str, *, one: bool) -> str:
    """ "mg/kg/day" as "milligrams per kilogram per day"; y/o is one unit, not two."""
    units = _spoken_forms().units
    parts = [written.strip()] if written.strip() in units else re.split(r"\s?/\s?", written)
    first, *rest = (part.strip() for part in parts)
    spoken = [units[first][0 if one else 1]] if first else []
    return " ".join(spoken + [f"per {units[part][0]}" for part in rest])


def _is_year(match: re.Match[str]) -> bool:
    chain, before = match["chain"], match.string[: match.start()]
    return bool(re.fullmatch(r"(?:19|20)\d\d", chain) and _BEFORE_YEAR.search(before))


def _chain(chain: str) -> str:
    """Numbers held together by signs, interpreted only where there is one way to read them."""
    if chain in _FRACTIONS:
        return _FRACTIONS[chain]
    if mixed := re.fullmatch(r"(\d+) (\d/\d)", chain):
        return f"{_number(mixed[1])} and {_FRACTIONS[mixed[2]].replace('one half', 'a half')}"
    if (spoken := _date(chain)) or (spoken := _time(chain)):
        return spoken
    numbers, joints = [], []
    for number, joint in re.findall(rf"({_NUMBER})({_JOINT}?)", chain):
        numbers.append(number)
        joints += [_SEPARATORS[joint.strip()]] if joint else []
    if len(numbers) == 2 and all(number.count(".") <= 1 for number in numbers):
        low, high = (float(number.replace(",", "")) for number in numbers)
        if joints == ["dash"] and low < high:
            joints = ["to"]
        elif joints == ["slash"]:
            joints = ["out of" if numbers[1] == "10" and low <= high else "over"]
        elif joints == ["colon"]:
            joints = ["to"]
    words = [_number(numbers[0])]
    for joint, number in zip(joints, numbers[1:], strict=True):
        words += [joint, _number(number)]
    return " ".join(words)


def _date(chain: str) -> str:
    """A date that reads one way only, or a slashed one as read; empty if it is no date."""
    if iso := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", chain):
        year, month, day = map(int, iso.groups())
    elif slashed := re.fullmatch(r"(\d\d?)/(\d\d?)/((?:19|20)\d\d)", chain):
        first, second, year = map(int, slashed.groups())
        if first <= 12 and second <= 12 and first != second:
            return f"{_number(slashed[1])} slash {_number(slashed[2])} slash {_words(year, 'year')}"
        day, month = (first, second) if second <= 12 else (second, first)
    else:
        return ""
    try:
        date(year, month, day)
    except ValueError:
        return ""
    return f"the {_words(day, 'ordinal')} of {_MONTHS[month - 1]} {_words(year, 'year')}"


def _time(chain: str) -> str:
    """14:30 as "fourteen thirty", 08:05 as "eight oh five"; empty if it is no time of day."""
    clock = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", chain)
    if not clock:
        return ""
    hour, minute = int(clock[1]), int(clock[2])
    if minute == 0:
        return f"{_words(hour)} hundred"
    return f"{_words(hour)} {'oh ' if minute < 10 else ''}{_words(minute)}"


def _number(number: str) -> str:
    """ "1,500.05" as "one thousand five hundred point zero five"."""
    whole, *decimals = number.split(".")
    digits = whole.replace(",", "") or "0"
    if (len(digits) > 1 and digits.startswith("0")) or ("," not in whole and len(digits) > 6):
        words = [_words(int(digit)) for digit in digits]
    else:
        words = [_words(int(digits))]
    for part in decimals:
        words += ["point", *(_words(int(digit)) for digit in part)]
    return " ".join(words)


def _words(number: int, to: str = "cardinal") -> str:
    # num2words puts a comma after the thousands, which would make a pause inside the number.
    return str(num2words(number, to=to)).replace(",", "")
