"""The encrypted store of encounters: create it, record into it, open it, read, correct, delete.

    store.json      the keys, wrapped (keyfile.py)
    encounters/     one folder for each, written while it is captured, locked or not (recorder.py)
    record.db       all encounters for reading, searching and correcting, and the audit log
    store.lock      held by the one process that has the database open

The database is never in the way of a live session: an encounter is imported from its journal when
the store is next opened, also one that a crash ended. docs/store-format.md describes the files.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from uuid import UUID

from filelock import FileLock, Timeout

from voicemed import audit, codec, crypto, database, edits, keyfile, recorder
from voicemed.audio import SAMPLE_RATE, AudioChunk, Seconds
from voicemed.encounter import (
    AuditEntry,
    Consent,
    Edit,
    EncounterKind,
    EncounterRecord,
    Patient,
)
from voicemed.errors import StoreBusy, StoreDamaged, StoreError
from voicemed.findings import Finding
from voicemed.keyfile import KeyFile, Keys, exists
from voicemed.recorder import ENCOUNTERS, Began, Captured, Ended, Recorder
from voicemed.sealed import shred, sync_folder
from voicemed.transcript import Turn

__all__ = ["Recorder", "Store", "check_passphrase", "create", "exists"]

_AUDIT_COLUMNS = "number, at, who, action, encounter, details, digest, content"
_LOCK = "store.lock"
_WAIT: Seconds = 2.0
"For another process to close the store."
T = TypeVar("T")


class State(StrEnum):
    """How an encounter is kept."""

    RECORDING = "being recorded"
    COMPLETE = "complete"
    RECOVERED = "recovered"
    "A crash ended it; what was captured is there."
    DAMAGED = "damaged"
    "Parts of its files were changed or lost after they were written."


@dataclass(frozen=True, slots=True)
class Summary:
    """An encounter in a list."""

    id: str
    kind: EncounterKind
    started_at: datetime
    duration: Seconds
    "Of the sound; without any, up to the last word."
    patient: Patient
    clinician: str
    source: str
    state: State
    turns: int
    findings: int
    audio_seconds: Seconds
    "Of the sound that is stored (still)."
    untranscribed: Seconds
    "Of sound after the last turn of an encounter that was not finished, nor transcribed again."
    edited: bool
    exported: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a search found something."""

    encounter: str
    started_at: datetime
    part: str
    "turn, finding, note or patient."
    number: int
    "Id of the turn, or number of the finding, from 1; otherwise 0."
    text: str
    "The place with some words around it."


@dataclass(frozen=True, slots=True)
class Correction:
    """What a doctor corrected, to learn from."""

    encounter: str
    what: str
    "As in Edit."
    before: str
    after: str
    code: str = ""
    "Of a finding's concept."
    evidence: str = ""
    "The words that a finding was made from."


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept; 0 means for ever."""

    audio_days: int = 30
    "After which sound is destroyed."
    text_days: int = 0
    "After which all of an encounter is destroyed."
    until_exported: bool = False
    "All of an encounter is destroyed once it has been exported."


def create(folder: Path, passphrase: str, *, effort: crypto.Effort | None = None) -> str:
    """Make a store; returns the recovery key, which is kept nowhere else.

    effort: that guessing the passphrase costs. Raises StoreError where there is a store already,
    or the folder cannot be written.
    """
    with _disk(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        with _locked(folder, 0):
            if exists(folder) or (folder / database.NAME).exists():
                raise StoreError(f"{folder}: there is a store already: choose another folder")
            file, keys, recovery_key = keyfile.create(passphrase, effort or crypto.Effort())
            (folder / ENCOUNTERS).mkdir(mode=0o700, exist_ok=True)
            connection = database.connect(folder, keys.master, new=True)
            with closing(Store(folder, file, keys, connection, getpass.getuser())) as store:
                store._log("store created")
            keyfile.save(folder, file)  # last: without it there is no store
            sync_folder(folder)
    return recovery_key


def check_passphrase(folder: Path, passphrase: str) -> None:
    """Raises WrongPassphrase, or StoreError; takes no lock of the database, and slows guesses."""
    keyfile.unlock(folder, keyfile.load(folder), passphrase).wipe()


class Store:
    """An unlocked store; a context manager. One at a time for each folder, on the whole machine.

    What a method changes is on the disk when it returns, with its entry in the audit log. Methods
    raise StoreError for an encounter that is not there or a disk that cannot be written, and
    StoreDamaged for what was changed behind the store's back.
    """

    def __init__(self, folder: Path, file: KeyFile, keys: Keys, connection: Any, who: str) -> None:
        """`open` is how to make one."""
        self._folder, self._file, self._keys = folder, file, keys
        self._database, self._who = connection, who
        self._closing = ExitStack()
        self._closing.callback(keys.wipe)
        self._closing.callback(connection.close)
        self.problems: list[str] = []
        "Of encounters that could not be imported, or not as a whole; a line each."

    @classmethod
    def open(cls, folder: Path, passphrase: str, *, who: str, wait: Seconds = _WAIT) -> Store:
        """Unlock a store and import what was recorded since it was last open.

        who: does what is done from here on, for the audit log. wait: for another process to close
        it. Raises StoreMissing, StoreBusy, WrongPassphrase, StoreDamaged, StoreError.
        """
        return cls._open(folder, who, wait, lambda file: keyfile.unlock(folder, file, passphrase))

    @classmethod
    def open_with_recovery_key(
        cls, folder: Path, recovery_key: str, *, who: str, wait: Seconds = _WAIT
    ) -> Store:
        """As `open`; then set another passphrase with `set_passphrase`."""

        def unlock(file: KeyFile) -> Keys:
            return keyfile.unlock_with_recovery_key(folder, file, recovery_key)

        store = cls._open(folder, who, wait, unlock)
        store._log("unlocked with the recovery key")
        return store

    @classmethod
    def _open(
        cls, folder: Path, who: str, wait: Seconds, unlock: Callable[[KeyFile], Keys]
    ) -> Store:
        with ExitStack() as failed:
            keyfile.load(folder)  # no lock file where there is no store
            failed.enter_context(_locked(folder, wait))
            file = keyfile.load(folder)
            keys = unlock(file)
            failed.callback(keys.wipe)
            connection = database.connect(folder, keys.master)
            store = cls(folder, file, keys, connection, who)
            failed.push(store._closing.pop_all())
            store._finish_deletions()
            store._import()
            store._closing = failed.pop_all()
        return store

    def close(self) -> None:
        """Lock the store: let go of the database and the keys."""
        self._closing.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- reading ---------------------------------------------------------------------------------

    def encounters(self) -> list[Summary]:
        """All encounters, newest first, also those that are being recorded."""
        self._import()
        rows = self._rows("SELECT id FROM encounters")
        summaries = [self._summary(id_) for (id_,) in rows]
        summaries += self._live()
        return sorted(summaries, key=lambda one: (one.started_at, one.id), reverse=True)

    def find(self, prefix: str) -> str:
        """The id that begins so; raises StoreError where none does, or several."""
        start = prefix.strip().lower()
        ids = [one.id for one in self.encounters() if one.id.startswith(start)]
        if not start or not ids:
            raise StoreError(f"{prefix}: no encounter begins so: see `voicemed encounters list`")
        if len(ids) > 1 and start not in ids:
            raise StoreError(f"{prefix}: {len(ids)} encounters begin so: give more of the id")
        return start if start in ids else ids[0]

    def read(self, id_: str) -> EncounterRecord:
        """An encounter as it stands after all edits; the audit log says that it was opened."""
        self._check_content(id_)
        self._log("opened", id_)
        return self._record(id_)

    def audio(self, id_: str, *, salvage: bool = False) -> Iterator[AudioChunk]:
        """The sound, in chunks of at most half a second; nothing if none is kept.

        salvage: silence in place of damaged pieces; without it they raise StoreDamaged.
        """
        row = self._row(id_)
        if not row.audio_kept:
            return
        self._log("listened", id_)
        folder = self._folder_of(id_)
        with _disk(folder):
            yield from recorder.sound(folder, self._keys.private, row.audio_digest, salvage=salvage)

    def search(self, query: str) -> list[Hit]:
        """Where all words of the query stand together, best first; the last may be a beginning."""
        words = _searchable(query).split()
        if not words:
            return []
        terms = " ".join(f'"{word.replace(chr(34), chr(34) * 2)}"' for word in words)
        rows = self._rows(
            "SELECT encounter, part, number, snippet(search, 3, '', '', '…', 16) FROM search "
            "WHERE search MATCH ? ORDER BY rank LIMIT 1000",
            f"{terms}*",
        )
        self._log("searched")
        began = {id_: self._row(id_).began.started_at for id_ in {row[0] for row in rows}}
        return [Hit(row[0], began[row[0]], row[1], row[2], _readable(row[3])) for row in rows]

    # --- importing -------------------------------------------------------------------------------

    def _import(self) -> None:
        """Take in what was recorded; one encounter that cannot be read does not hide the others."""
        known = {id_ for (id_,) in self._rows("SELECT id FROM encounters")}
        for folder in self._folders():
            if folder.name in known or recorder.is_live(folder):
                continue
            try:
                captured = recorder.read(folder, self._keys.private)
            except (StoreError, OSError) as error:
                self._problem(
                    str(error) if isinstance(error, StoreError) else f"{folder}: cannot be read"
                )
                continue
            if captured is not None:
                for problem in captured.problems:
                    self._problem(problem)
                self._insert(folder, captured)

    def _problem(self, line: str) -> None:
        if line not in self.problems:
            self.problems.append(line)

    def _folders(self) -> list[Path]:
        """Of encounters, imported or not."""
        with _disk(self._folder):
            places = sorted((self._folder / ENCOUNTERS).iterdir())
        return [place for place in places if _is_id(place.name)]

    def _insert(self, folder: Path, captured: Captured) -> None:
        id_ = folder.name
        began = captured.began or _unknown(folder)
        ended = captured.ended
        state = State.COMPLETE if ended is not None else State.RECOVERED
        if captured.problems:
            state = State.DAMAGED
        turns = tuple(captured.turns[number] for number in sorted(captured.turns))
        findings = edits.within(captured.findings, turns)
        sound = captured.audio_samples / SAMPLE_RATE
        with self._change():
            self._execute(
                "INSERT INTO encounters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                id_,
                codec.encode(began),
                codec.encode(ended),
                state,
                codec.encode(captured.consents),
                captured.note,
                captured.audio_digest,
                captured.audio_samples,
                int(captured.audio_samples > 0),
            )
            self._insert_transcript(
                id_, 1, captured.language, ended.model if ended else "", turns, findings
            )
            who = who_is(began.clinician, began.user)
            details = f"{began.kind}, {state}, {len(turns)} turns, {sound:.1f} s of sound"
            self._append(
                "recorded",
                id_,
                details,
                content=self._content_digest(id_),
                who=who,
                at=began.started_at,
            )
            for consent in captured.consents:
                action = "consent recorded" if consent.given else "consent refused"
                self._append(
                    action, id_, f"by {consent.by}", who=consent.recorded_by, at=consent.at
                )
            for event in captured.events:
                self._append(event.action, id_, event.details, who=who, at=event.at)
            if captured.problems:
                self._append("damage found", id_, f"{len(captured.problems)} problems")
            self._index(id_)

    def _insert_transcript(
        self,
        id_: str,
        version: int,
        language: str,
        model: str,
        turns: Sequence[Turn],
        findings: Sequence[Finding],
    ) -> None:
        self._execute(
            "INSERT INTO transcripts VALUES (?, ?, ?, ?, ?, ?)",
            id_, version, language, model, codec.encode(turns), codec.encode(findings),
        )  # fmt: skip

    def _index(self, id_: str) -> None:
        """Make the text of an encounter findable, as it stands."""
        self._execute("DELETE FROM search WHERE encounter = ?", id_)
        record = self._record(id_)
        patient = f"{record.patient.name} {record.patient.identifier}"
        texts = [("patient", 0, patient), ("note", 0, record.note)]
        texts += [("turn", turn.id, turn.text) for turn in record.turns]
        texts += [("finding", n, _described(f)) for n, f in enumerate(record.findings, 1)]
        for part, number, text in texts:
            if text.strip():
                self._execute(
                    "INSERT INTO search VALUES (?, ?, ?, ?)", id_, part, number, _searchable(text)
                )

    def _live(self) -> Iterator[Summary]:
        """Of the encounters that are being recorded, as far as they are on the disk."""
        known = {id_ for (id_,) in self._rows("SELECT id FROM encounters")}
        for folder in self._folders():
            if folder.name in known or not recorder.is_live(folder):
                continue
            with suppress(StoreError, OSError):
                captured = recorder.read(folder, self._keys.private)
                if captured is not None and captured.began is not None:
                    yield _summary_of_live(folder.name, captured.began, captured)

    # --- deleting --------------------------------------------------------------------------------

    def delete(self, id_: str) -> str:
        """Destroy an encounter's keys and all that is stored of it; returns what remains of it."""
        details = self._row(id_).began.kind
        with self._change():
            for table in ("search", "edits", "transcripts"):
                self._execute(f"DELETE FROM {table} WHERE encounter = ?", id_)  # noqa: S608
            self._execute("DELETE FROM encounters WHERE id = ?", id_)
            self._execute("INSERT INTO deleted VALUES (?)", id_)
            self._append("deleted", id_, details)
        self._shred(id_)
        return ""

    def _finish_deletions(self) -> None:
        """Of encounters whose deletion a crash interrupted."""
        for (id_,) in self._rows("SELECT encounter FROM deleted"):
            self._shred(id_)

    def _shred(self, id_: str) -> None:
        folder = self._folder_of(id_)
        if not folder.exists():
            return
        with _disk(folder):
            for key in sorted(folder.glob("*.key")):
                shred(key)
            shutil.rmtree(folder)
            sync_folder(folder.parent)

    # --- rows ------------------------------------------------------------------------------------

    def _row(self, id_: str) -> _Row:
        rows = self._rows("SELECT * FROM encounters WHERE id = ?", id_)
        if not rows:
            if _is_id(id_) and recorder.is_live(self._folder_of(id_)):
                raise StoreError(f"{id_}: is being recorded: wait until it has ended")
            raise StoreError(f"{id_}: no such encounter: see `voicemed encounters list`")
        _, began, ended, state, consents, note, digest, samples, kept = rows[0]
        return _Row(
            self._decoded(Began, began),
            self._decoded(Ended | None, ended),
            State(state),
            self._decoded(tuple[Consent, ...], consents),
            note,
            digest,
            samples,
            bool(kept),
        )

    def _transcript(self, id_: str) -> _Transcript:
        row = self._rows(
            "SELECT version, language, model, turns, findings FROM transcripts "
            "WHERE encounter = ? ORDER BY version DESC LIMIT 1",
            id_,
        )[0]
        version, language, model, turns, findings = row
        return _Transcript(
            version,
            language,
            model,
            self._decoded(tuple[Turn, ...], turns),
            self._decoded(tuple[Finding, ...], findings),
        )

    def _edits(self, id_: str) -> list[tuple[int, Edit]]:
        """Each with the version of the transcript that it is of, oldest first."""
        rows = self._rows(
            "SELECT version, edit FROM edits WHERE encounter = ? ORDER BY number", id_
        )
        return [(version, self._decoded(Edit, edit)) for version, edit in rows]

    def _current(self, id_: str) -> edits.Content:
        """What was recorded, with the edits."""
        transcript = self._transcript(id_)
        content = edits.Content(transcript.turns, transcript.findings, self._row(id_).note)
        return edits.applied(
            content,
            (
                edit
                for version, edit in self._edits(id_)
                if version == transcript.version or edit.what == edits.NOTE
            ),
        )

    def _record(self, id_: str) -> EncounterRecord:
        row, transcript, content = self._row(id_), self._transcript(id_), self._current(id_)
        ended = row.ended
        return EncounterRecord(
            id=id_,
            kind=row.began.kind,
            started_at=row.began.started_at,
            ended_at=ended.at if ended else None,
            recovered=ended is None,
            patient=row.began.patient,
            clinician=row.began.clinician,
            turns=content.turns,
            findings=content.findings,
            note=content.note,
            consents=row.consents,
            edits=tuple(edit for _, edit in self._edits(id_)),
            audit=tuple(self._entries("WHERE encounter = ?", id_)),
            audio_seconds=row.audio_samples / SAMPLE_RATE if row.audio_kept else 0.0,
            language=transcript.language,
            model=transcript.model,
            source=row.began.source,
            dropped=dict(ended.dropped) if ended else {},
        )

    def _summary(self, id_: str) -> Summary:
        row, transcript = self._row(id_), self._transcript(id_)
        said = max((turn.end for turn in transcript.turns), default=0.0)
        sound = row.audio_samples / SAMPLE_RATE
        missing = row.ended is None and transcript.version == 1 and row.audio_kept
        exported = self._rows(
            "SELECT 1 FROM audit WHERE encounter = ? AND action = 'exported' LIMIT 1", id_
        )
        return Summary(
            id=id_,
            kind=row.began.kind,
            started_at=row.began.started_at,
            duration=sound or said,
            patient=row.began.patient,
            clinician=row.began.clinician,
            source=row.began.source,
            state=row.state,
            turns=len(transcript.turns),
            findings=len(transcript.findings),
            audio_seconds=sound if row.audio_kept else 0.0,
            untranscribed=max(0.0, sound - said) if missing else 0.0,
            edited=bool(self._edits(id_)),
            exported=bool(exported),
        )

    def _folder_of(self, id_: str) -> Path:
        return self._folder / ENCOUNTERS / id_

    def _decoded(self, kind: Any, text: str) -> Any:
        try:
            return codec.decode(kind, text)
        except ValueError as error:
            raise StoreDamaged(
                f"{self._folder / database.NAME}: holds what this voicemed cannot read: install a "
                "newer one, or restore a backup"
            ) from error

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        with database.failures(self._folder):
            rows: list[Any] = self._database.execute(sql, values).fetchall()
        return rows

    def _execute(self, sql: str, *values: Any) -> None:
        self._rows(sql, *values)

    @contextmanager
    def _change(self) -> Iterator[None]:
        """All of a change, or nothing of it; within another change it is part of that one."""
        if self._database.in_transaction:
            yield
            return
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            with suppress(StoreError):
                self._execute("ROLLBACK")
            raise

    # --- the audit log ---------------------------------------------------------------------------

    def audit(self) -> list[AuditEntry]:
        """All entries, oldest first."""
        return list(self._entries(""))

    def _entries(self, which: str, *values: Any) -> Iterator[AuditEntry]:
        sql = f"SELECT {_AUDIT_COLUMNS} FROM audit {which} ORDER BY number"  # noqa: S608
        for number, at, *texts in self._rows(sql, *values):
            yield AuditEntry(number, datetime.fromisoformat(at), *texts)

    def _log(self, action: str, encounter: str = "", details: str = "") -> None:
        with self._change():
            self._append(action, encounter, details)

    def _append(
        self,
        action: str,
        encounter: str = "",
        details: str = "",
        *,
        content: str = "",
        who: str = "",
        at: datetime | None = None,
    ) -> None:
        last = list(self._entries("WHERE number = (SELECT max(number) FROM audit)"))
        one = audit.entry(
            last[0] if last else None,
            str(self._file.id),
            who=who or self._who,
            action=action,
            encounter=encounter,
            details=details,
            content=content,
            at=at,
        )
        self._execute(
            "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            one.number, one.at.isoformat(), one.who, one.action, one.encounter, one.details,
            one.digest, one.content,
        )  # fmt: skip

    def _content_digest(self, id_: str) -> str:
        """Over all that the database has of an encounter, history included."""
        rows = [
            self._rows(f"SELECT * FROM {table} WHERE {key} = ? ORDER BY 1, 2", id_)  # noqa: S608
            for table, key in (
                ("encounters", "id"),
                ("transcripts", "encounter"),
                ("edits", "encounter"),
            )
        ]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def _check_content(self, id_: str) -> None:
        """Raises StoreDamaged where an encounter is not what the audit log says of it."""
        self._row(id_)
        said = self._rows(
            "SELECT content FROM audit WHERE encounter = ? AND content <> '' "
            "ORDER BY number DESC LIMIT 1",
            id_,
        )
        if not said or said[0][0] != self._content_digest(id_):
            raise StoreDamaged(
                f"{id_}: is not what the audit log says of it, somebody changed "
                f"{self._folder / database.NAME}: restore a backup"
            )


@dataclass(frozen=True, slots=True)
class _Row:
    """Of the table of encounters."""

    began: Began
    ended: Ended | None
    state: State
    consents: tuple[Consent, ...]
    note: str
    audio_digest: str
    audio_samples: int
    audio_kept: bool


@dataclass(frozen=True, slots=True)
class _Transcript:
    version: int
    language: str
    model: str
    turns: tuple[Turn, ...]
    findings: tuple[Finding, ...]


def who_is(clinician: str, user: str = "") -> str:
    """For the audit log: the clinician, with the user of the operating system."""
    user = user or getpass.getuser()
    return f"{clinician} ({user})" if clinician and clinician != user else user


def _summary_of_live(id_: str, began: Began, captured: Captured) -> Summary:
    sound = captured.audio_samples / SAMPLE_RATE
    return Summary(
        id=id_,
        kind=began.kind,
        started_at=began.started_at,
        duration=sound,
        patient=began.patient,
        clinician=began.clinician,
        source=began.source,
        state=State.RECORDING,
        turns=len(captured.turns),
        findings=len(captured.findings),
        audio_seconds=sound,
        untranscribed=0.0,
        edited=False,
        exported=False,
    )


def _unknown(folder: Path) -> Began:
    """Of an encounter whose beginning is lost."""
    with _disk(folder):
        at = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
    return Began(EncounterKind.SESSION, "", "", Patient(), "", at, with_audio=True)


def _described(finding: Finding) -> str:
    return f"{finding.concept.display} {finding.concept.code} {finding.details}"


_CJK = re.compile(r"([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff])")


def _searchable(text: str) -> str:
    """Text in which each Chinese character is a word: there is nothing between them to tell."""
    return _CJK.sub(r" \1 ", text)


def _readable(text: str) -> str:
    return re.sub(rf" ?{_CJK.pattern} ?", r"\1", text).strip()


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


@contextmanager
def _locked(folder: Path, wait: Seconds) -> Iterator[None]:
    lock = FileLock(folder / _LOCK, mode=0o600, thread_local=False)
    try:
        lock.acquire(timeout=wait)
    except Timeout as error:
        raise StoreBusy(f"{folder}: another voicemed has it open: close that one first") from error
    except OSError as error:
        raise StoreError(f"{folder}: cannot be locked: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _disk(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{place}: cannot be read or written: {error.strerror or type(error).__name__}"
        ) from error
