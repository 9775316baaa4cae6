"""What works on this machine: the probes of `voicemed check`.

Each probe tries the real thing (opens the microphone, reads every byte of the models, loads the
engines), since a list of installed packages does not tell whether a session will run.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voicemed import config
from voicemed.audio import SILENCE_DBFS, AudioChunk, Samples, Seconds, level_dbfs
from voicemed.config import Settings
from voicemed.errors import ConfigError, VoicemedError
from voicemed.microphone import Source

if TYPE_CHECKING:
    from voicemed.keyfile import KeyFile

LISTEN: Seconds = 1.0
"How long the microphone is listened to."
QUIET = -60.0
"dBFS; the noise of a room gives a working microphone more than that."
LITTLE_SPACE = 1_000_000_000
"Free bytes below which a warning is due; the default models take a quarter of it."


class State(StrEnum):
    """Of one thing that was tried."""

    OK = "ok"
    NONE = "none"
    "Not there, and not needed."
    WARNING = "warning"
    "A part of voicemed does not work here; recordings can be transcribed."
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came out of one probe."""

    name: str
    state: State
    detail: str
    remedy: str = ""
    "The command or step that mends it; empty where nothing is to be done or `detail` says it."


def probes(path: Path | None = None) -> Iterator[CheckResult]:
    """Try everything, one thing after the other.

    Args:
        path: The settings file, if not the usual one.

    A VoicemedError of a probe becomes its result.
    """
    yield _python()
    try:
        settings = config.load(path)
    except ConfigError as error:
        yield CheckResult("settings", State.FAILED, str(error))
        settings = Settings()
    else:
        yield _settings_file(path)
    yield _tried("microphone", State.WARNING, _microphone, settings)
    yield _tried("loudspeaker", State.WARNING, _loudspeaker, settings)
    yield from _models(settings)
    yield _tried("recognition", State.FAILED, _recognition, settings)
    yield _tried("voice", State.WARNING, _voice, settings)
    yield _gpu()
    yield _tried("store", State.FAILED, _store, settings)
    yield _disk()


def _tried(
    name: str, otherwise: State, probe: Callable[[Settings], CheckResult], settings: Settings
) -> CheckResult:
    """The probe's result; an error's message says what is wrong and what mends it."""
    try:
        return probe(settings)
    except VoicemedError as error:
        return CheckResult(name, otherwise, str(error))


def _python() -> CheckResult:
    cores = os.cpu_count() or 1
    detail = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    return CheckResult("Python", State.OK, f"{detail}, {cores} core{'s' if cores > 1 else ''}")


def _settings_file(path: Path | None) -> CheckResult:
    file = path or config.default_path()
    if file.exists():
        return CheckResult("settings", State.OK, str(file))
    return CheckResult("settings", State.NONE, f"defaults; to change them, write {file}")


def _microphone(settings: Settings) -> CheckResult:
    from voicemed.microphone import Microphone

    microphone = Microphone(settings.audio.input_device)
    level = _level(microphone)
    detail = f"{microphone.name}: {level:.0f} dBFS"
    if level <= SILENCE_DBFS:
        detail = f"{microphone.name}: I can't hear anything"
        remedy = "unmute it, or choose another one of `voicemed devices`"
        return CheckResult("microphone", State.WARNING, detail, remedy)
    if level < QUIET:
        remedy = "turn it up in the system's sound settings"
        return CheckResult("microphone", State.WARNING, f"{detail}, very quiet", remedy)
    return CheckResult("microphone", State.OK, detail)


def _level(microphone: Source) -> float:
    """The RMS level of its first second in dBFS."""
    heard: list[Samples] = [np.zeros(0, np.float32)]
    for event in microphone.events():
        if isinstance(event, AudioChunk):
            heard.append(event.samples)
        if not isinstance(event, AudioChunk) or event.start >= LISTEN:
            microphone.close()
    return level_dbfs(np.concatenate(heard))


def _loudspeaker(settings: Settings) -> CheckResult:
    from voicemed.playback import create_sink

    with closing(create_sink("speaker", settings.audio.output_device)) as sink:
        return CheckResult("loudspeaker", State.OK, f"{sink.name} (try it: voicemed speak hello)")


def _models(settings: Settings) -> Iterator[CheckResult]:
    """Every byte of the default models, and of those that the settings name."""
    from voicemed import weights

    chosen = (settings.recognition.model, settings.speech.model)
    known = [status.model for status in weights.models()]
    names = [model.name for model in known if model.default or model.name in chosen]
    for status in weights.verify(names):
        name = status.model.name
        if status.state == "present":
            size = status.model.size / 1e6
            yield CheckResult("model", State.OK, f"{name}: {size:.0f} MB, every byte verified")
        else:
            needed = State.FAILED if status.model.kind == "asr" else State.WARNING
            remedy = f"voicemed models pull {name}"
            yield CheckResult("model", needed, f"{name}: {status.problem}", remedy)


def _recognition(settings: Settings) -> CheckResult:
    from voicemed.asr import create_recognizer

    recognizer = create_recognizer(settings.recognition)
    detail = f"{recognizer.name} on {recognizer.device}"
    return CheckResult("recognition", State.OK, detail)


def _voice(settings: Settings) -> CheckResult:
    from voicemed.tts import create_synthesizer

    synthesizer = create_synthesizer(settings.speech)
    next(synthesizer.synthesize("Ready."))
    return CheckResult("voice", State.OK, synthesizer.name)


def _gpu() -> CheckResult:
    from voicemed.whisper_torch import gpu_available

    if gpu_available():
        return CheckResult("GPU", State.OK, "torch sees one; recognition uses it")
    return CheckResult(
        "GPU",
        State.NONE,
        "recognition runs on the CPU (an NVIDIA GPU needs: pip install 'voicemed[gpu]')",
    )


def _store(settings: Settings) -> CheckResult:
    """The encrypted record, as far as it can be seen without its passphrase."""
    from voicemed import keyfile

    folder = config.store_folder(settings.store)
    if not keyfile.exists(folder):
        detail = "none: only the files that you ask for are kept (`voicemed init` makes one)"
        return CheckResult("store", State.NONE, detail)
    file = keyfile.load(folder)
    free = shutil.disk_usage(folder).free
    detail = f"{folder}: {free / 1e9:.0f} GB free, {_opens_with(settings, file)}"
    if open_to_others := _open_to_others(folder):
        detail = f"{folder}: other users may open {open_to_others} of its files and folders"
        return CheckResult(
            "store", State.WARNING, detail, f"chmod -R go= {shlex.quote(str(folder))}"
        )
    if free < settings.store.warn_free * 1e6:
        return CheckResult("store", State.WARNING, detail, "make room: sessions may not be kept")
    if settings.store.keyring and not keyfile.has_keyring():
        remedy = "set keyring = false in [store]"
        return CheckResult("store", State.WARNING, "no keyring that encrypts is here", remedy)
    return CheckResult("store", State.OK, detail)


def _opens_with(settings: Settings, file: KeyFile) -> str:
    from voicemed import crypto, keyfile

    if settings.store.keyring and (key := keyfile.remembered(file)):
        crypto.wipe(key)
        return "opens by the keyring"
    return "opens with the passphrase"


def _open_to_others(folder: Path) -> int:
    """How many of its files and folders are not the owner's alone."""
    if os.name != "posix":
        return 0  # the folder of a Windows user is theirs by inheritance
    places = [folder, *folder.rglob("*")]
    return sum(bool(place.stat().st_mode & 0o077) for place in places)


def _disk() -> CheckResult:
    from voicemed.weights import model_folder

    folder = model_folder()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1e9:.0f} GB free in {folder}"
    if free < LITTLE_SPACE:
        return CheckResult("disk", State.WARNING, detail, "make room, or set VOICEMED_MODELS")
    return CheckResult("disk", State.OK, detail)
