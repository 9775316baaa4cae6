"""Whether the torch engine does here what the CPU engine does, and how fast: a table on stdout.

    python benchmarks/gpu_check.py [RECORDING…] [--model FOLDER] [--device auto|cuda|cpu]

Without a GPU it measures nothing unless told `--device cpu`; without recordings it takes those of
audio_samples. Each is resampled by torchaudio and cut into utterances, which both engines read. The
word error rate is that of the torch engine's text against the other's, after Whisper's English
normaliser: a few per cent come from the int8 and fp16 arithmetic, more is a fault.
Needs the extras `gpu` and `test`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import jiwer
from whisper_normalizer.english import EnglishTextNormalizer

from voicemed import audio, whisper_ct2, whisper_torch
from voicemed.asr import Decoder
from voicemed.audio import SAMPLE_RATE, Samples
from voicemed.config import EndpointingSettings
from voicemed.endpointing import Ended, Endpointer
from voicemed.vad import create_vad
from voicemed.weights import locate

SAMPLES = Path(__file__).parents[1] / "audio_samples"


def utterances(recording: Path, device: str) -> list[Samples]:
    """The speech in a recording, cut at pauses, at 16 kHz."""
    rate = audio.probe(recording).sample_rate
    samples = audio.read(recording, sample_rate=rate)
    if rate != SAMPLE_RATE:
        samples = whisper_torch.resample(samples, rate, SAMPLE_RATE, device)
    vad = create_vad("silero")
    endpointer = Endpointer(EndpointingSettings(max_utterance=29.0), vad.window)
    events = []
    for number, probability in enumerate(vad.probabilities(samples)):
        window = samples[number * vad.window : (number + 1) * vad.window]
        events += endpointer.push(window, float(probability))
    events += endpointer.flush()
    return [event.utterance.samples for event in events if isinstance(event, Ended)]


def timed(decoder: Decoder, batch: Sequence[Samples]) -> tuple[list[str], float]:
    """Each utterance's text, normalised, and the seconds that it took."""
    decoder.decode(batch[:1], language="en")  # compiles kernels
    begin = time.perf_counter()
    hypotheses = decoder.decode(batch, language="en")
    taken = time.perf_counter() - begin
    normalise = EnglishTextNormalizer()
    return [normalise(hypothesis.text) for hypothesis in hypotheses], taken


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--device", default="auto", choices=["auto", "cuda", "cpu"])
    options = parser.parse_args()

    if options.device == "auto" and not whisper_torch.gpu_available():
        print("torch sees no GPU here: nothing to measure")
        return
    recordings = options.recordings or sorted(SAMPLES.glob("*.wav"))
    folder = locate(options.model)
    torch_engine = whisper_torch.load(folder, options.device)
    cpu_engine = whisper_ct2.load(folder)
    print(f"{torch_engine.name} on {torch_engine.device}, {cpu_engine.name} on {cpu_engine.device}")
    print(f"{'recording':24} {'utterances':>10} {'speech s':>8} {'torch ×':>8} {'ct2 ×':>8} WER %")
    for recording in recordings:
        batch = utterances(recording, torch_engine.device)
        seconds = sum(len(samples) for samples in batch) / SAMPLE_RATE
        texts, taken = timed(torch_engine, batch)
        references, reference_taken = timed(cpu_engine, batch)
        print(
            f"{recording.name:24} {len(batch):10} {seconds:8.1f} {seconds / taken:8.1f} "
            f"{seconds / reference_taken:8.1f} {100 * jiwer.wer(references, texts):5.1f}"
        )
    if torch_engine.device == "cuda":
        import torch

        print(f"peak GPU memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")


if __name__ == "__main__":
    main()
