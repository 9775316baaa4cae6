"""Sealed streams: files of encrypted frames of one size that only ever grow.

    header: magic, version, kind, room of a frame, owner (16 bytes), random salt (32 bytes)
    frame:  AES-256-GCM of [flags and used bytes: 4][message, padded to the room], tag of 16 bytes

The key of the frames is derived from the stream's key and the whole header, their nonce is their
place in the stream: no frame can be changed, moved, repeated or brought in from another stream, and
a stream that was closed cannot be cut, without being found out. A message takes one frame or more.

A crash may leave a torn end: frames that were never acknowledged by `sync`. A reader drops these.
docs/store-format.md describes the format byte for byte.
"""

from __future__ import annotations

import os
import secrets
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from uuid import UUID

from voicemed import crypto
from voicemed.errors import StoreDamaged

_MAGIC = b"voicemed"
_VERSION = 1
_HEADER = struct.Struct(">8sBBI16s32s")
_SALT_BYTES = 32
_LEAD = struct.Struct(">I")
_MORE = 1 << 31
"The message goes on in the next frame."
_CONTINUES = 1 << 30
"The message began in a frame before."
_USED = _CONTINUES - 1
_LARGEST_ROOM = 1 << 24


class Kind(IntEnum):
    """What a stream holds."""

    AUDIO = 1
    JOURNAL = 2
    BACKUP = 3


class DiskFile:
    """A new file of mode 0600, written at given places and flushed to the disk itself."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, also where the file exists."""
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
        self._fd = os.open(path, flags, 0o600)

    def write(self, offset: int, data: bytes) -> int:
        """Write there; returns how many bytes were taken."""
        os.lseek(self._fd, offset, os.SEEK_SET)
        return os.write(self._fd, data)

    def sync(self) -> None:
        """All that was written is on the disk when it returns."""
        if sys.platform == "darwin":  # there, fsync leaves data in the cache of the drive
            import fcntl

            with suppress(OSError):
                fcntl.fcntl(self._fd, fcntl.F_FULLFSYNC)
                return
        os.fsync(self._fd)

    def close(self) -> None:
        """No more is written: a later attempt raises OSError."""
        fd, self._fd = self._fd, -1  # the system gives its number to the next file
        if fd >= 0:
            os.close(fd)


def write_new(path: Path, blocks: Iterable[bytes]) -> None:
    """Make a file of mode 0600 that is on the disk on return; raises OSError."""
    file = DiskFile(path)
    try:
        offset = 0
        for block in blocks:
            while block:
                taken = file.write(offset, block)
                offset, block = offset + taken, block[taken:]
        file.sync()
    finally:
        file.close()


def sync_folder(folder: Path) -> None:
    """The names in a folder are on the disk when it returns, where a system can do that."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def shred(path: Path) -> None:
    """Overwrite a small file, such as of a key, and remove it; raises OSError.

    A solid-state drive or a file system with snapshots may keep the old bytes somewhere.
    """
    with suppress(FileNotFoundError):
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(os.fstat(file.fileno()).st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()


class SealedWriter:
    """Makes a stream. Not safe for several threads at once.

    After a write that failed the next one begins with what is missing: the frames are sealed
    already, so a number never seals twice. After a `sync` that failed nobody knows what is on the
    disk (Linux forgets what it could not write): then the writer stays failed.
    """

    def __init__(
        self, path: Path, key: bytearray, kind: Kind, owner: UUID, room: int, preamble: bytes = b""
    ) -> None:
        """room: bytes of a message that go into one frame. preamble: stands before the header, and
        is bound into the frames as well. Raises OSError.
        """
        salt = secrets.token_bytes(_SALT_BYTES)
        header = preamble + _HEADER.pack(_MAGIC, _VERSION, kind, room, owner.bytes, salt)
        self._cipher = _cipher(key, header)
        self._room, self._start = room, len(header)
        self._file = DiskFile(path)
        # Where the file ends, and what is sealed but not yet written: one tuple, replaced as one,
        # so that an interrupt (Ctrl-C) between two statements cannot tear them apart.
        self._state: tuple[int, bytes] = (0, header)
        self._unsynced = True
        self._failure: OSError | None = None
        self.synced = 0
        "Frames that are on the disk."
        try:
            self.sync()  # a stream that exists has its header
        except OSError:
            self.close()
            raise

    @property
    def frames(self) -> int:
        """Frames that were sealed, written or not."""
        offset, waiting = self._state
        return (offset + len(waiting) - self._start) // self._frame_bytes

    @property
    def unsynced(self) -> bool:
        """Whether something is not on the disk yet."""
        return self._unsynced

    def append(self, *messages: bytes, last: bool = False) -> None:
        """Seal messages and write them; `last` ends the stream with them. Raises OSError."""
        offset, waiting = self._state
        number, frames = self.frames, [waiting]
        for i, message in enumerate(messages, 1):
            sealed = self._sealed(number, message, last and i == len(messages))
            number += len(sealed)
            frames += sealed
        self._unsynced = True
        self._state = (offset, b"".join(frames))
        self.flush()

    def flush(self) -> None:
        """Write what is sealed; raises OSError."""
        while self._state[1]:
            offset, waiting = self._state
            taken = self._file.write(offset, waiting)
            self._state = (offset + taken, waiting[taken:])

    def sync(self) -> None:
        """All messages are on the disk when it returns; raises OSError."""
        if self._failure is not None:
            raise OSError(self._failure.errno, self._failure.strerror) from self._failure
        self.flush()
        if self._unsynced:
            frames = self.frames
            try:
                self._file.sync()
            except OSError as error:
                self._failure = error
                raise
            self._unsynced, self.synced = False, frames

    def close(self) -> None:
        """Close the file; what is not synced may be lost."""
        self._file.close()

    @property
    def _frame_bytes(self) -> int:
        return _LEAD.size + self._room + crypto.TAG_BYTES

    def _sealed(self, first: int, message: bytes, last: bool) -> list[bytes]:
        """The frames of a message, of which the first has that number."""
        parts = [message[i : i + self._room] for i in range(0, len(message), self._room)] or [b""]
        final = len(parts) - 1
        frames = []
        for i, part in enumerate(parts):
            flags = (_MORE if i < final else 0) | (_CONTINUES if i else 0)
            text = _LEAD.pack(flags | len(part)) + part.ljust(self._room, b"\0")
            frames.append(self._cipher.seal(first + i, text, last=last and i == final))
        return frames


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream."""

    frame: int
    "Number of its first frame; they count from 0."
    content: bytes | None
    "None for a frame that is not authentic."


class SealedReader:
    """Reads a stream; what it is like is known once all messages were read."""

    def __init__(
        self, path: Path, key: bytearray, kind: Kind, owner: UUID, *, skip: int = 0
    ) -> None:
        """skip: bytes of the preamble. Raises OSError; StoreDamaged for another stream."""
        self._path, self._start = path, skip + _HEADER.size
        with path.open("rb") as file:
            header = file.read(skip + _HEADER.size)
        if len(header) < skip + _HEADER.size:
            raise StoreDamaged(f"{path}: is cut short in its first bytes: restore a backup")
        magic, version, kind_, room, owner_, _ = _HEADER.unpack_from(header, skip)
        if magic != _MAGIC or not 0 < room <= _LARGEST_ROOM:
            raise StoreDamaged(f"{path}: is not a file of a voicemed store: restore a backup")
        if version != _VERSION:
            raise StoreDamaged(
                f"{path}: has version {version} of the format, this voicemed reads {_VERSION}: "
                "install a newer voicemed, or restore a backup"
            )
        if (kind_, owner_) != (kind, owner.bytes):
            raise StoreDamaged(f"{path}: belongs to another encounter: restore a backup")
        self._cipher = _cipher(key, header)
        self._frame_bytes = _LEAD.size + room + crypto.TAG_BYTES
        self.header = header
        self.complete = False
        "The stream was ended, and its end is here."
        self.frames = 0
        "Up to the last authentic one whose message has its beginning."
        self.damaged: list[int] = []
        "Frames that are not authentic although a later message is, or that follow the end."

    def messages(self) -> Iterator[Message]:
        """All messages in order; None in place of frames that are not authentic, if more follow."""
        parts: list[bytes] = []
        bad: list[int] = []
        for number, text, last in self._texts():
            if text is None or self.complete:
                bad.append(number)
                parts = []
                continue
            self.complete = last
            (lead,) = _LEAD.unpack_from(text)
            if lead & _CONTINUES and not parts:
                continue  # its beginning is damaged, or did not reach the disk
            self.frames = number + 1
            if not lead & _CONTINUES:
                yield from (Message(one, None) for one in bad)
                self.damaged, bad, parts = self.damaged + bad, [], []
            parts.append(text[_LEAD.size : _LEAD.size + (lead & _USED)])
            if not lead & _MORE:
                yield Message(number + 1 - len(parts), b"".join(parts))
                parts = []
        if self.complete:
            self.damaged += bad

    def _texts(self) -> Iterator[tuple[int, bytes | None, bool]]:
        """Of each frame the number, the text (None if not authentic) and whether it is the last."""
        with self._path.open("rb") as file:
            file.seek(self._start)
            number = 0
            while sealed := file.read(self._frame_bytes):
                yield number, *self._opened(number, sealed)
                number += 1

    def _opened(self, number: int, sealed: bytes) -> tuple[bytes | None, bool]:
        for last in (False, True):
            with suppress(crypto.NotAuthentic):
                return self._cipher.unseal(number, sealed, last=last), last
        return None, False


def _cipher(key: bytearray, header: bytes) -> crypto.FrameCipher:
    derived = crypto.derive(key, b"voicemed stream\0" + header)
    try:
        return crypto.FrameCipher(derived)
    finally:
        crypto.wipe(derived)
