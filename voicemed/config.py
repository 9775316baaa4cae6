"""Settings: frozen dataclasses, read from voicemed.toml.

Each section of the file is one dataclass here, each key a field; the string under a field is its
documentation, its annotation says what values it takes. docs/voicemed.toml shows every key with
its default.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from voicemed.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that a setting takes, both ends included."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """The text that a setting takes."""

    regex: str
    "Matches the whole value."
    meaning: str
    "What the regex says, for the message of an error."


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """[audio]: the microphone and the loudspeaker."""

    input_device: str = ""
    "Microphone by number or by part of its name (`voicemed devices`); empty: the system's default."
    output_device: str = ""
    "Loudspeaker, likewise."


@dataclass(frozen=True, slots=True)
class EndpointingSettings:
    """[endpointing]: where an utterance begins and ends."""

    vad: Literal["silero", "webrtc"] = "silero"
    "Speech detector: silero (accurate) or webrtc (cheap)."
    threshold: Annotated[float, Range(0, 1)] = 0.5
    "Speech probability above which a window counts as speech, 0 to 1."
    pre_roll: Annotated[float, Range(0, 2)] = 0.3
    "Seconds of sound kept from before the detected start, so that first words are not cut."
    min_speech: Annotated[float, Range(0, 2)] = 0.1
    "Seconds of speech below which a noise is not taken for an utterance."
    pause: Annotated[float, Range(0.05, 5)] = 0.2
    "Seconds of silence after which the final text is worked out, in case that this is the end."
    end_silence: Annotated[float, Range(0.1, 5)] = 0.44
    "Seconds of silence that end an utterance."
    max_utterance: Annotated[float, Range(3, 29)] = 15.0
    "Seconds; a longer utterance is cut at its quietest point. At most 29."


@dataclass(frozen=True, slots=True)
class RecognitionSettings:
    """[recognition]: speech to text."""

    engine: Literal["auto", "ct2", "torch"] = "auto"
    "auto takes torch where it sees a GPU, else CTranslate2."
    model: Annotated[str, Pattern(r".*\S.*", "a model's name or folder")] = "whisper-base"
    "A name of `voicemed models list`, or a folder with a CTranslate2 Whisper."
    device: Literal["auto", "cpu", "cuda"] = "auto"
    "Where it runs."
    language: Annotated[str, Pattern("auto|[a-z]{2,3}", "a code such as en, or auto")] = "en"
    "ISO 639-1 code, or auto to detect it for each utterance."
    vocabulary: str = ""
    "Names and medical terms to favour, e.g. of drugs, separated by commas."
    threads: Annotated[int, Range(0, 256)] = 0
    "CPU threads; 0 takes one for each core."


@dataclass(frozen=True, slots=True)
class ExtractionSettings:
    """[extraction]: what is found in the words."""

    heads: str = ""
    "File of a symptom classifier by `voicemed train`; empty: the one that comes with voicemed."


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """[speech]: the assistant's voice."""

    engine: Literal["piper", "coqui"] = "piper"
    "coqui needs the extra `coqui`."
    model: Annotated[str, Pattern(r".*\S.*", "a voice's name or folder")] = "piper-en-us-joe"
    "A name of `voicemed models list`; for coqui a Coqui model name or a checkpoint's folder."
    rate: Annotated[float, Range(0.5, 2)] = 1.0
    "Speaking rate relative to the voice's own, 0.5 to 2."


@dataclass(frozen=True, slots=True)
class DialogSettings:
    """[dialog]: when the assistant answers."""

    wake_word: Annotated[str, Pattern(r"\w[\w' -]*", "a word or two")] = "assistant"
    "The word that addresses the assistant at the start of a sentence."


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """[store]: the encrypted record of encounters (`voicemed init` makes one)."""

    folder: str = ""
    "Where it is; empty: in the user's folder for data."
    clinician: str = ""
    "Whose encounters these are, for the record and the audit log; empty: the user's name."
    keyring: bool = False
    "Keep the master key in the keyring of the operating system, to open the record without asking."
    lock_after: Annotated[float, Range(0, 86_400)] = 300.0
    "Seconds without a key or speech after which a session or the record hides text; 0 never does."
    audio_days: Annotated[int, Range(0, 36_500)] = 30
    "Days after which the sound of an encounter is destroyed; 0 keeps it."
    text_days: Annotated[int, Range(0, 36_500)] = 0
    "Days after which all of an encounter is destroyed; 0 keeps it."
    until_exported: bool = False
    "Destroy all of an encounter once it has been exported, when the record is next opened."
    consent: Literal["ask", "elsewhere"] = "ask"
    "ask for it before anything is recorded; elsewhere: the practice asks, and keeps the answer."
    warn_free: Annotated[int, Range(0, 1_000_000)] = 500
    "Megabytes of free disk below which a session warns."


@dataclass(frozen=True, slots=True)
class Settings:
    """All of voicemed.toml."""

    audio: AudioSettings = field(default_factory=AudioSettings)
    endpointing: EndpointingSettings = field(default_factory=EndpointingSettings)
    recognition: RecognitionSettings = field(default_factory=RecognitionSettings)
    extraction: ExtractionSettings = field(default_factory=ExtractionSettings)
    speech: SpeechSettings = field(default_factory=SpeechSettings)
    dialog: DialogSettings = field(default_factory=DialogSettings)
    store: StoreSettings = field(default_factory=StoreSettings)


def default_path() -> Path:
    """Where voicemed.toml is looked for: $XDG_CONFIG_HOME/voicemed on Linux, likewise elsewhere."""
    import platformdirs

    return platformdirs.user_config_path("voicemed", appauthor=False) / "voicemed.toml"


def store_folder(settings: StoreSettings) -> Path:
    """Where the encrypted encounters are: the configured folder, or that of the user's data."""
    import platformdirs

    if settings.folder:
        return Path(settings.folder).expanduser()
    return platformdirs.user_data_path("voicemed", appauthor=False) / "store"


def clinician_of(settings: StoreSettings) -> str:
    """Who records: the configured clinician, otherwise the user of the operating system."""
    import getpass

    if settings.clinician:
        return settings.clinician
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown user"


def load(path: Path | None = None) -> Settings:
    """The settings of a file, checked.

    Args:
        path: The file; None takes the one at `default_path`, or the defaults if there is none.

    Raises:
        ConfigError: The file cannot be read, is not TOML, or holds an unknown section, an unknown
            key or a value that its key does not take.
    """
    file = default_path() if path is None else path
    try:
        # utf-8-sig: Notepad writes a byte order mark, which TOML does not allow.
        document = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        if path is None:
            return Settings()
        raise ConfigError(f"{file}: no such settings file") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 text; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error
    return _merge(Settings(), document, origin=str(file))


def override(settings: Settings, values: Mapping[str, object]) -> Settings:
    """Settings with some replaced from the command line, checked like those of a file.

    Args:
        settings: What to start from.
        values: Such as {"recognition.language": "de"}; None leaves a setting as it is.

    Raises:
        ConfigError: A value that its key does not take.
    """
    document: dict[str, dict[str, object]] = {}
    for name, value in values.items():
        if value is not None:
            section, key = name.split(".")
            document.setdefault(section, {})[key] = value
    return _merge(settings, document, origin="command line")


def _merge(settings: Settings, document: Mapping[str, object], *, origin: str) -> Settings:
    """Settings with those that the document names replaced."""
    for section, table in document.items():
        if section not in (names := _names(settings)):
            raise ConfigError(f"{origin}: {_unknown_section(section, names)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{origin}: {section} is a section: write [{section}] and its keys")
        current = getattr(settings, section)
        hints = get_type_hints(type(current), include_extras=True)
        for key, value in table.items():
            if key not in hints:
                nearest = _nearest(key, hints)
                raise ConfigError(f"{origin}: unknown key {section}.{key}; {nearest}")
            checked = _checked(hints[key], value, where=f"{origin}: {section}.{key}")
            current = replace(current, **{key: checked})
        settings = replace(settings, **{section: current})
    _check_silences(settings.endpointing, origin=origin)
    return settings


_KINDS = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def _checked(hint: Any, value: object, *, where: str) -> object:
    """The value, if the annotation of its field takes it; an integer becomes a float if needed."""
    constraint: object = None
    if get_origin(hint) is Annotated:
        hint, constraint = get_args(hint)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            allowed = ", ".join(get_args(hint))
            raise ConfigError(f"{where} is {value!r}; it can be one of: {allowed}")
        return value
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:  # not isinstance: true is no number
        kind = _KINDS[hint]
        raise ConfigError(f"{where} is {value!r}; it must be {kind}")
    match constraint:
        case Range(low, high) if not low <= value <= high:  # type: ignore[operator]
            raise ConfigError(f"{where} is {value}; it must be from {low} to {high}")
        case Pattern(regex, meaning) if not re.fullmatch(regex, str(value)):
            raise ConfigError(f"{where} is {value!r}; it must be {meaning}")
    return value


def _check_silences(endpointing: EndpointingSettings, *, origin: str) -> None:
    """The final text cannot be begun after the utterance has ended."""
    if endpointing.pause > endpointing.end_silence:
        raise ConfigError(
            f"{origin}: endpointing.pause is {endpointing.pause}; "
            f"it must not exceed endpointing.end_silence, {endpointing.end_silence}"
        )


def _unknown_section(section: str, sections: Iterable[str]) -> str:
    """What to say of a name that is no section: perhaps it is a key without its section."""
    defaults = Settings()
    owners = [name for name in sections if section in _names(getattr(defaults, name))]
    if owners:
        return f"{section} stands outside of a section; it belongs in [{'] or ['.join(owners)}]"
    return f"unknown section [{section}]; {_nearest(section, sections)}"


def _names(section: Any) -> list[str]:
    """The field names of a dataclass instance."""
    return [item.name for item in fields(section)]


def _nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not known: the nearest one, or all if none is near."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
