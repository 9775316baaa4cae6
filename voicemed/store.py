"""The encrypted store of encounters: create it, record into it, open it, read, correct, delete.

    store.json      the keys, wrapped (keyfile.py)
    encounters/     one folder for each, written while it is captured, locked or not (recorder.py)
    record.db       all encounters for reading, searching and correcting, and the audit log
    store.lock      held by the one process that has the database open

The database is never in the way of a live session: an encounter is imported from its journal when
the store is next opened, also one that a crash ended. docs/store-format.md describes the files.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from voicemed import audit, backups, crypto, database, edits, keyfile, recorder
from voicemed.assertion import Status
from voicemed.audio import SAMPLE_RATE, AudioChunk, Seconds
from voicemed.encounter import AuditEntry, Edit, EncounterKind, EncounterRecord, Patient
from voicemed.errors import StoreBusy, StoreDamaged, StoreError
from voicemed.findings import Finding
from voicemed.ids import is_id, shortened
from voicemed.keyfile import KeyFile, Keys, exists
from voicemed.recorder import ENCOUNTERS, Began, Captured, Recorder
from voicemed.records import DELETED, EXPORTED, RECORDED, Hit, Records, State, Summary, Transcript
from voicemed.sealed import shred, sync_folder
from voicemed.transcript import Turn, one_line

__all__ = [
    "Correction",
    "Hit",
    "Recorder",
    "Removed",
    "Retention",
    "State",
    "Store",
    "Summary",
    "check_empty",
    "check_passphrase",
    "create",
    "exists",
    "rebuild",
    "restore",
    "who_is",
]

_LOCK = "store.lock"
_WAIT: Seconds = 2.0
"For another process to close the store."
_BACKED_UP, _BACKUP_FAILED = "backed up", "backup failed"
_IN_NO_BACKUP = "No backup by voicemed holds it; delete what other programs copied or exported."
_OPENED_BY_KEYRING = "opened by the keyring: open it with the passphrase for this"


@dataclass(frozen=True, slots=True)
class Correction:
    """What a doctor corrected, to learn from."""

    encounter: str
    what: str
    "As in Edit."
    before: str
    after: str
    finding: Finding | None
    "The finding whose status was corrected, as it stands now."
    turn: Turn | None
    "The turn whose text or speaker was corrected, likewise: its times say where the sound is."


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept; 0 means for ever."""

    audio_days: int = 30
    "After which sound is destroyed."
    text_days: int = 0
    "After which all of an encounter is destroyed."
    until_exported: bool = False
    "All of an encounter is destroyed once it has been exported as it stands."


@dataclass(frozen=True, slots=True)
class Removed:
    """What a policy destroyed."""

    encounter: str
    all: bool
    "Or only its sound."


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
            records = Records(connection, folder, str(file.id), audit.system_user())
            with closing(Store(folder, file, keys, records)) as store:
                store._log("store created")
            keyfile.save(folder, file)  # last: without it there is no store
            sync_folder(folder)
    return recovery_key


def check_passphrase(folder: Path, passphrase: str) -> None:
    """Raises WrongPassphrase, or StoreError; takes no lock of the database, and slows guesses."""
    keyfile.unlock(folder, keyfile.load(folder), passphrase).wipe()


def rebuild(folder: Path, passphrase: str, *, who: str) -> Path:
    """Make record.db anew from the journals, where it is damaged and there is no backup.

    Corrections and the audit log stay behind in the old one, whose new name is returned. Raises
    what `Store.open` raises, but for a damaged database.
    """
    file = keyfile.load(folder)
    with _disk(folder), _locked(folder, _WAIT):
        keys = keyfile.unlock(folder, file, passphrase)
        old = folder / f"{database.NAME}.{datetime.now(UTC):%Y%m%dT%H%M%S}"
        with suppress(FileNotFoundError):
            (folder / database.NAME).rename(old)
        connection = database.connect(folder, keys.master, new=True)
        with closing(
            Store(folder, file, keys, Records(connection, folder, str(file.id), who))
        ) as new:
            new._log("database made anew", details=old.name)
            new._import()
    return old


def restore(source: Path, folder: Path, passphrase: str, *, by_recovery_key: bool = False) -> None:
    """Make a store again from a backup, in a folder that is not there yet, or empty.

    by_recovery_key: what is given is not the passphrase. Raises WrongPassphrase, StoreDamaged for a
    backup that is not as it was written, StoreError.
    """
    check_empty(folder)
    with _disk(folder):
        partial = folder.with_name(f"{folder.name}.restoring")
        if partial.exists():
            shutil.rmtree(partial)  # of a restore that was interrupted
        partial.mkdir(mode=0o700, parents=True)
        try:
            unlock = keyfile.unlock_with_recovery_key if by_recovery_key else keyfile.unlock
            backups.unpack(source, partial, lambda file: unlock(partial, file, passphrase))
            with suppress(FileNotFoundError):
                folder.rmdir()
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        sync_folder(folder.parent)


def check_empty(folder: Path) -> None:
    """Raises StoreError where a store cannot be restored to, as there is something already."""
    with _disk(folder):
        if folder.exists() and any(folder.iterdir()):
            raise StoreError(f"{folder}: is not empty: move what is there away, or name another")


class Store:
    """An unlocked store; a context manager. One at a time for each folder, on the whole machine.

    What a method changes is on the disk when it returns, with its entry in the audit log. Methods
    raise StoreError for an encounter that is not there or a disk that cannot be written, and
    StoreDamaged for what was changed behind the store's back.
    """

    def __init__(self, folder: Path, file: KeyFile, keys: Keys, records: Records) -> None:
        """`open` is how to make one."""
        self._folder, self._file, self._keys, self._records = folder, file, keys, records
        self._proved = True  # somebody knew the passphrase or the recovery key
        self._closing = ExitStack()
        self._closing.callback(keys.wipe)
        self._closing.callback(records.close)
        self.problems: list[str] = []
        "Of encounters that could not be imported, or not as a whole; a line each."

    @classmethod
    def open(cls, folder: Path, passphrase: str, *, who: str, wait: Seconds = _WAIT) -> Store:
        """Unlock a store and import what was recorded since it was last open.

        who: does what is done from here on, for the audit log (`who_is`). wait: for another process
        to close it. Raises StoreMissing, StoreBusy, WrongPassphrase, StoreDamaged, StoreError.
        """
        return cls._open(folder, who, wait, lambda file: keyfile.unlock(folder, file, passphrase))

    @classmethod
    def open_with_recovery_key(
        cls, folder: Path, recovery_key: str, *, who: str, wait: Seconds = _WAIT
    ) -> Store:
        """As `open`; `change_passphrase` then sets a passphrase that somebody knows."""

        def unlock(file: KeyFile) -> Keys:
            return keyfile.unlock_with_recovery_key(folder, file, recovery_key)

        store = cls._open(folder, who, wait, unlock)
        store._log("unlocked with the recovery key")
        return store

    @classmethod
    def open_with_keyring(cls, folder: Path, *, who: str, wait: Seconds = _WAIT) -> Store | None:
        """As `open`, without a passphrase; None where the keyring does not have the key."""
        master = keyfile.remembered(keyfile.load(folder))
        if master is None:
            return None

        def unlock(file: KeyFile) -> Keys:
            return keyfile.unlock_with_master_key(folder, file, master)

        store = cls._open(folder, who, wait, unlock)
        store._proved = False
        return store

    @classmethod
    def _open(
        cls, folder: Path, who: str, wait: Seconds, unlock: Callable[[KeyFile], Keys]
    ) -> Store:
        keyfile.load(folder)  # where there is no store, no lock is made
        with ExitStack() as failed:
            failed.enter_context(_locked(folder, wait))
            file = keyfile.load(folder)
            keys = unlock(file)
            failed.callback(keys.wipe)
            connection = database.connect(folder, keys.master)
            store = cls(folder, file, keys, Records(connection, folder, str(file.id), who))
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
        summaries = list(self._live())
        for id_ in self._records.ids():
            with self._noting_damage():
                summaries.append(self._records.summary(id_))
        return sorted(summaries, key=lambda one: (one.started_at, one.id), reverse=True)

    def unreadable(self) -> list[str]:
        """Ids of encounters that are not being recorded, and could not be imported."""
        self._import()
        known = {*self._records.ids(), *self._records.deleted()}
        folders = [folder for folder in self._folders() if folder.name not in known]
        return [folder.name for folder in folders if not recorder.is_live(folder)]

    def listed(self) -> None:
        """Note in the audit log that somebody saw the list, which names patients."""
        self._log("listed")

    def find(self, prefix: str, *, unreadable: bool = False) -> str:
        """The id that begins so; raises StoreError where none does, or several.

        unreadable: also one that could not be imported, to delete it.
        """
        start = prefix.strip().lower()
        known = self._records.ids() + (self.unreadable() if unreadable else [])
        ids = [id_ for id_ in known if id_.startswith(start)]
        if not start or not ids:
            raise StoreError(f"{prefix}: no encounter begins so: see `voicemed encounters list`")
        if len(ids) > 1:
            raise StoreError(f"{prefix}: {len(ids)} encounters begin so: give more of the id")
        return ids[0]

    def read(self, id_: str) -> EncounterRecord:
        """An encounter as it stands after all edits; the audit log says that it was opened."""
        self._records.check_content(id_)
        self._log("opened", id_)
        return self._records.record(id_)

    def audio(self, id_: str, *, salvage: bool = False) -> Iterator[AudioChunk]:
        """The sound, in chunks of at most half a second; nothing if none is kept.

        salvage: silence in place of damaged pieces; without it they raise StoreDamaged.
        """
        row = self._records.row(id_)
        if not row.audio_kept:
            return
        self._log("listened", id_)
        folder = self._folder_of(id_)
        with _disk(folder):
            yield from recorder.sound(
                folder, self._keys.private, row.audio_digest, row.audio_frames, salvage=salvage
            )

    def search(self, query: str) -> list[Hit]:
        """Where all words of the query stand together, best first; the last may be a beginning."""
        hits = self._records.search(query)
        self._log("searched")
        return hits

    def corrections(self) -> list[Correction]:
        """What was corrected in all encounters, to learn from; ask the doctor before."""
        found: list[Correction] = []
        for id_ in self._records.ids():
            with self._noting_damage():
                found += self._corrections_of(id_)
        self._log("corrections collected", details=f"{len(found)}")
        return found

    def _corrections_of(self, id_: str) -> Iterator[Correction]:
        content, newest = self._records.content(id_), self._records.transcript(id_).version
        for version, edit in self._records.edits_of(id_):
            if version == newest and not edits.of_all_versions(edit.what):
                turn, finding = edits.place(content, edit.what)
                yield Correction(id_, edit.what, edit.before, edit.after, finding, turn)

    # --- correcting ------------------------------------------------------------------------------

    def edit_turn(self, id_: str, turn: int, text: str) -> None:
        """Another text for a turn, by its id."""
        self._edit(id_, f"turn {turn} text", one_line(text))

    def edit_speaker(self, id_: str, turn: int, speaker: str) -> None:
        """Another speaker of a turn, by its id."""
        self._edit(id_, f"turn {turn} speaker", one_line(speaker))

    def edit_status(self, id_: str, finding: int, status: Status) -> None:
        """Another status of a finding, by its number, from 1."""
        self._edit(id_, f"finding {finding} status", status.value)

    def edit_note(self, id_: str, markdown: str) -> None:
        """Another note."""
        self._edit(id_, edits.NOTE, markdown)

    def edit_patient(self, id_: str, patient: Patient) -> None:
        """Who the encounter is about; an edit for each part that differs."""
        for what, after in edits.patient_texts(patient).items():
            self._edit(id_, what, one_line(after))

    def edit_consent(self, id_: str, given: bool, by: str) -> bool:
        """What was said to the recording, noted later, beside what was noted before.

        Returns whether that is anything else.
        """
        return self._edit(id_, edits.CONSENT, edits.consent_text(given, by))

    def _edit(self, id_: str, what: str, after: str) -> bool:
        self._records.check_content(id_)
        before = edits.value(self._records.content(id_), what)
        if before == after:
            return False
        edit = Edit(datetime.now(UTC), self._records.who, what, before, after)
        with self._records.change():
            self._records.add_edit(id_, edit)
            self._records.log("edited", id_, what, changed=True)
        return True

    def replace_transcript(
        self,
        id_: str,
        turns: Sequence[Turn],
        findings: Sequence[Finding],
        model: str,
        language: str = "",
    ) -> None:
        """The sound transcribed again; the transcript before, and its edits, are kept as history.

        Edits of the note, of the patient and of the consent stay in force.
        """
        self._records.check_content(id_)
        old = self._records.transcript(id_)
        new = Transcript(
            old.version + 1,
            language or old.language,
            model,
            tuple(turns),
            edits.within(findings, turns),
        )
        with self._records.change():
            self._records.add_transcript(id_, new)
            self._records.log("transcribed again", id_, f"{len(turns)} turns", changed=True)

    def exported(self, id_: str, format_: str, target: str = "") -> None:
        """Note in the audit log that an encounter was exported; target: where to, if to a file."""
        self._records.row(id_)
        self._log(EXPORTED, id_, f"{format_} to {target}" if target else format_)

    # --- importing -------------------------------------------------------------------------------

    def _import(self) -> None:
        """Take in what was recorded; one encounter that cannot be read does not hide the others."""
        known = {*self._records.ids(), *self._records.deleted()}
        for folder in self._folders():
            if folder.name in known or recorder.is_live(folder):
                continue
            try:
                captured = recorder.read(folder, self._keys.private)
            except StoreDamaged as error:
                short = shortened(folder.name)
                self._problem(f"{error}, or destroy it: voicemed encounters delete {short}")
                continue
            except OSError as error:
                self._problem(f"{folder}: cannot be read: {error.strerror or 'see its files'}")
                continue
            if captured is not None:
                self._take_in(folder, captured)

    def _take_in(self, folder: Path, captured: Captured) -> None:
        id_, began = folder.name, captured.began or _unknown(folder)
        if self._records.was_recorded(id_):
            captured.problems.append(
                f"{id_}: something removed it from {self._folder / database.NAME}, it was taken in "
                "again as it was recorded: restore a backup to have its corrections"
            )
        who = who_is(began.clinician, began.user)
        with self._records.change():
            row = self._records.insert(id_, began, captured)
            details = (
                f"{began.kind}, {row.state}, {len(captured.turns)} turns, "
                f"{row.audio_seconds:.1f} s of sound"
            )
            self._records.log(RECORDED, id_, details, changed=True, who=who, at=began.started_at)
            for one in captured.consents:
                action = "consent recorded" if one.given else "consent refused"
                self._records.log(action, id_, f"by {one.by}", who=one.recorded_by, at=one.at)
            for event in captured.events:
                self._records.log(event.action, id_, event.details, who=who, at=event.at)
            if captured.problems:
                self._records.log("damage found", id_, f"{len(captured.problems)} problems")
        for problem in captured.problems:
            self._problem(problem)

    @contextmanager
    def _noting_damage(self) -> Iterator[None]:
        """What is wrong with one encounter keeps nobody from the others."""
        try:
            yield
        except StoreDamaged as error:
            self._problem(str(error))

    def _problem(self, line: str) -> None:
        if line not in self.problems:
            self.problems.append(line)

    def _live(self) -> Iterator[Summary]:
        """Of the encounters that are being recorded, as far as they are on the disk."""
        known = {*self._records.ids(), *self._records.deleted()}
        for folder in self._folders():
            if folder.name in known or not recorder.is_live(folder):
                continue
            with suppress(StoreError, OSError):  # it may be about to begin
                captured = recorder.read(folder, self._keys.private)
                if captured is not None and captured.began is not None:
                    yield _summary_of_live(folder.name, captured.began, captured)

    def _folders(self) -> list[Path]:
        """Of encounters, imported or not."""
        with _disk(self._folder):
            places = sorted((self._folder / ENCOUNTERS).iterdir())
        return [place for place in places if is_id(place.name)]

    def _folder_of(self, id_: str) -> Path:
        return self._folder / ENCOUNTERS / id_

    # --- deleting --------------------------------------------------------------------------------

    def delete(self, id_: str) -> str:
        """Destroy an encounter: its keys, then its files and rows; returns what remains of it.

        Also one that could not be imported: no backup holds that.
        """
        if id_ not in self._records.ids() and id_ in self.unreadable():
            with self._records.change():
                self._records.bury(id_)
                self._records.log(DELETED, id_, "could not be read")
            self._shred(id_)
            return _IN_NO_BACKUP
        row = self._records.row(id_)
        with self._records.change():
            self._records.delete(id_)
            self._records.log(DELETED, id_, row.began.kind)
        self._shred(id_)
        made = self._backups_since(row.began.started_at)
        if not made:
            return _IN_NO_BACKUP
        return (
            f"Backups that still hold it, until you delete them: {', '.join(made)}. "
            "So do exports, and copies by other programs."
        )

    def _backups_since(self, began: datetime) -> list[str]:
        made: list[str] = []
        for one in self._records.entries():
            if one.action == _BACKED_UP and one.at >= began:
                made.append(f"{one.at:%Y-%m-%d} {one.details}")
            elif one.action == _BACKUP_FAILED and made:
                made.pop()  # it follows at once
        return made

    def apply_retention(self, policy: Retention, now: datetime | None = None) -> list[Removed]:
        """Destroy what is older than the policy allows; returns what that was.

        Sound of an encounter that was tampered with stays, and is named in `problems`.
        """
        removed: list[Removed] = []
        for id_ in self._records.ids():
            with self._noting_damage():
                removed += self._retain(id_, policy, now or datetime.now(UTC))
        return removed

    def _retain(self, id_: str, policy: Retention, now: datetime) -> list[Removed]:
        row = self._records.row(id_)
        age = now - (row.ended.at if row.ended else row.began.started_at)
        exported = policy.until_exported and self._records.exported(id_)
        if exported or _older(age, policy.text_days):
            self.delete(id_)
            return [Removed(id_, all=True)]
        if row.audio_kept and _older(age, policy.audio_days):
            self._records.check_content(id_)  # or the log would vouch for what was forged
            with self._records.change():
                self._records.forget_sound(id_)
                self._records.log("sound deleted", id_, changed=True)
            self._shred_sound(id_)
            return [Removed(id_, all=False)]
        return []

    def _finish_deletions(self) -> None:
        """Of what a crash interrupted: the database knows first what is to be destroyed."""
        for id_ in self._records.deleted():
            self._shred(id_)
        for id_ in self._records.without_sound():
            self._shred_sound(id_)

    def _shred(self, id_: str) -> None:
        folder = self._folder_of(id_)
        if folder.exists():
            with _disk(folder):
                for key in sorted(folder.glob("*.key")):
                    shred(key)
                shutil.rmtree(folder)
                sync_folder(folder.parent)

    def _shred_sound(self, id_: str) -> None:
        folder = self._folder_of(id_)
        with _disk(folder):
            shred(folder / f"{recorder.AUDIO}.key")
            (folder / recorder.AUDIO).unlink(missing_ok=True)

    # --- the audit log ---------------------------------------------------------------------------

    def audit(self) -> list[AuditEntry]:
        """All entries, oldest first."""
        return list(self._records.entries())

    def audit_head(self) -> str:
        """What to print and keep elsewhere, to find out later whether the log was cut."""
        return audit.head(self.audit())

    def verify_audit(self, head: str = "") -> list[str]:
        """What is wrong with the log, and where the encounters are not as it says; a line each.

        head: of `audit_head`, from before. Raises StoreError for one that cannot be.
        """
        return self._records.check_audit(head)

    def verify_files(self) -> list[str]:
        """What is wrong with the files of the encounters, and the search; a line each.

        It reads all of them: about a second for ten hours of sound.
        """
        found: list[str] = []
        for id_ in self._records.ids():
            try:
                found += self._file_problems(id_)
            except StoreDamaged as error:
                found.append(str(error))
            except OSError as error:
                found.append(f"{self._folder_of(id_)}: cannot be read: {error.strerror}")
        try:
            self._records.check_indexes()
        except StoreDamaged as error:
            found.append(str(error))
        return found

    def _file_problems(self, id_: str) -> list[str]:
        folder, row = self._folder_of(id_), self._records.row(id_)
        captured = recorder.read(folder, self._keys.private, with_audio=row.audio_kept)
        if captured is None:
            return [f"{folder}: its files are lost: restore a backup"]
        if row.state is State.DAMAGED:
            return [f"{folder}: was damaged when it was taken in; the rest of it is readable"]
        found = list(captured.problems)
        sound = (captured.audio_digest, captured.audio_frames, captured.audio_samples)
        if row.audio_kept and sound != (row.audio_digest, row.audio_frames, row.audio_samples):
            found.append(f"{folder / recorder.AUDIO}: is not the sound that was recorded")
        journal = (captured.journal_digest, captured.journal_frames)
        if journal != (row.journal_digest, row.journal_frames):
            found.append(f"{folder / recorder.JOURNAL}: is not the journal that was imported")
        return found

    def _log(self, action: str, encounter: str = "", details: str = "") -> None:
        with self._records.change():
            self._records.log(action, encounter, details)

    # --- keys and backups ------------------------------------------------------------------------

    def change_passphrase(self, new: str) -> None:
        """Another passphrase; nothing is encrypted again but the master key."""
        self._check_proved()
        self._file = keyfile.change_passphrase(self._folder, self._file, self._keys, new)
        self._log("passphrase changed")

    def new_recovery_key(self) -> str:
        """Another recovery key; the one before is worth nothing any more."""
        self._check_proved()
        self._file, key = keyfile.new_recovery_key(self._folder, self._file, self._keys)
        self._log("recovery key changed")
        return key

    def remember(self) -> None:
        """Keep the master key in the keyring of the operating system, for `open_with_keyring`.

        Raises StoreError where there is no keyring that encrypts.
        """
        keyfile.remember(self._file, self._keys)
        self._log("key put into the keyring")

    def forget(self) -> None:
        """Take the master key out of the keyring."""
        keyfile.forget(self._file)
        self._log("key taken out of the keyring")

    def backup(self, target: Path) -> list[str]:
        """Copy all into one encrypted file, read it again, and return what it does not hold.

        That is what is being recorded just now. It opens with the passphrase of today, or with the
        recovery key. Raises StoreError where the file exists or cannot be written.
        """
        self._import()
        ids = self._records.ids()
        self._log(_BACKED_UP, details=target.name)  # before, to be in it
        folders = [self._folder_of(id_) for id_ in ids]
        try:
            with _disk(target):
                backups.pack(self._folder, folders, target, self._file, self._keys.master)
        except BaseException:
            with suppress(StoreError):  # the first failure is the one to tell
                self._log(_BACKUP_FAILED, details=target.name)
            raise
        return [
            folder.name
            for folder in self._folders()
            if folder.name not in ids and recorder.is_live(folder)
        ]

    def _check_proved(self) -> None:
        if not self._proved:
            raise StoreError(f"{self._folder}: was {_OPENED_BY_KEYRING}")


def who_is(clinician: str, user: str = "") -> str:
    """For the audit log: the clinician, with the user of the operating system."""
    user = user or audit.system_user()
    return f"{clinician} ({user})" if clinician and clinician != user else user


def _older(age: timedelta, days: int) -> bool:
    return 0 < days <= age / timedelta(days=1)


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
