"""The settings file: what it takes, and what it says about what it does not take."""

from __future__ import annotations

import ast
import dataclasses
import tomllib
from pathlib import Path

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed import config
from voicemed.errors import ConfigError

DOCUMENTED = Path(__file__).parent.parent / "docs" / "voicemed.toml"
KEYS = [
    (section.name, key.name)
    for section in dataclasses.fields(config.Settings)
    for key in dataclasses.fields(getattr(config.Settings(), section.name))
]


def write(folder: Path, text: str) -> Path:
    path = folder / "voicemed.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    path = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def field_docs() -> dict[tuple[str, str], str]:
    """(dataclass, field) -> the string under the field."""
    docs = {}
    for node in ast.parse(Path(config.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            for before, after in zip(node.body, node.body[1:], strict=False):
                match before, after:
                    case (
                        ast.AnnAssign(target=ast.Name(id=key)),
                        ast.Expr(value=ast.Constant(value=str(text))),
                    ):
                        docs[node.name, key] = text
    return docs


def test_the_documented_file_is_the_defaults() -> None:
    assert config.load(DOCUMENTED) == config.Settings()


def test_the_documented_file_has_every_key_and_no_other() -> None:
    document = tomllib.loads(DOCUMENTED.read_text(encoding="utf-8"))
    assert [(section, key) for section, table in document.items() for key in table] == KEYS


@pytest.mark.parametrize(("section", "key"), KEYS, ids=".".join)
def test_the_documented_file_explains_each_key_as_the_code_does(section: str, key: str) -> None:
    lines = DOCUMENTED.read_text(encoding="utf-8").splitlines()
    at = lines.index(f"[{section}]")
    at = next(i for i in range(at, len(lines)) if lines[i].startswith(f"{key} = "))
    first = at
    while lines[first - 1].startswith("# "):
        first -= 1
    owner = type(getattr(config.Settings(), section)).__name__
    assert lines[first] == f"# {field_docs()[owner, key]}"


def test_no_default_file_means_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platformdirs, "user_config_path", lambda *args, **kwargs: tmp_path)
    assert config.load() == config.Settings()
    write(tmp_path, '[dialog]\nwake_word = "nurse"')
    assert config.load().dialog.wake_word == "nurse"


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such settings file"):
        config.load(tmp_path / "none.toml")


def test_a_file_changes_only_what_it_names(tmp_path: Path) -> None:
    settings = config.load(write(tmp_path, "[speech]\nrate = 2\n[endpointing]\nthreshold = 0.25"))
    assert settings.speech == config.SpeechSettings(rate=2.0)
    assert type(settings.speech.rate) is float
    assert settings.endpointing == config.EndpointingSettings(threshold=0.25)
    assert settings.recognition == config.RecognitionSettings()


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "voicemed.toml"
    path.write_bytes(b"\xef\xbb\xbf[speech]\r\nrate = 1.5\r\n")
    assert config.load(path).speech.rate == 1.5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[speach]\nrate = 1.0", "unknown section [speach]; did you mean speech?"),
        ("[recognition]\nlangauge = 'de'", "unknown key recognition.langauge; did you mean"),
        (
            "[zzz]",
            "unknown section [zzz]; known: audio, endpointing, recognition, extraction, speech, "
            "dialog",
        ),
        (
            "rate = 1.0",
            "rate stands outside of a section; it belongs in [speech]",
        ),
        (
            "model = 'x'",
            "model stands outside of a section; it belongs in [recognition] or [speech]",
        ),
        ("audio = 3", "audio is a section: write [audio] and its keys"),
        (
            "[endpointing]\nvad = 'silera'",
            "endpointing.vad is 'silera'; it can be one of: silero, webrtc",
        ),
        ("[endpointing]\nvad = ['silero']", "it can be one of: silero, webrtc"),
        ("[endpointing]\nthreshold = 1.5", "threshold is 1.5; it must be from 0 to 1"),
        ("[endpointing]\nthreshold = nan", "threshold is nan; it must be from 0 to 1"),
        ("[endpointing]\nthreshold = '0.5'", "it must be a number"),
        ("[endpointing]\nthreshold = true", "threshold is True; it must be a number"),
        ("[endpointing]\nmax_utterance = 30", "must be from 3 to 29"),
        ("[endpointing]\npause = 1", "endpointing.pause is 1.0; it must not exceed"),
        ("[recognition]\nthreads = 1.5", "threads is 1.5; it must be a whole number"),
        ("[recognition]\nthreads = -1", "must be from 0 to 256"),
        ("[recognition]\nlanguage = 'English'", "it must be a code such as en, or auto"),
        ("[recognition]\nmodel = ''", "it must be a model's name or folder"),
        ("[audio]\ninput_device = 3", "input_device is 3; it must be text in quotes"),
        ("[dialog]\nwake_word = ''", "wake_word is ''; it must be a word or two"),
        ("[audio", "not TOML: "),
    ],
)
def test_what_is_refused_and_what_is_said(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refusal(tmp_path, text)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "voicemed.toml"
    path.write_bytes(b"\xff\xfe[\x00")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        config.load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path)


def test_the_command_line_overrides_and_is_checked() -> None:
    settings = config.override(
        config.Settings(), {"recognition.language": "de", "recognition.model": None}
    )
    assert settings.recognition == config.RecognitionSettings(language="de")
    with pytest.raises(ConfigError, match=r"command line: recognition.language is 'German'"):
        config.override(settings, {"recognition.language": "German"})


toml_values = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(name=st.sampled_from(KEYS), value=toml_values)
def test_any_value_is_taken_as_it_is_or_refused_in_one_line(
    name: tuple[str, str], value: object
) -> None:
    section, key = name
    message = ""
    try:
        settings = config.override(config.Settings(), {f"{section}.{key}": value})
    except ConfigError as error:
        message = str(error)
    if message:
        assert f"{section}.{key}" in message
        assert "\n" not in message
    else:
        taken = getattr(getattr(settings, section), key)
        assert taken == value
        assert isinstance(taken, type(getattr(getattr(config.Settings(), section), key)))
