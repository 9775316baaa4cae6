"""Makes the samples in this folder from scripts.toml: sound, expected text, expected findings.

    python audio_samples/make_samples.py [NAME...]

Speaks with the Piper voice joe (`voicemed models pull piper-en-us-joe`). The doctor is joe himself;
the patient is joe spoken slower and played faster, so that pitch and formants rise together. All
noise is seeded and the voice's own randomness switched off, so that the same versions of Piper and
onnxruntime make the same files again.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import soxr
from numpy.typing import NDArray
from piper import PiperVoice, SynthesisConfig

from voicemed.audio import SAMPLE_RATE, Samples, Seconds, WavWriter
from voicemed.weights import locate

FOLDER = Path(__file__).parent
TELEPHONE_RATE = 8_000
"Hz."
PITCH: Mapping[str, float] = {"doctor": 1.0, "patient": 1.3}
"Relative to joe's."
PAUSE: Seconds = 0.5
"After a line that names none."
SPEECH_DBFS = -20.0
"RMS of each line."
HISS_DBFS = -65.0


class Speaker:
    """Says lines in the voice of doctor or patient."""

    def __init__(self) -> None:
        self._voice = PiperVoice.load(next(locate("piper-en-us-joe").glob("*.onnx")))

    def say(self, text: str, who: str) -> Samples:
        """The spoken line at 16 kHz, at the same level whoever says it."""
        pitch = PITCH[who]
        style = SynthesisConfig(length_scale=pitch, noise_scale=0.0, noise_w_scale=0.0)
        chunks = list(self._voice.synthesize(text, style))
        spoken = np.concatenate([chunk.audio_float_array for chunk in chunks])
        return at_level(
            soxr.resample(spoken, chunks[0].sample_rate * pitch, SAMPLE_RATE), SPEECH_DBFS
        )


def main() -> None:
    """Make the samples that are named, or all."""
    scripts = tomllib.loads((FOLDER / "scripts.toml").read_text(encoding="utf-8"))
    speaker = Speaker()
    for name in sys.argv[1:] or scripts:
        make_sound(FOLDER / f"{name}.wav", scripts[name], speaker)
        (FOLDER / f"{name}.txt").write_text(expected_text(scripts[name]), encoding="utf-8")
        findings = expected_findings(scripts[name])
        (FOLDER / f"{name}.findings.jsonl").write_text(findings, encoding="utf-8")


def expected_text(script: Mapping[str, Any]) -> str:
    """A line for each turn."""
    return "".join(f"{line.get('writes', line['says'])}\n" for line in script["lines"])


def expected_findings(script: Mapping[str, Any]) -> str:
    """A JSON object a line."""
    patient = {"experiencer": "patient"}
    return "".join(f"{json.dumps(patient | finding)}\n" for finding in script["findings"])


def make_sound(path: Path, script: Mapping[str, Any], speaker: Speaker) -> None:
    """Speak a script, or make what it has instead of speech, and write the WAV."""
    rng = np.random.default_rng(0)
    match script["sound"]:
        case "room":
            doctor, patient = tracks(script["lines"], speaker)
            write_wav(path, doctor + patient + noise(len(doctor), HISS_DBFS, rng))
        case "telephone":
            write_call(path, [by_line(track, rng) for track in tracks(script["lines"], speaker)])
        case "silence":
            half = 5 * SAMPLE_RATE
            write_wav(path, np.concatenate([np.zeros(half), noise(half, HISS_DBFS, rng)]))
        case "machines":
            write_wav(path, machines(12 * SAMPLE_RATE, rng))
        case other:
            raise ValueError(f"{path.stem}: unknown sound {other!r}")


def tracks(lines: Sequence[Mapping[str, Any]], speaker: Speaker) -> tuple[Samples, Samples]:
    """The doctor's and the patient's voice, each silent while the other speaks."""
    spoken = [speaker.say(line["says"], line["who"]) for line in lines]
    starts = [round(PAUSE * SAMPLE_RATE)]
    for line, samples in zip(lines, spoken, strict=True):
        pause = round(line.get("pause", PAUSE) * SAMPLE_RATE)
        starts.append(starts[-1] + len(samples) + pause)
    both = {who: np.zeros(starts[-1], np.float32) for who in PITCH}
    for line, start, samples in zip(lines, starts, spoken, strict=False):
        both[line["who"]][start : start + len(samples)] = samples
    return both["doctor"], both["patient"]


def by_line(track: Samples, rng: np.random.Generator) -> Samples:
    """As a telephone line delivers it: 8 kHz, 300 to 3400 Hz, with mains hum and noise."""
    narrow = soxr.resample(track, SAMPLE_RATE, TELEPHONE_RATE)
    narrow = band(narrow, TELEPHONE_RATE, 300, 3400)
    return narrow + hum(len(narrow), TELEPHONE_RATE, -45.0) + noise(len(narrow), -50.0, rng)


def machines(size: int, rng: np.random.Generator) -> Samples:
    """Mains hum, a fan, and now and then something hard put down."""
    sound = hum(size, SAMPLE_RATE, -35.0)
    sound += at_level(band(noise(size, 0.0, rng), SAMPLE_RATE, 80, 900), -38.0)
    for start in rng.integers(0, size - SAMPLE_RATE, 14):
        seconds = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
        pitch, decay = rng.uniform(700, 4000), rng.uniform(15, 60)
        clink = np.sin(2 * np.pi * pitch * seconds) + 0.5 * rng.standard_normal(len(seconds))
        loudness = 10 ** (rng.uniform(-25, -10) / 20)
        sound[start : start + len(seconds)] += loudness * clink * np.exp(-decay * seconds)
    return sound


def noise(size: int, dbfs: float, rng: np.random.Generator) -> Samples:
    """White noise."""
    return at_level(rng.standard_normal(size), dbfs)


def hum(size: int, sample_rate: int, dbfs: float) -> Samples:
    """Of 50 Hz mains, with its odd harmonics."""
    phase = 2 * np.pi * 50 * np.arange(size) / sample_rate
    return at_level(np.sin(phase) + np.sin(3 * phase) / 3 + np.sin(5 * phase) / 5, dbfs)


def band(samples: Samples, sample_rate: int, low: float, high: float) -> Samples:
    """The frequencies from `low` to `high` Hz, falling off by 12 dB an octave beside them.

    The magnitude of second-order Butterworth filters, without their phase.
    """
    frequencies = np.fft.rfftfreq(len(samples), 1 / sample_rate)
    frequencies[0] = frequencies[1] / 2
    gain = 1 / np.sqrt((1 + (low / frequencies) ** 4) * (1 + (frequencies / high) ** 4))
    filtered: Samples = np.fft.irfft(np.fft.rfft(samples) * gain, len(samples)).astype(np.float32)
    return filtered


def at_level(samples: NDArray[np.floating[Any]], dbfs: float) -> Samples:
    """The same sound at an RMS level in dB relative to full scale."""
    gain = 10 ** (dbfs / 20) / np.sqrt(np.mean(np.square(samples)))
    scaled: Samples = (samples * gain).astype(np.float32)
    return scaled


def write_wav(path: Path, samples: Samples) -> None:
    """16-bit mono PCM at 16 kHz."""
    with WavWriter(path) as wav:
        wav.write(samples)


def write_call(path: Path, channels: Sequence[Samples]) -> None:
    """8-bit µ-law at 8 kHz, a speaker to a channel, as telephone systems record."""
    pcm = np.rint(np.clip(np.stack(channels, axis=1), -1.0, 1.0) * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="stereo")
    frame.sample_rate = TELEPHONE_RATE
    with av.open(str(path), "w", format="wav", options={"fflags": "+bitexact"}) as wav:
        stream = wav.add_stream("pcm_mulaw", rate=TELEPHONE_RATE, layout="stereo")
        wav.mux(stream.encode(frame))
        wav.mux(stream.encode(None))


if __name__ == "__main__":
    main()
