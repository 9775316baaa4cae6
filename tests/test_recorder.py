"""A live encounter on the disk: what was handed over is there again, from any thread."""

from __future__ import annotations

import errno
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import sample_store
from sample_store import PASSPHRASE, finding, sound, turn

from voicemed import keyfile, recorder, sealed
from voicemed.audio import Samples
from voicemed.encounter import Consent, EncounterKind, Patient
from voicemed.errors import StoreDamaged, StoreError, StoreMissing
from voicemed.recorder import Captured, Recorder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    sample_store.create(tmp_path / "store")
    return tmp_path / "store"


def private(store: Path) -> bytearray:
    return keyfile.unlock(store, keyfile.load(store), PASSPHRASE).private


def folder_of(store: Path, id_: str) -> Path:
    return store / "encounters" / id_


def read(store: Path, id_: str) -> Captured:
    captured = recorder.read(folder_of(store, id_), private(store))
    assert captured is not None
    return captured


def heard(store: Path, id_: str, *, salvage: bool = False) -> Samples:
    captured = read(store, id_)
    chunks = recorder.sound(
        folder_of(store, id_), private(store), captured.audio_digest, captured.audio_frames,
        salvage=salvage,
    )  # fmt: skip
    return np.concatenate([np.zeros(0, np.float32), *(chunk.samples for chunk in chunks)])


def test_all_that_was_handed_over_is_there_again(store: Path) -> None:
    started = datetime(2026, 3, 1, 9, tzinfo=UTC)
    consent = Consent(True, datetime.now(UTC), "guardian", "Dr Lee", (0.5, 2.0))
    patient = Patient("Ann Example", "17", started.date())
    made = Recorder.begin(
        store, kind=EncounterKind.DICTATION, clinician="Dr Lee", patient=patient,
        source="call.mp3", started_at=started,
    )  # fmt: skip
    made.consent(consent)
    for chunk in sample_store.chunks(sound(3.21)):
        made.audio(chunk)
    made.turn(turn(1), "en")
    made.turn(turn(2), "de")
    made.turn(turn(1, "Said otherwise."))
    made.findings([finding(2)])
    made.findings([finding(2), finding(1)])
    made.note("first")
    made.note("# Second")
    made.event("reply spoken", "by voice")
    made.finish(model="base", dropped={"silence": 3})
    captured = read(store, made.id)
    assert captured.problems == []
    assert captured.began is not None
    began = captured.began
    assert (began.kind, began.clinician, began.patient, began.source, began.started_at) == (
        EncounterKind.DICTATION, "Dr Lee", patient, "call.mp3", started,
    )  # fmt: skip
    assert captured.turns == {1: turn(1, "Said otherwise."), 2: turn(2)}
    assert captured.language == "de"
    assert captured.findings == (finding(2), finding(1))
    assert captured.note == "# Second"
    assert captured.consents == [consent]
    assert [(event.action, event.details) for event in captured.events] == [
        ("reply spoken", "by voice")
    ]
    assert captured.ended is not None
    assert (captured.ended.model, captured.ended.dropped) == ("base", {"silence": 3})
    assert sample_store.same_sound(heard(store, made.id), sound(3.21))


def test_no_passphrase_is_needed_and_none_can_read_without(store: Path) -> None:
    id_ = sample_store.record(store)
    stranger = keyfile.create(PASSPHRASE, sample_store.EFFORT)[1].private
    with pytest.raises(StoreDamaged, match="of another store"):
        recorder.read(folder_of(store, id_), stranger)


def test_sound_is_on_the_disk_within_a_second_and_at_sync(store: Path) -> None:
    made = sample_store.begin(store)
    samples = sound(2.3)
    for chunk in sample_store.chunks(samples):
        made.audio(chunk)
    assert len(samples) - len(heard(store, made.id)) < 16_000
    made.sync()
    assert sample_store.same_sound(heard(store, made.id), samples)
    made.sync()
    made.audio(sound(0.01, 5))
    made.sync()
    expected = np.concatenate([samples, sound(0.01, 5)])
    assert sample_store.same_sound(heard(store, made.id), expected)
    made.close()


def test_sound_of_any_shape_and_value_is_taken(store: Path) -> None:
    made = sample_store.begin(store)
    wild = np.array([np.nan, np.inf, -np.inf, 2.0, -2.0], np.float32)
    made.audio(np.zeros(0, np.float32))
    made.audio(wild)
    made.audio(sound(40, 1))
    made.finish()
    there = heard(store, made.id)
    assert there[:5].tolist() == [0.0, 1.0, -1.0, 1.0, -1.0]
    assert sample_store.same_sound(there[5:], sound(40, 1))


def test_without_sound_there_is_no_file_of_it(store: Path) -> None:
    made = Recorder.begin(store, kind=EncounterKind.RECORDING, clinician="", with_audio=False)
    made.audio(sound(1))
    made.sync()
    made.turn(turn(1))
    made.finish()
    assert sorted(path.name for path in folder_of(store, made.id).iterdir()) == [
        "journal", "journal.key", "lock",
    ]  # fmt: skip
    captured = read(store, made.id)
    assert captured.problems == []
    assert captured.audio_samples == 0


def test_sound_comes_from_another_thread(store: Path) -> None:
    made = sample_store.begin(store)
    samples = sound(20)
    ended = threading.Event()

    def feed() -> None:
        for chunk in sample_store.chunks(samples):
            made.audio(chunk)
        ended.set()

    thread = threading.Thread(target=feed)
    thread.start()
    number = 0
    while not ended.is_set() or number < 20:
        number += 1
        made.turn(turn(number))
        made.sync()
    thread.join()
    made.finish()
    captured = read(store, made.id)
    assert captured.problems == []
    assert list(captured.turns) == list(range(1, number + 1))
    assert sample_store.same_sound(heard(store, made.id), samples)


def test_a_live_encounter_is_locked_until_it_ends(store: Path) -> None:
    made = sample_store.begin(store)
    assert recorder.is_live(folder_of(store, made.id))
    made.finish()
    assert not recorder.is_live(folder_of(store, made.id))
    made.finish()
    with pytest.raises(StoreError, match="cannot be written"):
        made.turn(turn(1))


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_files_are_for_their_owner(store: Path) -> None:
    old = os.umask(0)
    try:
        id_ = sample_store.record(store)
    finally:
        os.umask(old)
    assert folder_of(store, id_).stat().st_mode & 0o777 == 0o700
    for path in folder_of(store, id_).iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path.name


def test_files_show_nothing_of_what_was_said(store: Path) -> None:
    id_ = sample_store.record(store)
    content = b"".join(path.read_bytes() for path in folder_of(store, id_).iterdir())
    for word in (b"cough", b"Patient", b"Lee", b"patient"):
        assert word not in content


def test_a_store_that_is_not_there_takes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        sample_store.begin(tmp_path)


def test_a_damaged_piece_of_sound_is_named_or_silence(store: Path) -> None:
    id_ = sample_store.record(store)
    path = folder_of(store, id_) / "audio"
    content = bytearray(path.read_bytes())
    content[62 + 16_020 + 99] ^= 1  # in the second half second
    path.write_bytes(content)
    with pytest.raises(StoreDamaged, match=r"damaged at 0\.5 s"):
        heard(store, id_)
    there = heard(store, id_, salvage=True)
    expected = sound(2.2)
    expected[8000:16_000] = 0
    assert sample_store.same_sound(there, expected)
    assert "1 pieces are damaged" in read(store, id_).problems[0]


def test_a_piece_that_was_not_acknowledged_may_be_lost_and_the_next_be_there(store: Path) -> None:
    made = sample_store.begin(store)
    made.audio(sound(1))
    made.sync()
    made.turn(turn(1))
    made.audio(sound(1.5, 2))
    made.close()
    path = folder_of(store, made.id) / "audio"
    content = bytearray(path.read_bytes())
    assert len(content) == 62 + 5 * 16_020
    content[62 + 3 * 16_020] ^= 1
    path.write_bytes(content)
    captured = read(store, made.id)
    assert captured.problems == []
    assert (captured.audio_frames, captured.audio_samples) == (3, 24_000)
    expected = np.concatenate([sound(1), sound(1.5, 2)])[:24_000]
    assert sample_store.same_sound(heard(store, made.id), expected)
    content[62 + 16_020] ^= 1  # this one was acknowledged
    path.write_bytes(content)
    assert "1 pieces are damaged" in read(store, made.id).problems[0]


def test_an_encounter_that_cannot_begin_leaves_nothing(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(sealed.DiskFile):
        def write(self, offset: int, data: bytes) -> int:
            if offset > 0:
                raise OSError(errno.ENOSPC, "full")
            return super().write(offset, data)

    monkeypatch.setattr(sealed, "DiskFile", Full)
    with pytest.raises(StoreError, match="make room") as caught:
        sample_store.begin(store)
    assert isinstance(caught.value.__cause__, OSError)
    assert list((store / "encounters").iterdir()) == []


def test_a_lost_beginning_leaves_the_rest(store: Path) -> None:
    id_ = sample_store.record(store)
    path = folder_of(store, id_) / "journal"
    content = bytearray(path.read_bytes())
    content[62 + 99] ^= 1
    path.write_bytes(content)
    captured = read(store, id_)
    assert captured.began is None
    assert len(captured.turns) == 3
    assert captured.audio_samples == 35_200
    assert any("first record is lost" in problem for problem in captured.problems)


def test_an_encounter_that_had_not_begun_is_none(store: Path) -> None:
    id_ = sample_store.record(store)
    folder = folder_of(store, id_)
    for name in ("journal", "audio"):
        (folder / name).write_bytes((folder / name).read_bytes()[:62])
    assert recorder.read(folder, private(store)) is None
    (folder / "journal").unlink()
    assert recorder.read(folder, private(store)) is None
