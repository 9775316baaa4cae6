"""The same stages over recordings: files in, transcripts and findings out.

A recording is read in blocks and cut at its pauses; utterances are packed to `PACK` seconds, as
Whisper makes fewer errors with more context, and the packs decoded side by side on all cores.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import chain, islice, pairwise
from pathlib import Path

import numpy as np

from voicemed import __version__
from voicemed.asr import Recognizer, create_recognizer
from voicemed.audio import SAMPLE_RATE, AudioChunk, Framer, Seconds, probe, read_blocks
from voicemed.config import EndpointingSettings, RecognitionSettings, Settings
from voicemed.diarization import assign_roles, merge, speaker_channels
from voicemed.endpointing import Ended, Endpointer, Utterance
from voicemed.errors import AudioFileError, OutputError, StoreError
from voicemed.extraction import create_extractor, extract
from voicemed.findings import Finding
from voicemed.recording import Recorder
from voicemed.transcript import (
    WRITERS,
    Segment,
    Transcript,
    Turn,
    Word,
    save_text,
    split_turns,
)
from voicemed.vad import Vad, create_vad

FORMATS = tuple(WRITERS)
"What `voicemed transcribe --format` knows."

PACK: Seconds = 16.0
"Speech decoded at once. Longer costs more than it gains: the encoder's cost grows faster."
_BATCH = 8
"Packs decoded together by one worker on a CPU."
_GPU_BATCH = 32
_AHEAD = 2
"Batches for each worker that are read before the first is decoded: some minutes of sound."
_CUTTING = EndpointingSettings(pre_roll=0.4, pause=0.4, end_silence=0.8, max_utterance=PACK)
"Pauses of up to 0.8 s stay: they are punctuation to Whisper."
_TELEPHONE = 8_000
"Hz; of what a telephone leaves, Silero is sure of less."
_TELEPHONE_THRESHOLD = 0.35
_EXTENSIONS = frozenset(
    ".3gp .aac .aif .aiff .amr .au .avi .caf .flac .m4a .m4b .mka .mkv .mov .mp3 .mp4 .mpeg .mpg "
    ".oga .ogg .opus .spx .wav .webm .wma .wmv".split()
)
"What counts as a recording in a folder; a file that is named is tried whatever it is called."


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far the work is."""

    file: Path
    index: int
    "Of the file, from 1."
    count: int
    "Files in all."
    position: Seconds
    "In the file; of a recording with two channels apart, in both together."
    duration: Seconds
    speed: float
    "Seconds of sound in a second."
    remaining: Seconds | None
    "For this file; None until it can be told."


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of the recordings."""

    done: list[Path]
    skipped: list[Path]
    "Done before, with the same content and settings."
    failed: list[tuple[Path, str]]
    "With the reason, one line."
    not_kept: list[tuple[Path, str]] = field(default_factory=list)
    "Done, but not in the store, with the reason."
    kept_again: list[tuple[Path, str, str]] = field(default_factory=list)
    "In the store twice: the id of the encounter from before, and that of the new one."


def transcribe_files(
    paths: Sequence[Path],
    *,
    output: Path | None,
    formats: Sequence[str],
    settings: Settings,
    force: bool,
    progress: Callable[[BatchProgress], None],
    recorder: Callable[[Path], Recorder] | None = None,
) -> BatchReport:
    """Transcribe recordings and those in folders, and write NAME.txt, NAME.json and so on.

    output: the folder for the results, otherwise each recording's own. Where two recordings would
    have the same results, these keep the extension (NAME.wav.txt), or their folder's name as well
    (FOLDER-NAME.wav.txt).

    recorder: begins the stored encounter of a recording; None keeps the results only.

    Raises ModelError, EngineError or ConfigError where nothing can be recognised; what is wrong
    with one recording, or with where its results go, is in the report.
    """
    report = BatchReport([], [], [])
    recordings = find_files(paths, _is_recording, "recordings", report.failed)
    jobs = name_results(recordings, output)
    transcriber: Transcriber | None = None
    for index, (path, target) in enumerate(jobs, 1):
        try:
            ledger = _Ledger(target.parent)
            key = _key(path, settings)
            missing = ledger.missing(target, key, formats)
            if not missing and not force:
                report.skipped.append(path)
                continue
            if transcriber is None:
                transcriber = Transcriber(settings)
            ledger.record(target, key, ())  # what cannot be written should not take an hour first
            tell = Reporter(path, index, len(jobs), progress)
            transcript = transcriber.transcribe(path, tell)
            for name in formats:
                suffix, write = WRITERS[name]
                save_text(target.with_name(target.name + suffix), write(transcript))
            kept = recorder is None or _keep(path, transcript, recorder, ledger.of(target), report)
            ledger.record(target, key, formats if kept else ())  # the next run tries again
        except (AudioFileError, OutputError) as error:
            report.failed.append((path, str(error)))
        else:
            report.done.append(path)
    return report


def _keep(
    path: Path,
    transcript: Transcript,
    begin: Callable[[Path], Recorder],
    entry: dict[str, object],
    report: BatchReport,
) -> bool:
    """Store the sound and what came of it, as the ledger's entry then says, or report why not."""
    try:
        record = begin(path)
        for block in read_blocks(path, on_damage=lambda _: None):
            record.audio(block.samples)
        for turn in transcript.turns:
            record.turn(turn, transcript.language)
        record.findings(transcript.findings)
        record.finish(model=transcript.model, dropped=transcript.dropped)
    except StoreError as error:
        report.not_kept.append((path, str(error)))
    except OSError as error:
        report.not_kept.append((path, f"{path}: not kept in the store: {error.strerror}"))
    else:
        match entry.get("kept"):
            case {"recording": transcript.source_sha256, "encounter": str(before)}:
                report.kept_again.append((path, before, record.id))
        entry["kept"] = {"recording": transcript.source_sha256, "encounter": record.id}
        return True
    return False


@dataclass(frozen=True, slots=True)
class Heard:
    """What was recognised and found in some sound."""

    duration: Seconds
    language: str
    "ISO 639-1; empty if nothing was said."
    model: str
    turns: tuple[Turn, ...]
    findings: tuple[Finding, ...]
    dropped: Mapping[str, int]
    "How many stretches of sound were not written down, by reason."


class Transcriber:
    """Recordings to transcripts, with the weights loaded once."""

    def __init__(self, settings: Settings) -> None:
        """Load the weights; raises ModelError or EngineError."""
        self._settings = settings
        self._vad = create_vad(settings.endpointing.vad)
        cores = settings.recognition.threads or os.cpu_count() or 1
        self._recognizer = create_recognizer(settings.recognition, workers=cores)
        on_gpu = self._recognizer.device == "cuda"
        self._workers = 1 if on_gpu else cores
        self._batch = _GPU_BATCH if on_gpu else _BATCH
        # Loads what all recordings share, and says now rather than after an hour what is missing.
        create_extractor("en", settings.extraction.heads)

    def transcribe(
        self, path: Path, progress: Callable[[Seconds, Seconds], None] = lambda *_: None
    ) -> Transcript:
        """The transcript of a recording; `progress` gets the position and the duration.

        Raises AudioFileError if it cannot be read.
        """
        info = probe(path)
        apart = speaker_channels(path) if info.channels == 2 else None
        cutting = _CUTTING
        if info.sample_rate <= _TELEPHONE:
            cutting = replace(cutting, threshold=_TELEPHONE_THRESHOLD)
        damage: list[str] = []
        if apart is None:
            streams = [read_blocks(path, on_damage=damage.append)]
        else:
            streams = [apart.read(channel, on_damage=damage.append) for channel in (0, 1)]
        heard = self._hear(streams, cutting, info.duration, progress)
        return Transcript(
            source=path.name,
            source_sha256=_sha256(path),
            created_at=datetime.now(UTC),
            duration=heard.duration,
            language=heard.language,
            model=heard.model,
            settings=_relevant(self._settings),
            turns=heard.turns,
            findings=heard.findings,
            dropped=heard.dropped,
            damage=damage[0] if damage else "",
        )

    def transcribe_sound(
        self,
        blocks: Iterator[AudioChunk],
        duration: Seconds,
        progress: Callable[[Seconds, Seconds], None] = lambda *_: None,
        visit: date | None = None,
    ) -> Heard:
        """Sound at 16 kHz that is in no file, such as what the store keeps of a visit that day."""
        return self._hear([blocks], _CUTTING, duration, progress, visit)

    def _hear(
        self,
        streams: Sequence[Iterator[AudioChunk]],
        cutting: EndpointingSettings,
        duration: Seconds | None,
        progress: Callable[[Seconds, Seconds], None],
        visit: date | None = None,
    ) -> Heard:
        """What was said in the one stream of a recording, or in two with a speaker each."""
        dropped: Counter[str] = Counter()
        languages: Counter[str] = Counter()
        spoken: list[list[Turn]] = []
        seconds = 0.0
        for number, blocks in enumerate(streams, 1):
            done = seconds
            speech = _Speech(blocks, self._vad, cutting)

            def tell(position: Seconds, done: Seconds = done) -> None:
                progress(done + position, len(streams) * (duration or position))

            words: list[Word] = []
            for segment in self._recognized(speech, tell):
                if segment.rejected:
                    dropped[segment.rejected] += 1
                else:
                    words += segment.words
                    languages[segment.language] += len(segment.words)
            seconds += speech.duration
            speaker = f"speaker {number}" if len(streams) > 1 else ""
            spoken.append(split_turns(words, speaker=speaker))
        turns = _with_roles(merge(spoken)) if len(streams) > 1 else spoken[0]
        recognition, extraction = self._settings.recognition, self._settings.extraction
        return Heard(
            duration=seconds / len(streams),
            language=max(languages, key=languages.__getitem__, default=""),
            model=self._recognizer.name,
            turns=tuple(turns),
            findings=extract(turns, recognition.language, extraction.heads, visit),
            dropped=dict(dropped),
        )

    def _recognized(self, speech: _Speech, progress: Callable[[Seconds], None]) -> list[Segment]:
        """The segments of a recording in order, decoded by as many workers as there are cores."""
        recognition = self._settings.recognition
        language = None if recognition.language == "auto" else recognition.language
        found: list[Segment] = []
        reached = 0.0
        waiting: deque[Future[tuple[Seconds, list[Segment]]]] = deque()

        def collect() -> None:
            nonlocal reached
            position, segments = waiting.popleft().result()
            found.extend(segments)
            reached = max(reached, position)
            progress(reached)

        with ThreadPoolExecutor(self._workers, thread_name_prefix="recognition") as pool:
            try:
                for batch in _batches(_packed(speech, PACK), self._batch, self._workers):
                    future = pool.submit(_decode, self._recognizer, batch, language, recognition)
                    waiting.append(future)
                    if language is None:
                        # A recording has one language: that of most of its beginning.
                        language = _most_common_language(future.result()[1])
                    while len(waiting) > 2 * self._workers:
                        collect()
                while waiting:
                    collect()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        return sorted(found, key=lambda segment: segment.words[0].start if segment.words else 0.0)


class _Speech:
    """The utterances of one channel of a recording, read as they are asked for."""

    def __init__(
        self, blocks: Iterator[AudioChunk], vad: Vad, cutting: EndpointingSettings
    ) -> None:
        self._blocks = blocks
        self._vad = vad
        self._cutting = cutting
        self.duration: Seconds = 0.0
        "Read so far."

    def __iter__(self) -> Iterator[Utterance]:
        probability = self._vad.stream()
        framer = Framer(self._vad.window)
        endpointer = Endpointer(self._cutting, self._vad.window, tail=self._cutting.pause)
        for block in self._blocks:
            self.duration = block.start + len(block.samples) / block.sample_rate
            for frame in framer.frames(block.samples):
                events = endpointer.push(frame.samples, probability(frame.samples))
                yield from (e.utterance for e in events if isinstance(e, Ended))
        for frame in framer.rest():
            events = endpointer.push(frame.samples, 0.0)
            yield from (e.utterance for e in events if isinstance(e, Ended))
        yield from (e.utterance for e in endpointer.flush() if isinstance(e, Ended))


@dataclass(frozen=True, slots=True)
class _Pack:
    """Utterances that are decoded as one."""

    utterances: tuple[Utterance, ...]

    @property
    def duration(self) -> Seconds:
        """Of their sound."""
        return sum(u.end - u.start for u in self.utterances)

    def joined(self) -> Utterance:
        """Their sound, one after the other, from time 0."""
        samples = np.concatenate([u.samples for u in self.utterances])
        return Utterance(samples, 0.0, len(samples) / SAMPLE_RATE)

    def placed(self, words: Sequence[Word]) -> Iterator[Word]:
        """Words of the joined sound with their times in the recording."""
        starts = np.cumsum([0, *(len(u.samples) for u in self.utterances)]) / SAMPLE_RATE
        for word in words:
            middle = (word.start + word.end) / 2
            k = int(np.searchsorted(starts[1:-1], middle, side="right"))
            utterance, shift = self.utterances[k], self.utterances[k].start - starts[k]
            start = min(max(word.start + shift, utterance.start), utterance.end)
            end = min(max(word.end + shift, start), utterance.end)
            yield replace(word, start=start, end=end)


def _packed(utterances: Iterable[Utterance], longest: Seconds) -> Iterator[_Pack]:
    """Utterances in packs of at most `longest` seconds of sound."""
    pack: list[Utterance] = []
    length = 0.0
    for utterance in utterances:
        duration = utterance.end - utterance.start
        if pack and length + duration > longest:
            yield _Pack(tuple(pack))
            pack, length = [], 0.0
        pack.append(utterance)
        length += duration
    if pack:
        yield _Pack(tuple(pack))


def _batches(packs: Iterable[_Pack], size: int, workers: int) -> Iterator[list[_Pack]]:
    """Packs of similar length together, at most `size`, the longest first.

    All sound of a batch is encoded to the length of its longest. So many are read ahead that this
    is little more, though not before the first batches; and what is left at the end gives work to
    each worker.
    """
    rest = iter(packs)
    ahead = size * workers
    while pool := list(islice(rest, ahead)):
        pool.sort(key=lambda pack: pack.duration, reverse=True)
        rounds = -(-len(pool) // (size * workers))
        parts = min(rounds * workers, len(pool))
        edges = [part * len(pool) // parts for part in range(parts + 1)]
        yield from (pool[first:end] for first, end in pairwise(edges))
        ahead = _AHEAD * size * workers


def _decode(
    recognizer: Recognizer,
    packs: Sequence[_Pack],
    language: str | None,
    settings: RecognitionSettings,
) -> tuple[Seconds, list[Segment]]:
    """The segments of some packs, with times in the recording; and up to where they reach."""
    joined = [pack.joined() for pack in packs]
    results = recognizer.transcribe(joined, language=language, prompt=settings.vocabulary)
    segments = [
        replace(segment, words=tuple(pack.placed(segment.words)))
        for pack, result in zip(packs, results, strict=True)
        for segment in result
    ]
    return max(pack.utterances[-1].end for pack in packs), segments


def _most_common_language(segments: Sequence[Segment]) -> str | None:
    found = Counter(s.language for s in segments if s.words and not s.rejected)
    return found.most_common(1)[0][0] if found else None


def _with_roles(turns: Sequence[Turn]) -> list[Turn]:
    """Doctor and patient in place of speaker 1 and 2, where that is clear."""
    roles = assign_roles(turns)
    return [replace(turn, speaker=roles.get(turn.speaker, turn.speaker)) for turn in turns]


class Reporter:
    """Turns positions in one file into BatchProgress; called with the position and the duration."""

    def __init__(
        self, file: Path, index: int, count: int, progress: Callable[[BatchProgress], None]
    ) -> None:
        self._file, self._index, self._count = file, index, count
        self._progress = progress
        self._began = time.monotonic()

    def __call__(self, position: Seconds, duration: Seconds) -> None:
        """Pass on how far it is."""
        elapsed = time.monotonic() - self._began
        speed = position / elapsed if elapsed > 0 else 0.0
        remaining = max(0.0, duration - position) / speed if speed > 0 else None
        self._progress(
            BatchProgress(
                self._file, self._index, self._count, position, duration, speed, remaining
            )
        )


def find_files(
    paths: Sequence[Path],
    wanted: Callable[[Path], bool],
    what: str,
    failed: list[tuple[Path, str]],
) -> list[Path]:
    """The files that are meant, each once; a folder stands for the wanted ones in and below it.

    A folder without any goes to `failed`, with the reason, which calls them `what`.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.is_dir():
            found.setdefault(path.resolve(), path)
            continue
        inside = [p for p in sorted(path.rglob("*")) if wanted(p)]
        if not inside:
            failed.append((path, f"{path}: no {what} in this folder"))
        for file in inside:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _is_recording(path: Path) -> bool:
    return path.suffix.lower() in _EXTENSIONS and path.is_file()


def name_results(files: Sequence[Path], output: Path | None) -> list[tuple[Path, Path]]:
    """Each file with the path of its results, which has no extension yet and is no other's."""
    targets = {p: [(output or p.parent) / name for name in _names(p)] for p in files}
    wanted = Counter(chain.from_iterable(targets.values()))
    return [(p, next(t for t in targets[p] if wanted[t] == 1)) for p in files]


def _names(path: Path) -> list[str]:
    """Names for the results of a file, from the shortest to one that no other has."""
    *folders, name = path.resolve().parts[1:]
    longer = ["-".join([*folders[len(folders) - n :], name]) for n in range(len(folders) + 1)]
    return list(dict.fromkeys([path.stem, *longer]))


class _Ledger:
    """Which results in a folder were made from what, so that they are not made again.

    And in which encounter of the store a recording is, by its SHA-256.
    """

    NAME = ".voicemed-done.json"

    def __init__(self, folder: Path) -> None:
        self._path = folder / self.NAME
        try:
            self._entries = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._entries = {}  # at worst something is done again
        if not isinstance(self._entries, dict):
            self._entries = {}

    def missing(self, target: Path, key: str, formats: Sequence[str]) -> list[str]:
        """The formats that are still to be written."""
        done = self._written(target, key)
        return [
            name
            for name in formats
            if name not in done or not target.with_name(target.name + WRITERS[name][0]).exists()
        ]

    def record(self, target: Path, key: str, formats: Sequence[str]) -> None:
        """These formats are written."""
        written = sorted({*self._written(target, key), *formats})
        self.of(target).update(key=key, formats=written)
        save_text(self._path, json.dumps(self._entries, indent=1, sort_keys=True) + "\n")

    def of(self, target: Path) -> dict[str, object]:
        """The entry of a recording, to be changed before `record`."""
        entry = self._entries.get(target.name)
        if not isinstance(entry, dict):
            self._entries[target.name] = entry = {}
        return entry

    def _written(self, target: Path, key: str) -> list[str]:
        match self._entries.get(target.name):
            case {"key": known, "formats": [*formats]} if known == key:
                return [str(name) for name in formats]
        return []


def _key(path: Path, settings: Settings) -> str:
    """Of the content of a recording and what its results depend on."""
    relevant = json.dumps([__version__, _relevant(settings)], sort_keys=True)
    return hashlib.sha256((_sha256(path) + relevant).encode()).hexdigest()


def _relevant(settings: Settings) -> dict[str, str]:
    """The settings that the results depend on."""
    recognition = asdict(settings.recognition)
    del recognition["threads"]
    return {
        "vad": settings.endpointing.vad,
        **{k: str(v) for k, v in recognition.items()},
        **asdict(settings.extraction),
    }


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read ({error.strerror})") from error
