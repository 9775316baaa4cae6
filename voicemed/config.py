"""Settings: frozen dataclasses, read from voicemed.toml.

Each section of the file is one dataclass here, each key a field; the string under a field is its
documentation. docs/voicemed.toml shows every key with its default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


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
    threshold: float = 0.5
    "Speech probability above which a window counts as speech, 0 to 1."
    pre_roll: float = 0.3
    "Seconds of sound kept from before the detected start, so that first words are not cut."
    min_speech: float = 0.1
    "Seconds of speech below which a noise is not taken for an utterance."
    pause: float = 0.2
    "Seconds of silence after which the final text is worked out, in case that this is the end."
    end_silence: float = 0.5
    "Seconds of silence that end an utterance."
    max_utterance: float = 15.0
    "Seconds; a longer utterance is cut at its quietest point. At most 29."


@dataclass(frozen=True, slots=True)
class RecognitionSettings:
    """[recognition]: speech to text."""

    engine: Literal["auto", "ct2", "torch"] = "auto"
    "auto takes torch where it sees a GPU, else CTranslate2."
    model: str = "whisper-base"
    "A name of `voicemed models list`, or a folder with a CTranslate2 Whisper."
    device: Literal["auto", "cpu", "cuda"] = "auto"
    "Where it runs."
    language: str = "en"
    "ISO 639-1 code, or auto to detect it for each utterance."
    vocabulary: str = ""
    "Names and medical terms to favour, e.g. of drugs, separated by commas."
    threads: int = 0
    "CPU threads; 0 takes one for each core."


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """[speech]: the assistant's voice."""

    engine: Literal["piper", "coqui"] = "piper"
    "coqui needs the extra `coqui`."
    model: str = "piper-en-us-joe"
    "A name of `voicemed models list`; for coqui a Coqui model name or a checkpoint's folder."
    rate: float = 1.0
    "Speaking rate relative to the voice's own, 0.5 to 2."


@dataclass(frozen=True, slots=True)
class DialogSettings:
    """[dialog]: when the assistant answers."""

    wake_word: str = "assistant"
    "The word that addresses the assistant at the start of a sentence."


@dataclass(frozen=True, slots=True)
class Settings:
    """All of voicemed.toml."""

    audio: AudioSettings = field(default_factory=AudioSettings)
    endpointing: EndpointingSettings = field(default_factory=EndpointingSettings)
    recognition: RecognitionSettings = field(default_factory=RecognitionSettings)
    speech: SpeechSettings = field(default_factory=SpeechSettings)
    dialog: DialogSettings = field(default_factory=DialogSettings)
