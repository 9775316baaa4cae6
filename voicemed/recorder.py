"""One encounter on the disk: `Recorder` writes it while it is captured, `read` reads it again.

    encounters/<id>/journal.key, journal    who, when, turns, findings, note, consent, events, end
    encounters/<id>/audio.key, audio        the sound
    encounters/<id>/lock                    held while it is being recorded

A recorder needs no passphrase: each stream has a random key, sealed to the public key of the store.
Sound and journal are bound together: each record of the journal says how many frames of sound were
on the disk by then, its last one how many there are.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from filelock import FileLock, Timeout

from voicemed import audit, codec, crypto, keyfile
from voicemed.audio import SAMPLE_RATE, AudioChunk, Samples, Seconds
from voicemed.encounter import Consent, EncounterKind, Patient
from voicemed.errors import StoreDamaged, StoreError
from voicemed.findings import Finding
from voicemed.sealed import Kind, Message, SealedReader, SealedWriter, sync_folder, write_new
from voicemed.transcript import Turn

ENCOUNTERS = "encounters"
JOURNAL = "journal"
AUDIO = "audio"
LOCK = "lock"
_FRAME_SAMPLES = SAMPLE_RATE // 2
"Half a second: with what is in the buffer, no more than 1 s is ever missing on the disk."
_JOURNAL_ROOM = 1004
"Bytes of a message in a frame; with flags and tag a frame is 1 KiB."
_SYNC_AFTER: Seconds = 0.25
"Of the clock, between two flushes of sound to the disk."
_KINDS = {JOURNAL: Kind.JOURNAL, AUDIO: Kind.AUDIO}


@dataclass(frozen=True, slots=True)
class Began:
    """The first record of a journal."""

    kind: EncounterKind
    clinician: str
    user: str
    "Of the operating system."
    patient: Patient
    source: str
    started_at: datetime
    with_audio: bool


@dataclass(frozen=True, slots=True)
class Event:
    """Something for the audit log."""

    at: datetime
    action: str
    details: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The last record of a journal."""

    at: datetime
    model: str
    dropped: Mapping[str, int]
    audio_complete: bool
    "All the sound that was captured is in the stream."


@dataclass(frozen=True, slots=True)
class _Record:
    """One message of a journal: how much sound was there, and one of the others."""

    audio_frames: int
    "On the disk, when this was written."
    began: Began | None = None
    turn: Turn | None = None
    language: str = ""
    findings: tuple[Finding, ...] | None = None
    note: str | None = None
    consent: Consent | None = None
    event: Event | None = None
    ended: Ended | None = None


# --- writing -------------------------------------------------------------------------------------


class Recorder:
    """A live encounter being written. Sound may come from another thread than the rest.

    What a method was given is on the disk when it returns (sound: see `audio`). After a failure,
    each method may be called again: what is missing is written first. All raise StoreError.
    """

    def __init__(
        self, folder: Path, lock: FileLock, journal: SealedWriter, audio: SealedWriter | None
    ) -> None:
        """`begin` is how to make one."""
        self.id = folder.name
        self._folder, self._lock, self._journal, self._audio = folder, lock, journal, audio
        self._journal_use, self._audio_use = threading.Lock(), threading.Lock()
        self._waiting: list[Samples] = []
        self._synced_at = time.monotonic()
        self._finished = False

    @classmethod
    def begin(
        cls,
        folder: Path,
        *,
        kind: EncounterKind,
        clinician: str,
        patient: Patient | None = None,
        source: str = "",
        started_at: datetime | None = None,
        with_audio: bool = True,
    ) -> Recorder:
        """A new encounter in the store at that folder, which may be locked.

        Raises StoreMissing, StoreDamaged; StoreError where it cannot be written.
        """
        public = keyfile.load(folder).public
        began = Began(
            kind,
            clinician,
            audit.system_user(),
            patient or Patient(),
            source,
            started_at or datetime.now(UTC),
            with_audio,
        )
        place = folder / ENCOUNTERS / str(uuid4())
        with _failures(place), ExitStack() as failed:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            place.mkdir(mode=0o700)
            failed.callback(shutil.rmtree, place, ignore_errors=True)
            lock = _lock(place)
            lock.acquire(timeout=10)  # who imports what a crash left may look at it just now
            failed.callback(lock.release)
            journal = _new_stream(place, JOURNAL, public)
            failed.callback(journal.close)
            audio = _new_stream(place, AUDIO, public) if with_audio else None
            if audio is not None:
                failed.callback(audio.close)
            sync_folder(place)
            sync_folder(place.parent)
            recorder = cls(place, lock, journal, audio)
            recorder._write(began=began)
            failed.pop_all()
        return recorder

    def audio(self, samples: Samples) -> None:
        """Sound, 16 kHz; on the disk at the latest when 1 s more has come, or at `sync`."""
        if self._audio is None:
            return
        with self._audio_use, _failures(self._folder):
            self._waiting.append(samples)
            if sum(len(one) for one in self._waiting) >= _FRAME_SAMPLES:
                self._append_frames(self._audio)
            if self._audio.unsynced and time.monotonic() >= self._synced_at + _SYNC_AFTER:
                self._sync(self._audio)

    def sync(self) -> None:
        """All sound so far is on the disk when it returns."""
        if self._audio is None:
            return
        with self._audio_use, _failures(self._folder):
            self._append_frames(self._audio, rest=True)
            self._sync(self._audio)

    def turn(self, turn: Turn, language: str = "") -> None:
        """A turn; one with the id of an earlier turn takes its place."""
        self._write(turn=turn, language=language)

    def findings(self, findings: Sequence[Finding]) -> None:
        """All findings as they stand."""
        self._write(findings=tuple(findings))

    def note(self, markdown: str) -> None:
        """All of the note as it stands."""
        self._write(note=markdown)

    def consent(self, consent: Consent) -> None:
        """That the patient agreed, or did not."""
        self._write(consent=consent)

    def event(self, action: str, details: str = "") -> None:
        """A line for the audit log; nothing that was said, no name of a patient."""
        self._write(event=Event(datetime.now(UTC), action, details))

    def finish(self, *, model: str = "", dropped: Mapping[str, int] = MappingProxyType({})) -> None:
        """The encounter is complete; what fails here leaves it as one that a crash ended."""
        if self._finished:
            return
        problem: StoreError | None = None
        try:
            self._end_audio()
        except StoreError as error:
            problem = error  # the journal is still to be ended
        try:
            ended = Ended(datetime.now(UTC), model, dict(dropped), audio_complete=problem is None)
            self._write(ended=ended)
            self._finished = True
        finally:
            self.close()
        if problem is not None:
            raise problem

    def close(self) -> None:
        """Let go of the files without ending the encounter: it counts as one that a crash ended."""
        for stream in (self._audio, self._journal):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._finished = True
        self._lock.release()

    def free_space(self) -> int:
        """Bytes left on the disk of the store."""
        with _failures(self._folder):
            return shutil.disk_usage(self._folder).free

    def _write(self, **record: Any) -> None:
        """One record of the journal, on the disk when it returns."""
        frames = self._audio.synced if self._audio is not None else 0
        message = codec.encode(_Record(frames, **record)).encode()
        with self._journal_use, _failures(self._folder):
            self._journal.append(message, last="ended" in record)
            self._journal.sync()

    def _append_frames(self, audio: SealedWriter, *, rest: bool = False) -> None:
        """Write the whole frames that wait; with `rest` also the one that is not yet full."""
        sound = np.concatenate([np.zeros(0, np.float32), *self._waiting])
        whole = len(sound) if rest else len(sound) - len(sound) % _FRAME_SAMPLES
        cuts = range(0, whole, _FRAME_SAMPLES)
        frames = [_pcm(sound[i : min(i + _FRAME_SAMPLES, whole)]) for i in cuts]
        self._waiting = [sound[whole:]]  # what cannot be written now, the stream keeps
        audio.append(*frames)

    def _sync(self, audio: SealedWriter) -> None:
        audio.sync()
        self._synced_at = time.monotonic()

    def _end_audio(self) -> None:
        if self._audio is None:
            return
        with self._audio_use, _failures(self._folder):
            self._append_frames(self._audio, rest=True)
            self._audio.append(b"", last=True)
            self._sync(self._audio)


def _new_stream(folder: Path, name: str, public: bytes) -> SealedWriter:
    """A stream and, in a file of its own, its key: to destroy that one destroys the stream."""
    id_, key = UUID(folder.name), crypto.new_key()
    try:
        sealed = crypto.seal_to(public, key, _key_bound(id_, name))
        write_new(folder / f"{name}.key", [sealed])
        room = _JOURNAL_ROOM if name == JOURNAL else _FRAME_SAMPLES * 2
        return SealedWriter(folder / name, key, _KINDS[name], id_, room)
    finally:
        crypto.wipe(key)


def _lock(folder: Path) -> FileLock:
    return FileLock(folder / LOCK, mode=0o600, thread_local=False)


def _key_bound(id_: UUID, name: str) -> bytes:
    return f"voicemed {name} key of {id_}".encode()


def _pcm(samples: Samples) -> bytes:
    """Mono, 16 bit, little-endian; what is no number becomes silence."""
    return np.rint(np.clip(np.nan_to_num(samples), -1.0, 1.0) * 32767).astype("<i2").tobytes()


@contextmanager
def _failures(folder: Path) -> Iterator[None]:
    """An OSError as a StoreError that says what to do, with the OSError as its cause."""
    try:
        yield
    except Timeout as error:
        raise StoreError(f"{folder}: another process has locked it: try again") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(
            f"{folder}: cannot be written: {reason}: make room on its disk, or see who owns it"
        ) from error


# --- reading -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Captured:
    """What the disk has of an encounter."""

    began: Began | None = None
    "None where that is lost."
    turns: dict[int, Turn] = field(default_factory=dict)
    "By id, in order."
    language: str = ""
    findings: tuple[Finding, ...] = ()
    note: str = ""
    consents: list[Consent] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    ended: Ended | None = None
    "None where it was not finished."
    acknowledged_frames: int = 0
    "Of the sound, that must be on the disk."
    audio_frames: int = 0
    "That are there, up to a torn end."
    audio_samples: int = 0
    "That are there."
    journal_frames: int = 0
    journal_digest: str = ""
    audio_digest: str = ""
    "Which streams these are, as `_digest` says; empty where there is none."
    problems: list[str] = field(default_factory=list)
    "What no crash can have done, a line each: somebody changed the files, or the disk did."


def is_live(folder: Path) -> bool:
    """Whether the encounter in that folder is being recorded now."""
    lock = _lock(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False  # it cannot be locked, so nobody has
    lock.release()
    return False


def read(folder: Path, private: bytearray, *, with_audio: bool = True) -> Captured | None:
    """What there is of the encounter in that folder; None where it had not even begun.

    with_audio: it should have its sound, if it was recorded with sound.

    What is not authentic is left out and named in `problems`. Raises StoreDamaged where nothing
    can be read, OSError.
    """
    captured = Captured()
    _attempt(captured, lambda: _read_journal(folder, private, captured))
    if with_audio and (captured.began is None or captured.began.with_audio):
        _attempt(captured, lambda: _read_sound(folder, private, captured))
    if captured.began is None:
        if captured.audio_samples == 0 and _never_written(folder):
            return None
        captured.problems.append(f"{folder / JOURNAL}: its first record is lost")
        if captured.audio_samples == 0 and not captured.turns:
            raise StoreDamaged(captured.problems[0])
    return captured


def _attempt(captured: Captured, reading: Callable[[], None]) -> None:
    try:
        reading()
    except StoreDamaged as error:
        captured.problems.append(str(error))
    except FileNotFoundError as error:
        captured.problems.append(f"{error.filename}: is missing: restore a backup")


def _never_written(folder: Path) -> bool:
    """Whether a crash came before the first record of a journal was on the disk."""
    try:
        return (folder / JOURNAL).stat().st_size <= _JOURNAL_ROOM
    except FileNotFoundError:
        return True


def _read_journal(folder: Path, private: bytearray, captured: Captured) -> None:
    path = folder / JOURNAL
    reader = open_stream(folder, JOURNAL, private)
    for message in reader.messages():
        if message.content is None:
            continue
        try:
            _take(codec.decode(_Record, message.content), captured)
        except ValueError:
            captured.problems.append(
                f"{path}: a record is not in a format that this voicemed reads"
            )
    if reader.damaged:
        captured.problems.append(f"{path}: {len(reader.damaged)} pieces are damaged and left out")
    captured.journal_digest = _digest(folder, JOURNAL, reader)
    captured.journal_frames = reader.frames
    if reader.complete != (captured.ended is not None):
        captured.problems.append(f"{path}: its last record is damaged")


def _take(record: _Record, captured: Captured) -> None:
    captured.acknowledged_frames = max(captured.acknowledged_frames, record.audio_frames)
    captured.began = captured.began or record.began
    captured.ended = captured.ended or record.ended
    if record.turn is not None:
        captured.turns[record.turn.id] = record.turn
        captured.language = record.language or captured.language
    if record.findings is not None:
        captured.findings = record.findings
    if record.note is not None:
        captured.note = record.note
    if record.consent is not None:
        captured.consents.append(record.consent)
    if record.event is not None:
        captured.events.append(record.event)


def _read_sound(folder: Path, private: bytearray, captured: Captured) -> None:
    """Whether all of the sound is there that the journal says is there."""
    path = folder / AUDIO
    reader = open_stream(folder, AUDIO, private)
    captured.audio_digest = _digest(folder, AUDIO, reader)
    ended, damaged = captured.ended, 0
    for message in reader.messages():
        if message.content is None:
            if ended is None and message.frame >= captured.acknowledged_frames:
                break  # a power cut may take a frame and leave the next, if neither was flushed
            damaged += 1
        captured.audio_samples += _length(message)
        captured.audio_frames = message.frame + 1
    else:
        damaged = len(reader.damaged)
    if damaged:
        captured.problems.append(f"{path}: {damaged} pieces are damaged")
    lacks_end = ended is not None and ended.audio_complete and not reader.complete
    if captured.audio_frames < captured.acknowledged_frames or lacks_end:
        captured.problems.append(f"{path}: is cut short after {captured.audio_frames} pieces")


def _length(message: Message) -> int:
    """Samples; a damaged piece counts as a full one, for nobody knows."""
    return _FRAME_SAMPLES if message.content is None else len(message.content) // 2


def _digest(folder: Path, name: str, reader: SealedReader) -> str:
    """Which stream this is: its key and header stand for all that is in it, but for its length."""
    return hashlib.sha256((folder / f"{name}.key").read_bytes() + reader.header).hexdigest()


def sound(
    folder: Path, private: bytearray, digest: str, frames: int, *, salvage: bool = False
) -> Iterator[AudioChunk]:
    """The sound of an encounter, in chunks of at most half a second.

    digest, frames: of `Captured`. salvage: silence in place of what is damaged; without it that
    raises StoreDamaged. Raises OSError.
    """
    path = folder / AUDIO
    reader = open_stream(folder, AUDIO, private)
    if _digest(folder, AUDIO, reader) != digest:
        raise StoreDamaged(f"{path}: is not the sound that was recorded: restore a backup")
    position = there = 0
    for message in reader.messages():
        if message.frame >= frames:
            break  # what follows was not there when it was taken in
        if message.content is None and not salvage:
            raise StoreDamaged(
                f"{path}: is damaged at {position / SAMPLE_RATE:.1f} s: restore a backup"
            )
        piece = _samples(message.content)
        if piece.size:
            yield AudioChunk(piece, SAMPLE_RATE, position / SAMPLE_RATE)
        position, there = position + piece.size, message.frame + 1
    if there < frames and not salvage:
        raise StoreDamaged(f"{path}: is cut at {position / SAMPLE_RATE:.1f} s: restore a backup")


def _samples(pcm: bytes | None) -> Samples:
    if pcm is None:
        return np.zeros(_FRAME_SAMPLES, np.float32)
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32767)


def open_stream(folder: Path, name: str, private: bytearray) -> SealedReader:
    """A stream of the encounter in that folder; raises StoreDamaged, OSError."""
    id_ = UUID(folder.name)
    sealed = (folder / f"{name}.key").read_bytes()
    try:
        key = crypto.unseal_with(private, sealed, _key_bound(id_, name))
    except crypto.NotAuthentic as error:
        raise StoreDamaged(
            f"{folder / name}.key: is damaged, or of another store: restore a backup"
        ) from error
    try:
        return SealedReader(folder / name, key, _KINDS[name], id_)
    finally:
        crypto.wipe(key)
