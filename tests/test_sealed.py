"""Sealed streams: what is read is what was written, and every change is found out."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import power_cut
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicemed import crypto, sealed
from voicemed.errors import StoreDamaged
from voicemed.sealed import Kind, SealedReader, SealedWriter

OWNER = UUID(int=7)
KEY = bytearray(b"k" * 32)
ROOM = 10
FRAME = 4 + ROOM + crypto.TAG_BYTES
HEADER = 62
messages = st.lists(st.binary(max_size=35), max_size=6)
fewer = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def written(folder: Path, contents: Sequence[bytes], *, end: bool = True) -> Path:
    path = folder / "stream"
    path.unlink(missing_ok=True)
    writer = SealedWriter(path, KEY, Kind.JOURNAL, OWNER, ROOM)
    for content in contents:
        writer.append(content)
    if end:
        writer.append(b"", last=True)
    writer.sync()
    writer.close()
    return path


def read(path: Path) -> tuple[list[bytes | None], SealedReader]:
    reader = SealedReader(path, KEY, Kind.JOURNAL, OWNER)
    return [message.content for message in reader.messages()], reader


@fewer
@given(contents=messages, end=st.booleans())
def test_what_is_read_is_what_was_written(tmp_path: Path, contents: list[bytes], end: bool) -> None:
    found, reader = read(written(tmp_path, contents, end=end))
    assert found == contents + [b""] * end
    assert reader.complete is end
    assert reader.damaged == []


def test_a_stream_shows_nothing_but_its_length(tmp_path: Path) -> None:
    path = written(tmp_path, [b"Ann Example", b"Ann Example"])
    content = path.read_bytes()
    frames = content[HEADER:]
    assert b"Ann" not in content
    assert frames[:FRAME] != frames[2 * FRAME : 3 * FRAME]
    assert (len(content) - HEADER) % FRAME == 0
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600


@fewer
@given(contents=messages, data=st.data())
def test_every_change_of_a_finished_stream_is_found(
    tmp_path: Path, contents: list[bytes], data: st.DataObject
) -> None:
    path = written(tmp_path, contents)
    before = path.read_bytes()
    frames = [before[i : i + FRAME] for i in range(HEADER, len(before), FRAME)]
    i = data.draw(st.integers(0, len(frames) - 1))
    j = data.draw(st.integers(0, len(frames) - 1))
    swapped = list(frames)
    swapped[i], swapped[j] = frames[j], frames[i]
    bit = data.draw(st.integers(0, len(before) * 8 - 1))
    flipped = bytearray(before)
    flipped[bit // 8] ^= 1 << bit % 8
    header = before[:HEADER]
    for after in (
        bytes(flipped),
        before[: data.draw(st.integers(0, len(before) - 1))],
        header + b"".join(frames[:i] + frames[i + 1 :]),
        header + b"".join([*frames[:i], frames[j], *frames[i + 1 :]]),
        header + b"".join([*frames[:i], frames[i], *frames[i:]]),
        header + b"".join(swapped),
        before + b"x",
        before + frames[i],
    ):
        if after == before:
            continue
        path.write_bytes(after)
        try:
            found, reader = read(path)
        except StoreDamaged:
            continue
        assert reader.damaged or not reader.complete
        assert [one for one in found if one is not None and one not in [*contents, b""]] == []


def test_what_follows_a_damaged_frame_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, [b"one", b"x" * 25, b"three"])
    content = bytearray(path.read_bytes())
    content[HEADER + 2 * FRAME] ^= 1  # the second of the three frames of the second message
    path.write_bytes(content)
    found, reader = read(path)
    assert found == [b"one", None, b"three", b""]
    assert reader.damaged == [2]
    assert reader.complete


@pytest.mark.parametrize("tail", [b"\0" * (FRAME + 3), b"x", b"\xff" * FRAME])
def test_a_torn_end_is_no_damage(tmp_path: Path, tail: bytes) -> None:
    path = written(tmp_path, [b"one", b"two"], end=False)
    path.write_bytes(path.read_bytes() + tail)
    found, reader = read(path)
    assert found == [b"one", b"two"]
    assert reader.damaged == []
    assert not reader.complete


def test_a_message_that_lacks_its_beginning_is_a_torn_end(tmp_path: Path) -> None:
    path = written(tmp_path, [b"one", b"x" * 25], end=False)
    content = bytearray(path.read_bytes())
    content[HEADER + FRAME] ^= 1  # the first of three frames; the others reached the disk
    path.write_bytes(content)
    found, reader = read(path)
    assert found == [b"one"]
    assert (reader.damaged, reader.frames) == ([], 1)


def test_another_stream_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, [b"one"])
    for kind, owner in ((Kind.AUDIO, OWNER), (Kind.JOURNAL, UUID(int=8))):
        with pytest.raises(StoreDamaged, match="another encounter"):
            SealedReader(path, KEY, kind, owner)
    content = path.read_bytes()
    for wrong, words in ((b"", "cut short"), (b"x" * 99, "no|not a file"),
                         (content[:8] + b"\x09" + content[9:], "version 9")):  # fmt: skip
        path.write_bytes(wrong)
        with pytest.raises(StoreDamaged, match=words):
            SealedReader(path, KEY, Kind.JOURNAL, OWNER)


def test_another_key_reads_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, [b"one"])
    reader = SealedReader(path, bytearray(b"j" * 32), Kind.JOURNAL, OWNER)
    assert list(reader.messages()) == []
    assert not reader.complete


def test_writes_that_fail_are_made_up_for(tmp_path: Path) -> None:
    random_ = random.Random(1)

    class Flaky(sealed.DiskFile):
        def write(self, offset: int, data: bytes) -> int:
            if random_.random() < 0.4:
                raise OSError(errno.ENOSPC, "full")
            return super().write(offset, data[: random_.randint(1, len(data))])

    contents = [bytes([n]) * n for n in range(30)]
    path = tmp_path / "stream"
    with power_cut.replaced(Flaky):
        writer = _until_it_works(lambda: SealedWriter(path, KEY, Kind.JOURNAL, OWNER, ROOM), path)
        for content in contents:
            try:
                writer.append(content)
            except OSError:
                continue  # it is sealed, and written with the next one
        while writer.synced < writer.frames:
            try:
                writer.sync()
            except OSError:
                continue
    writer.close()
    assert read(path)[0] == contents


def _until_it_works(make: object, path: Path) -> SealedWriter:
    while True:
        path.unlink(missing_ok=True)
        try:
            return make()  # type: ignore[operator,no-any-return]
        except OSError:
            continue


def test_after_a_flush_that_failed_nothing_counts_as_flushed(tmp_path: Path) -> None:
    works = [True]

    class Broken(sealed.DiskFile):
        def sync(self) -> None:
            if not works[0]:
                raise OSError(errno.EIO, "broken")

    with power_cut.replaced(Broken):
        writer = SealedWriter(tmp_path / "stream", KEY, Kind.JOURNAL, OWNER, ROOM)
        writer.append(b"one")
        works[0] = False
        with pytest.raises(OSError, match="broken"):
            writer.sync()
        works[0] = True
        with pytest.raises(OSError, match="broken"):
            writer.sync()
    assert writer.synced == 0
    writer.close()


def test_a_closed_stream_takes_nothing(tmp_path: Path) -> None:
    writer = SealedWriter(tmp_path / "stream", KEY, Kind.JOURNAL, OWNER, ROOM)
    writer.close()
    writer.close()
    with pytest.raises(OSError, match=r".") as caught:
        writer.append(b"one")
    assert caught.value.errno == errno.EBADF


def test_no_stream_takes_the_place_of_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, [b"one"])
    with pytest.raises(FileExistsError):
        SealedWriter(path, KEY, Kind.JOURNAL, OWNER, ROOM)


def test_shred_removes_a_file_and_its_bytes(tmp_path: Path) -> None:
    path, link = tmp_path / "key", tmp_path / "link"
    path.write_bytes(b"secret" * 10)
    link.hardlink_to(path)
    sealed.shred(path)
    assert not path.exists()
    assert b"secret" not in link.read_bytes()
    sealed.shred(path)
