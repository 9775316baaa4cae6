"""The store as a whole: what is recorded is found, read, corrected, kept and destroyed."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sample_store
from sample_store import PASSPHRASE, open_store, turn

from voicemed import audit, keyfile, store
from voicemed.assertion import Status
from voicemed.encounter import Patient
from voicemed.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreMissing,
    VoicemedError,
    WrongPassphrase,
)
from voicemed.store import Removed, Retention, State, Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sample_store.create(tmp_path / "store")
    return tmp_path / "store"


def state_of(opened: Store, id_: str) -> State:
    return next(one.state for one in opened.encounters() if one.id == id_)


def actions(opened: Store, id_: str | None = None) -> list[str]:
    return [one.action for one in opened.audit() if id_ is None or one.encounter == id_]


# --- making and opening --------------------------------------------------------------------------


def test_a_store_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "store"
    assert not store.exists(folder)
    recovery_key = sample_store.create(folder)
    assert store.exists(folder)
    assert len(recovery_key) == 9 * 4 + 8
    with pytest.raises(StoreError, match="there is a store already"):
        sample_store.create(folder)
    if os.name == "posix":
        assert folder.stat().st_mode & 0o777 == 0o700
        for path in folder.rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path


def test_it_opens_with_its_passphrase_only(folder: Path) -> None:
    store.check_passphrase(folder, PASSPHRASE)
    with pytest.raises(WrongPassphrase):
        store.check_passphrase(folder, "something else")
    with pytest.raises(WrongPassphrase):
        Store.open(folder, "something else", who="me")
    with pytest.raises(StoreMissing):
        Store.open(folder / "elsewhere", PASSPHRASE, who="me")
    assert not (folder / "elsewhere").exists()


def test_two_at_once_are_refused_but_not_the_check_of_a_passphrase(folder: Path) -> None:
    with open_store(folder):
        with pytest.raises(StoreBusy, match="another voicemed has it open"):
            open_store(folder)
        store.check_passphrase(folder, PASSPHRASE)
    open_store(folder).close()


def test_another_process_is_refused(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from voicemed.store import Store\n"
        f"try: Store.open(Path(sys.argv[1]), {PASSPHRASE!r}, who='other', wait=0)\n"
        "except Exception as error: print(type(error).__name__)"
    )
    with open_store(folder):
        command = [sys.executable, "-c", code, str(folder)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == "StoreBusy\n"


def test_a_passphrase_changes_without_the_rest(folder: Path) -> None:
    id_ = sample_store.record(folder)
    with open_store(folder) as opened:
        sound = (folder / "encounters" / id_ / "audio").read_bytes()
        opened.change_passphrase("another passphrase")
        recovery_key = opened.new_recovery_key()
    assert (folder / "encounters" / id_ / "audio").read_bytes() == sound
    with pytest.raises(WrongPassphrase):
        open_store(folder)
    with Store.open(folder, "another passphrase", who="me") as opened:
        assert opened.read(id_).turns
    with Store.open_with_recovery_key(folder, recovery_key, who="me") as opened:
        assert "unlocked with the recovery key" in actions(opened)
        opened.change_passphrase(PASSPHRASE)
    open_store(folder).close()


def test_keys_are_wiped_when_it_is_closed(folder: Path) -> None:
    opened = open_store(folder)
    keys = opened._keys
    assert any(keys.master)
    opened.close()
    assert not any(keys.master)
    assert not any(keys.private)
    opened.close()


def test_the_keyring_opens_it_but_changes_no_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, bytearray] = {}
    monkeypatch.setattr(
        keyfile, "remember", lambda file, keys: kept.update(key=bytearray(keys.master))
    )
    monkeypatch.setattr(keyfile, "remembered", lambda file: kept.get("key"))
    monkeypatch.setattr(keyfile, "forget", lambda file: kept.clear())
    assert Store.open_with_keyring(folder, who="me") is None
    with open_store(folder) as opened:
        opened.remember()
    again = Store.open_with_keyring(folder, who="me")
    assert again is not None
    with again as opened:
        with pytest.raises(StoreError, match="open it with the passphrase"):
            opened.change_passphrase("another passphrase")
        with pytest.raises(StoreError, match="open it with the passphrase"):
            opened.new_recovery_key()
        opened.forget()
    assert Store.open_with_keyring(folder, who="me") is None


# --- importing and reading -----------------------------------------------------------------------


def test_what_was_recorded_is_listed_and_read(folder: Path) -> None:
    finished = sample_store.record(folder, 1)
    crashed = sample_store.record(folder, 2, seconds=9.0, finish=False)
    with open_store(folder) as opened:
        first, second = opened.encounters()
        assert [first.id, second.id] == [crashed, finished]
        assert (first.state, second.state) == (State.RECOVERED, State.COMPLETE)
        assert (first.turns, first.findings, first.audio_seconds) == (3, 1, 9.0)
        assert first.untranscribed == pytest.approx(9.0 - turn(3).end)
        assert second.untranscribed == 0
        record = opened.read(finished)
        assert record.turns == (turn(1), turn(2), turn(3))
        assert record.findings == (sample_store.finding(1),)
        assert (record.note, record.language, record.model) == ("# Note 1", "en", "stand-in")
        assert record.patient.name == "Patient 1"
        assert dict(record.dropped) == {"silence": 2}
        assert not record.recovered
        assert record.consents[0].given
        assert [one.action for one in record.audit] == [
            "recorded", "consent recorded", "reply spoken", "opened",
        ]  # fmt: skip
        assert opened.read(crashed).ended_at is None
        assert opened.read(crashed).recovered
        assert opened.problems == []
    with open_store(folder) as opened:  # imported once
        assert actions(opened).count("recorded") == 2


def test_one_that_is_being_recorded_is_left_alone(folder: Path) -> None:
    live = sample_store.begin(folder)
    live.audio(sample_store.sound(1))
    live.turn(turn(1))
    with open_store(folder) as opened:
        (summary,) = opened.encounters()
        assert (summary.id, summary.state, summary.turns) == (live.id, State.RECORDING, 1)
        with pytest.raises(StoreError, match="no such encounter"):
            opened.read(live.id)
        live.turn(turn(2))
        live.finish()
        assert state_of(opened, live.id) is State.COMPLETE
        assert len(opened.read(live.id).turns) == 2


def test_one_that_cannot_be_read_hides_no_other(folder: Path) -> None:
    bad, good, lost = (sample_store.record(folder, seed) for seed in range(3))
    for name in ("journal.key", "audio.key"):
        (folder / "encounters" / bad / name).write_bytes(b"x" * 80)
    (folder / "encounters" / lost / "journal").unlink()
    (folder / "encounters" / "not an id").mkdir()
    with open_store(folder) as opened:
        ids = {one.id: one.state for one in opened.encounters()}
        assert ids == {good: State.COMPLETE, lost: State.DAMAGED}
        assert any(bad in problem for problem in opened.problems)
        assert any("journal: is missing" in problem for problem in opened.problems)
        assert opened.read(good).turns
        assert sample_store.same_sound(sample_store.heard(opened, lost), sample_store.sound(2.2, 2))


def test_find_wants_a_beginning_that_is_unique(folder: Path) -> None:
    ids = [sample_store.record(folder, seed, 0.1) for seed in range(2)]
    with open_store(folder) as opened:
        for id_ in ids:
            assert opened.find(id_) == opened.find(id_[:13].upper() + " ") == id_
        for prefix in ("", "x", "zzzz"):
            with pytest.raises(StoreError, match="no encounter begins so"):
                opened.find(prefix)


def test_search_finds_words_in_all_parts(folder: Path) -> None:
    recorder = sample_store.begin(folder, "Zoë 王小明")
    recorder.turn(turn(1, "The cough began yesterday; naïve cafés."))
    recorder.turn(turn(2, "我咳嗽三天了。"))
    recorder.findings([sample_store.finding(1)])
    recorder.note("# Plan\nrest, fluids")
    recorder.finish()
    with open_store(folder) as opened:

        def parts(query: str) -> list[tuple[str, int]]:
            return sorted((hit.part, hit.number) for hit in opened.search(query))

        assert parts("cough") == [("finding", 1), ("turn", 1)]
        assert parts("yester") == [("turn", 1)]
        assert parts("cough yesterday") == [("turn", 1)]
        assert parts("naive cafes") == [("turn", 1)]
        assert parts("咳嗽") == [("turn", 2)]
        assert parts("咳三") == []
        assert parts("zoe") == parts("小明") == [("patient", 0)]
        assert parts("fluids") == [("note", 0)]
        assert parts("HP:0012735") == [("finding", 1)]
        for odd in ("", "  ", '"', "a AND", "NEAR(", "text:x", "*", "^", "'; DROP TABLE audit"):
            opened.search(odd)
        assert opened.search("咳嗽")[0].text == "我咳嗽三天了。"
        assert "searched" in actions(opened)
        assert not any("cough" in one.details for one in opened.audit())


def test_rows_that_are_lost_hide_no_other(folder: Path) -> None:
    bad, good = sample_store.record(folder, 1), sample_store.record(folder, 2)
    with open_store(folder) as opened:
        opened.edit_turn(bad, 1, "Something.")
        opened._records._do("DELETE FROM transcripts WHERE encounter = ?", bad)
    with open_store(folder) as opened:
        assert [one.id for one in opened.encounters()] == [good]
        assert [bad in problem for problem in opened.problems] == [True]
        assert opened.corrections() == []
        later = datetime.now(UTC) + timedelta(40)
        assert opened.apply_retention(Retention(), later) == [Removed(good, all=False)]
        assert any(bad in problem for problem in opened.verify_audit())


# --- correcting ----------------------------------------------------------------------------------


def test_edits_keep_what_they_replace(folder: Path) -> None:
    id_ = sample_store.record(folder)
    with open_store(folder) as opened:
        opened.edit_turn(id_, 1, " Not a cough,\nan itch. ")
        opened.edit_turn(id_, 1, "No cough, an itch.")
        opened.edit_speaker(id_, 2, "relative")
        opened.edit_status(id_, 1, Status.ABSENT)
        opened.edit_note(id_, "# Corrected")
        opened.edit_note(id_, "# Corrected")
        with pytest.raises(StoreError, match="turn 9: there is none"):
            opened.edit_turn(id_, 9, "x")
        with pytest.raises(StoreError, match="finding 2: there is none"):
            opened.edit_status(id_, 2, Status.ABSENT)
        with pytest.raises(StoreError, match="no such encounter"):
            opened.edit_note("x", "x")
    with open_store(folder) as opened:
        record = opened.read(id_)
        assert record.turns[0].text == "No cough, an itch."
        assert record.turns[1].speaker == "relative"
        assert record.findings[0].assertion.status is Status.ABSENT
        assert record.note == "# Corrected"
        assert [(one.by, one.what, one.before, one.after) for one in record.edits] == [
            ("tester", "turn 1 text", turn(1).text, "Not a cough, an itch."),
            ("tester", "turn 1 text", "Not a cough, an itch.", "No cough, an itch."),
            ("tester", "turn 2 speaker", "doctor", "relative"),
            ("tester", "finding 1 status", "present", "absent"),
            ("tester", "note", "# Note 0", "# Corrected"),
        ]
        assert actions(opened, id_).count("edited") == 5
        assert not any("cough" in one.details for one in opened.audit())
        assert [hit.number for hit in opened.search("itch")] == [1]
        found = opened.corrections()
        assert [(one.what, one.before, one.after) for one in found] == [
            (one.what, one.before, one.after) for one in record.edits[:-1]
        ]
        assert found[-1].finding == record.findings[0]
        assert found[0].turn == record.turns[0]


def test_a_transcript_is_made_again(folder: Path) -> None:
    id_ = sample_store.record(folder, finish=False, seconds=9.0)
    with open_store(folder) as opened:
        opened.edit_turn(id_, 1, "Edited before.")
        opened.edit_note(id_, "# Kept")
        opened.edit_patient(id_, Patient("Corrected"))
        opened.edit_consent(id_, True, "guardian")
        opened.replace_transcript(
            id_, [turn(1, "Heard again."), turn(2, "And more.")], [], "large", "de"
        )
        record = opened.read(id_)
        assert [one.text for one in record.turns] == ["Heard again.", "And more."]
        assert (record.findings, record.model, record.language) == ((), "large", "de")
        assert record.note == "# Kept"
        assert record.patient == Patient("Corrected")
        assert [one.by for one in record.consents] == ["patient", "guardian"]
        what = ["turn 1 text", "note", "patient name", "patient identifier", "consent"]
        assert [one.what for one in record.edits] == what
        assert [one.what for one in opened.corrections()] == []
        (summary,) = opened.encounters()
        assert summary.untranscribed == 0
        assert opened.search("again")
        assert not opened.search("edited before")
        assert opened.verify_audit() == opened.verify_files() == []


# --- keeping and destroying ----------------------------------------------------------------------


def test_deletion_destroys_keys_files_and_rows(folder: Path, tmp_path: Path) -> None:
    early, gone = sample_store.record(folder, 1), sample_store.record(folder, 2)
    with open_store(folder) as opened:
        assert "No backup by voicemed holds it" in opened.delete(opened.find(early))
    with open_store(folder) as opened:
        opened.backup(tmp_path / "monday.backup")
        with pytest.raises(StoreError):
            opened.backup(tmp_path / "none" / "tuesday.backup")
        links = []
        for name in ("journal.key", "audio.key"):
            link = tmp_path / name
            link.hardlink_to(folder / "encounters" / gone / name)
            links.append((link, link.read_bytes()))
        remains = opened.delete(gone)
        assert "monday.backup" in remains
        assert "tuesday.backup" not in remains
        assert "until you delete them" in remains
        assert not (folder / "encounters" / gone).exists()
        for link, before in links:
            assert link.read_bytes() != before
        assert opened.encounters() == []
        assert opened.search("cough") == []
        assert actions(opened, gone)[-1] == "deleted"
        with pytest.raises(StoreError, match="no such encounter"):
            opened.delete(gone)
        assert opened.verify_audit() == opened.verify_files() == []


def test_a_deletion_that_a_crash_interrupted_is_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted, silenced = sample_store.record(folder, 1), sample_store.record(folder, 2)
    with open_store(folder) as opened, monkeypatch.context() as patched:
        patched.setattr(store, "shred", lambda path: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            opened.delete(deleted)
        with pytest.raises(ZeroDivisionError):
            opened.apply_retention(Retention(audio_days=1), datetime.now(UTC) + timedelta(2))
    assert (folder / "encounters" / deleted / "audio.key").exists()
    assert (folder / "encounters" / silenced / "audio.key").exists()
    with open_store(folder) as opened:
        assert [one.id for one in opened.encounters()] == [silenced]
        assert not (folder / "encounters" / deleted).exists()
        assert not (folder / "encounters" / silenced / "audio.key").exists()
        assert opened.problems == opened.verify_audit() == opened.verify_files() == []


def test_retention_destroys_sound_then_text(folder: Path) -> None:
    id_ = sample_store.record(folder)
    now = datetime.now(UTC)
    with open_store(folder) as opened:
        policy = Retention(audio_days=30, text_days=90)
        assert opened.apply_retention(policy, now + timedelta(29)) == []
        assert opened.apply_retention(policy, now + timedelta(31)) == [Removed(id_, all=False)]
        assert opened.apply_retention(policy, now + timedelta(31)) == []
        assert not (folder / "encounters" / id_ / "audio").exists()
        record = opened.read(id_)
        assert record.audio_seconds == 0
        assert record.turns
        assert list(opened.audio(id_)) == []
        assert opened.encounters()[0].duration == 2.2
        assert opened.verify_audit() == opened.verify_files() == []
        assert opened.apply_retention(Retention(0, 0), now + timedelta(9999)) == []
        assert opened.apply_retention(policy, now + timedelta(91)) == [Removed(id_, all=True)]
        assert opened.encounters() == []


def test_what_was_exported_as_it_stands_is_destroyed(folder: Path) -> None:
    id_ = sample_store.record(folder)
    policy = Retention(audio_days=0, until_exported=True)
    with open_store(folder) as opened:
        assert opened.apply_retention(policy) == []
        opened.exported(id_, "pdf", "letter.pdf")
        assert opened.encounters()[0].exported
        opened.edit_note(id_, "# Changed since")
        assert not opened.encounters()[0].exported
        assert opened.apply_retention(policy) == []
        opened.exported(id_, "fhir")
        assert opened.apply_retention(policy) == [Removed(id_, all=True)]
        assert [one.details for one in opened.audit() if one.action == "exported"] == [
            "pdf to letter.pdf", "fhir",
        ]  # fmt: skip


# --- the audit log -------------------------------------------------------------------------------


def test_everything_is_in_the_audit_log(folder: Path) -> None:
    id_ = sample_store.record(folder)
    with open_store(folder) as opened:
        opened.read(id_)
        sample_store.heard(opened, id_)
        head = opened.audit_head()
        entries = opened.audit()
        assert [one.action for one in entries] == [
            "store created", "recorded", "consent recorded", "reply spoken", "opened", "listened",
        ]  # fmt: skip
        assert [one.number for one in entries] == [1, 2, 3, 4, 5, 6]
        assert entries[4].who == "tester"
        assert entries[1].who.startswith("Dr Lee (")
        assert head == audit.head(entries)
        opened.edit_note(id_, "x")
        assert opened.verify_audit(head) == opened.verify_audit() == []
        with pytest.raises(StoreError):
            opened.verify_audit("17")


def test_an_older_database_is_told_by_a_printed_head(folder: Path) -> None:
    id_ = sample_store.record(folder)
    open_store(folder).close()
    older = (folder / "record.db").read_bytes()
    with open_store(folder) as opened:
        opened.edit_note(id_, "# To be hidden")
        head = opened.audit_head()
    (folder / "record.db").write_bytes(older)
    with open_store(folder) as opened:
        assert opened.verify_audit() == []  # nothing in it can tell
        assert "was cut" in opened.verify_audit(head)[0]


def test_rows_that_were_changed_are_not_shown(folder: Path) -> None:
    id_ = sample_store.record(folder)
    with open_store(folder) as opened:
        opened._records._do("UPDATE encounters SET note = 'forged'")
        for use in (opened.read, lambda one: opened.edit_note(one, "x")):
            with pytest.raises(StoreDamaged, match="not what the audit log says"):
                use(id_)
        assert len(opened.verify_audit()) == 1


def test_a_lost_database_is_made_again_from_the_journals(folder: Path) -> None:
    id_ = sample_store.record(folder)
    with open_store(folder) as opened:
        opened.edit_note(id_, "# Lost")
    path = folder / "record.db"
    path.write_bytes(b"x" * 4096 + path.read_bytes()[4096:])
    with pytest.raises(StoreDamaged):
        open_store(folder)
    with pytest.raises(WrongPassphrase):
        store.rebuild(folder, "not the passphrase", who="me")
    old = store.rebuild(folder, PASSPHRASE, who="me")
    assert old.exists()
    with open_store(folder) as opened:
        assert opened.read(id_).note == "# Note 0"
        assert actions(opened)[0] == "database made anew"
        assert opened.verify_audit() == opened.verify_files() == opened.problems == []


# --- what is said --------------------------------------------------------------------------------


def test_no_message_and_no_log_names_what_was_said(folder: Path) -> None:
    id_ = sample_store.record(folder)
    said: list[str] = []
    with open_store(folder) as opened:
        opened.read(id_)
        opened.search("cough")
        said += [f"{one.details} {one.action}" for one in opened.audit()]
    (folder / "encounters" / id_ / "journal").write_bytes(b"x" * 3000)
    path = folder / "record.db"
    content = path.read_bytes()
    for at in range(100, len(content), 9000):
        path.write_bytes(content[:at] + b"x" * 50 + content[at + 50 :])
        with pytest.raises(VoicemedError) as caught:
            open_store(folder)
        said.append(str(caught.value))
    for line in said:
        assert "\n" not in line
        for word in ("cough", "Patient 0", PASSPHRASE, "Note"):
            assert word not in line


def test_who_it_was() -> None:
    assert store.who_is("Dr Lee", "lee") == "Dr Lee (lee)"
    assert store.who_is("", "lee") == store.who_is("lee", "lee") == "lee"
    assert store.who_is("Dr Lee").startswith("Dr Lee (")


def test_summaries_are_plain_data(folder: Path) -> None:
    sample_store.record(folder)
    with open_store(folder) as opened:
        assert dataclasses.asdict(opened.encounters()[0])["state"] == "complete"
