"""Encounters and the audit log as rows of record.db.

What was recorded is written once: a correction is a row of its own, a transcript made again is the
next version, and reading applies the corrections. Each change adds an entry to the audit log that
holds a digest of all rows of the encounter. So rows that were changed by other means are found out,
also by somebody who puts back an older page of the database, which SQLCipher takes for genuine.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from voicemed import audit, codec, database, edits
from voicemed.audio import SAMPLE_RATE, Seconds
from voicemed.encounter import AuditEntry, Consent, Edit, EncounterKind, EncounterRecord, Patient
from voicemed.errors import StoreDamaged, StoreError
from voicemed.findings import Finding
from voicemed.recorder import Began, Captured, Ended
from voicemed.transcript import Turn

_COLUMNS = (
    "began, ended, state, consents, note, journal_digest, journal_frames, "
    "audio_digest, audio_frames, audio_samples, audio_kept"
)
_MOST_TEXTS = 1 << 24
"Of one encounter in the search: row ids are divided among the encounters."
_AUDIT_COLUMNS = "number, at, who, action, encounter, details, digest, content"
RECORDED, EXPORTED, DELETED = "recorded", "exported", "deleted"
"What the audit log calls that."


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
class Row:
    """Of the table of encounters."""

    began: Began
    ended: Ended | None
    state: State
    consents: tuple[Consent, ...]
    note: str
    journal_digest: str
    "Which journal it is from, as in recorder.Captured."
    journal_frames: int
    audio_digest: str
    audio_frames: int
    audio_samples: int
    "That were recorded."
    audio_kept: bool
    "They are stored still."

    @property
    def audio_seconds(self) -> Seconds:
        """Of sound that is stored."""
        return self.audio_samples / SAMPLE_RATE if self.audio_kept else 0.0


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard, or heard again, before any correction."""

    version: int
    "From 1."
    language: str
    model: str
    turns: tuple[Turn, ...]
    findings: tuple[Finding, ...]


class Records:
    """The rows. Methods raise StoreError; StoreDamaged for rows that cannot be right."""

    def __init__(self, connection: Any, folder: Path, store: str, who: str) -> None:
        """store: its id. who: does what the audit log notes, where nothing else is said."""
        self._database, self._folder = connection, folder
        self._store, self.who = store, who

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """All of a change, or nothing of it; on the disk at its end."""
        self._do("BEGIN IMMEDIATE")
        try:
            yield
            self._do("COMMIT")
        except BaseException:
            with suppress(StoreError):
                self._do("ROLLBACK")
            raise

    # --- reading ---------------------------------------------------------------------------------

    def ids(self) -> list[str]:
        """Of all encounters."""
        return [id_ for (id_,) in self._do("SELECT id FROM encounters ORDER BY id")]

    def without_sound(self) -> list[str]:
        """Ids of encounters whose sound is not to be kept, or that had none."""
        return [id_ for (id_,) in self._do("SELECT id FROM encounters WHERE audio_kept = 0")]

    def deleted(self) -> set[str]:
        """Ids of encounters that were deleted."""
        return {id_ for (id_,) in self._do("SELECT encounter FROM deleted")}

    def row(self, id_: str) -> Row:
        """What was recorded of an encounter."""
        rows = self._do(f"SELECT {_COLUMNS} FROM encounters WHERE id = ?", id_)  # noqa: S608
        if not rows:
            raise StoreError(f"{id_}: no such encounter: see `voicemed encounters list`")
        began, ended, state, consents, note, *streams, kept = rows[0]
        journal_digest, journal_frames, audio_digest, audio_frames, audio_samples = streams
        return Row(
            self._decoded(Began, began),
            self._decoded(Ended | None, ended),
            State(state),
            self._decoded(tuple[Consent, ...], consents),
            note,
            journal_digest,
            journal_frames,
            audio_digest,
            audio_frames,
            audio_samples,
            bool(kept),
        )

    def transcript(self, id_: str) -> Transcript:
        """The newest version."""
        rows = self._do(
            "SELECT version, language, model, turns, findings FROM transcripts "
            "WHERE encounter = ? ORDER BY version DESC LIMIT 1",
            id_,
        )
        if not rows:
            raise self._changed(id_)
        version, language, model, turns, findings = rows[0]
        return Transcript(
            version,
            language,
            model,
            self._decoded(tuple[Turn, ...], turns),
            self._decoded(tuple[Finding, ...], findings),
        )

    def edits_of(self, id_: str) -> list[tuple[int, Edit]]:
        """Each with the version of the transcript that it is of, oldest first."""
        rows = self._do("SELECT version, edit FROM edits WHERE encounter = ? ORDER BY number", id_)
        return [(version, self._decoded(Edit, edit)) for version, edit in rows]

    def content(self, id_: str) -> edits.Content:
        """What can be corrected, as it stands."""
        transcript = self.transcript(id_)
        row = self.row(id_)
        recorded = edits.Content(
            transcript.turns, transcript.findings, row.note, row.began.patient, row.consents
        )
        valid = (
            edit
            for version, edit in self.edits_of(id_)
            if version == transcript.version or edits.of_all_versions(edit.what)
        )
        try:
            return edits.applied(recorded, valid)
        except (LookupError, ValueError, StopIteration) as error:
            raise self._changed(id_) from error

    def _patient(self, id_: str, recorded: Patient) -> Patient:
        """Who it is about, as it stands; quicker than all of the content."""
        changes = (edit for _, edit in self.edits_of(id_) if edit.what in edits.PATIENT)
        return edits.applied(edits.Content((), (), "", recorded), changes).patient

    def record(self, id_: str) -> EncounterRecord:
        """All of an encounter as it stands."""
        row, transcript, content = self.row(id_), self.transcript(id_), self.content(id_)
        ended = row.ended
        return EncounterRecord(
            id=id_,
            kind=row.began.kind,
            started_at=row.began.started_at,
            ended_at=ended.at if ended else None,
            recovered=ended is None,
            patient=content.patient,
            clinician=row.began.clinician,
            turns=content.turns,
            findings=content.findings,
            note=content.note,
            consents=content.consents,
            edits=tuple(edit for _, edit in self.edits_of(id_)),
            audit=tuple(self.entries(id_)),
            audio_seconds=row.audio_seconds,
            language=transcript.language,
            model=transcript.model,
            source=row.began.source,
            dropped=dict(ended.dropped) if ended else {},
        )

    def summary(self, id_: str) -> Summary:
        """An encounter in a list."""
        row = self.row(id_)
        rows = self._do(
            "SELECT version, turn_count, finding_count, said FROM transcripts "
            "WHERE encounter = ? ORDER BY version DESC LIMIT 1",
            id_,
        )
        if not rows:
            raise self._changed(id_)
        version, turns, findings, said = rows[0]
        unfinished = row.ended is None and version == 1
        return Summary(
            id=id_,
            kind=row.began.kind,
            started_at=row.began.started_at,
            duration=row.audio_samples / SAMPLE_RATE or said,
            patient=self._patient(id_, row.began.patient),
            clinician=row.began.clinician,
            source=row.began.source,
            state=row.state,
            turns=turns,
            findings=findings,
            audio_seconds=row.audio_seconds,
            untranscribed=max(0.0, row.audio_seconds - said) if unfinished else 0.0,
            edited=bool(self._do("SELECT 1 FROM edits WHERE encounter = ? LIMIT 1", id_)),
            exported=self.exported(id_),
        )

    def was_recorded(self, id_: str) -> bool:
        """Whether the audit log has it that this encounter was taken in."""
        return bool(self._recorded(id_))

    def _recorded(self, id_: str) -> int:
        """How often."""
        (count,) = self._do(
            "SELECT count(*) FROM audit WHERE encounter = ? AND action = ? AND content <> ''",
            id_,
            RECORDED,
        )[0]
        return int(count)

    def exported(self, id_: str) -> bool:
        """Whether an encounter has been exported as it stands."""
        changed, exported = self._do(
            "SELECT max(CASE WHEN content <> '' THEN number END), "
            "max(CASE WHEN action = ? THEN number END) FROM audit WHERE encounter = ?",
            EXPORTED,
            id_,
        )[0]
        return exported is not None and exported > (changed or 0)

    def search(self, query: str) -> list[Hit]:
        """Where all words of a query stand together, best first; the last may be a beginning."""
        terms = " ".join(_quoted(_searchable(word)) for word in query.split())
        if not terms:
            return []
        rows = self._do(
            "SELECT encounter, part, number, snippet(search, 3, '', '', '…', 16) FROM search "
            "WHERE search MATCH ? ORDER BY rank LIMIT 1000",
            f"{terms}*",
        )
        began = {id_: self.row(id_).began.started_at for id_ in {row[0] for row in rows}}
        return [Hit(row[0], began[row[0]], row[1], row[2], _readable(row[3])) for row in rows]

    # --- changing, within `change` ---------------------------------------------------------------

    def insert(self, id_: str, began: Began, captured: Captured) -> Row:
        """What a recorder left."""
        state = State.COMPLETE if captured.ended is not None else State.RECOVERED
        row = Row(
            began,
            captured.ended,
            State.DAMAGED if captured.problems else state,
            tuple(captured.consents),
            captured.note,
            captured.journal_digest,
            captured.journal_frames,
            captured.audio_digest,
            captured.audio_frames,
            captured.audio_samples,
            captured.audio_samples > 0,
        )
        self._do(
            f"INSERT INTO encounters (id, {_COLUMNS}) "  # noqa: S608
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            id_,
            codec.encode(row.began),
            codec.encode(row.ended),
            row.state,
            codec.encode(row.consents),
            row.note,
            row.journal_digest,
            row.journal_frames,
            row.audio_digest,
            row.audio_frames,
            row.audio_samples,
            int(row.audio_kept),
        )
        turns = tuple(captured.turns[number] for number in sorted(captured.turns))
        model = captured.ended.model if captured.ended else ""
        findings = edits.within(captured.findings, turns)
        self.add_transcript(id_, Transcript(1, captured.language, model, turns, findings))
        return row

    def add_transcript(self, id_: str, transcript: Transcript) -> None:
        """A version; those before are kept."""
        self._do(
            "INSERT INTO transcripts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            id_,
            transcript.version,
            transcript.language,
            transcript.model,
            codec.encode(transcript.turns),
            codec.encode(transcript.findings),
            len(transcript.turns),
            len(transcript.findings),
            max((turn.end for turn in transcript.turns), default=0.0),
        )
        self._index(id_)

    def add_edit(self, id_: str, edit: Edit) -> None:
        """A correction of the newest version."""
        self._do(
            "INSERT INTO edits (encounter, version, edit) VALUES (?, ?, ?)",
            id_,
            self.transcript(id_).version,
            codec.encode(edit),
        )
        self._index(id_)

    def forget_sound(self, id_: str) -> None:
        """That the sound of an encounter is not stored any more."""
        self._do("UPDATE encounters SET audio_kept = 0 WHERE id = ?", id_)

    def delete(self, id_: str) -> None:
        """All of an encounter but the entries of the audit log."""
        self._unindex(id_)
        for table in ("edits", "transcripts"):
            self._do(f"DELETE FROM {table} WHERE encounter = ?", id_)  # noqa: S608
        self._do("DELETE FROM encounters WHERE id = ?", id_)
        self.bury(id_)

    def bury(self, id_: str) -> None:
        """That an encounter is deleted, also one that never got here."""
        self._do("INSERT INTO deleted VALUES (?)", id_)

    def _index(self, id_: str) -> None:
        """Make the text of an encounter findable, as it stands."""
        self._unindex(id_)
        places = self._places(id_)
        for place, values in zip(places, self._texts(id_), strict=False):
            self._do(
                "INSERT INTO search (rowid, encounter, part, number, text) VALUES (?, ?, ?, ?, ?)",
                place,
                *values,
            )

    def _unindex(self, id_: str) -> None:
        places = self._places(id_)
        sql = "DELETE FROM search WHERE rowid >= ? AND rowid < ?"
        self._do(sql, places.start, places.stop)

    def _places(self, id_: str) -> range:
        """The row ids of an encounter in the search, which has no other index of its rows."""
        ((number,),) = self._do("SELECT number FROM encounters WHERE id = ?", id_)
        return range(number * _MOST_TEXTS, (number + 1) * _MOST_TEXTS)

    def _texts(self, id_: str) -> list[tuple[str, str, int, str]]:
        """The rows of the search that an encounter should have."""
        content = self.content(id_)
        texts = [("patient", 0, f"{content.patient.name} {content.patient.identifier}")]
        texts += [("note", 0, content.note)]
        texts += [("turn", turn.id, turn.text) for turn in content.turns]
        texts += [("finding", n, _described(f)) for n, f in enumerate(content.findings, 1)]
        return [(id_, part, n, _searchable(text)) for part, n, text in texts if text.strip()]

    # --- the audit log ---------------------------------------------------------------------------

    def entries(self, encounter: str | None = None) -> Iterator[AuditEntry]:
        """Of the audit log, or of what concerns one encounter, oldest first."""
        if encounter is None:
            return self._entries("")
        return self._entries("WHERE encounter = ?", encounter)

    def log(
        self,
        action: str,
        encounter: str = "",
        details: str = "",
        *,
        changed: bool = False,
        who: str = "",
        at: datetime | None = None,
    ) -> None:
        """Append an entry, within `change`; `changed`: the encounter is not what it was before."""
        last = list(self._entries("WHERE number = (SELECT max(number) FROM audit)"))
        one = audit.entry(
            last[0] if last else None,
            self._store,
            who=who or self.who,
            action=action,
            encounter=encounter,
            details=details,
            content=self._content_digest(encounter) if changed else "",
            at=at,
        )
        self._do(
            f"INSERT INTO audit ({_AUDIT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            one.number,
            one.at.isoformat(),
            one.who,
            one.action,
            one.encounter,
            one.details,
            one.digest,
            one.content,
        )

    def check_content(self, id_: str) -> None:
        """Raises StoreDamaged where an encounter is not what the audit log says of it."""
        self.row(id_)
        said = self._do(
            "SELECT content FROM audit WHERE encounter = ? AND content <> '' "
            "ORDER BY number DESC LIMIT 1",
            id_,
        )
        if not said or said[0][0] != self._content_digest(id_):
            raise self._changed(id_)

    def check_audit(self, head: str = "") -> list[str]:
        """What is wrong with the log, and where the encounters are not as it says; a line each."""
        entries = list(self.entries())
        found = audit.problems(entries, self._store, head)
        ids = self.ids()
        for id_ in ids:
            try:
                self.check_content(id_)
            except StoreDamaged as error:
                found.append(str(error))
        found += [
            f"{id_}: it was taken in again, something had removed it from the database"
            for id_ in ids
            if self._recorded(id_) > 1
        ]
        logged = {one.encounter for one in entries if one.content}
        found += [
            f"{id_}: this encounter is lost: the audit log has it, and not that it was deleted"
            for id_ in sorted(logged - set(ids) - self.deleted())
        ]
        said = {one.encounter for one in entries if one.action == DELETED}
        if said != self.deleted():
            found.append("the list of deleted encounters is not what the audit log says")
        return found

    def check_indexes(self) -> None:
        """Raises StoreDamaged where the search, or an index, does not find what is there."""
        self._do("INSERT INTO search (search) VALUES ('integrity-check')")
        found = self._do("SELECT encounter, part, number, text FROM search")
        texts = [row for id_ in self.ids() for row in self._texts(id_)]
        sound = self._do("PRAGMA integrity_check") == [("ok",)]
        if not sound or sorted(found) != sorted(texts) or not self._finds_all():
            raise StoreDamaged(
                f"{self._folder / database.NAME}: an index is not what it should be: restore a "
                "backup"
            )

    def _finds_all(self) -> bool:
        """Whether each word is found wherever it stands."""
        self._do(
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.words USING fts5vocab(main, search, instance)"
        )
        places: dict[str, set[int]] = {}
        for word, place in self._do("SELECT term, doc FROM temp.words"):
            places.setdefault(word, set()).add(place)
        sql = "SELECT rowid FROM search WHERE search MATCH ?"
        return all(
            {place for (place,) in self._do(sql, _quoted(word))} == there
            for word, there in places.items()
        )

    def _entries(self, which: str, *values: Any) -> Iterator[AuditEntry]:
        sql = f"SELECT {_AUDIT_COLUMNS} FROM audit {which} ORDER BY number"  # noqa: S608
        for number, at, *texts in self._do(sql, *values):
            yield AuditEntry(number, datetime.fromisoformat(at), *texts)

    def _content_digest(self, id_: str) -> str:
        """Over all that the database has of an encounter, history included."""
        rows = [
            self._do(f"SELECT * FROM {table} WHERE {key} = ? ORDER BY 1, 2", id_)  # noqa: S608
            for table, key in (
                ("encounters", "id"),
                ("transcripts", "encounter"),
                ("edits", "encounter"),
            )
        ]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def _changed(self, id_: str) -> StoreDamaged:
        return StoreDamaged(
            f"{id_}: is not what the audit log says of it, something changed "
            f"{self._folder / database.NAME}: restore a backup"
        )

    # --- the database ----------------------------------------------------------------------------

    def _decoded(self, kind: Any, text: str) -> Any:
        try:
            return codec.decode(kind, text)
        except ValueError as error:
            raise StoreDamaged(
                f"{self._folder / database.NAME}: holds what this voicemed cannot read: install a "
                "newer one, or restore a backup"
            ) from error

    def _do(self, sql: str, *values: Any) -> list[Any]:
        with database.failures(self._folder):
            rows: list[Any] = self._database.execute(sql, values).fetchall()
        return rows


def _described(finding: Finding) -> str:
    return f"{finding.concept.display} {finding.concept.code} {finding.details}"


_CJK = re.compile(r"([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff])")


def _searchable(text: str) -> str:
    """Text in which each Chinese character is a word: there is nothing between them to tell."""
    return _CJK.sub(r" \1 ", text)


def _quoted(word: str) -> str:
    """A word that is no operator of a query."""
    return '"' + word.replace('"', '""') + '"'


def _readable(text: str) -> str:
    return re.sub(rf" ?{_CJK.pattern} ?", r"\1", text).strip()
