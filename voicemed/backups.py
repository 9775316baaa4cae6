"""A backup: one sealed stream with all files of a store, behind a copy of its store.json.

    magic line, length of store.json (4 bytes), store.json, sealed stream of kind BACKUP
    the stream: for each file {"path": ..., "size": ...}, then its content, and an end

Everything before the frames is bound into their key, and the stream has an end: a backup that was
changed or cut anywhere is refused as a whole. Most files in it are encrypted once more inside.
"""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from voicemed import crypto, database, keyfile
from voicemed.errors import StoreDamaged, StoreError
from voicemed.keyfile import KeyFile, Keys
from voicemed.recorder import ENCOUNTERS
from voicemed.sealed import Kind, SealedReader, SealedWriter, sync_folder, write_new

_MAGIC = b"voicemed backup 1\n"
_LENGTH = struct.Struct(">I")
_LONGEST_KEYFILE = 1 << 16
_ROOM = 1 << 13
_BLOCK = 1 << 20
_PATH = re.compile(
    rf"{re.escape(database.NAME)}|{ENCOUNTERS}/[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}/"
    r"(journal|audio)(\.key)?"
)
"What a backup holds: nothing that leads out of the folder of a store."


def pack(
    store: Path, folders: Sequence[Path], target: Path, file: KeyFile, master: bytearray
) -> None:
    """Write a backup of a store and of those folders of encounters, and read it again.

    The caller holds the store's lock. Raises OSError, StoreError.
    """
    if target.exists():
        raise StoreError(f"{target}: exists already: choose another name")
    paths = [store / database.NAME]
    paths += [path for folder in folders for path in sorted(folder.iterdir())]
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    content = (store / keyfile.NAME).read_bytes()
    preamble = _MAGIC + _LENGTH.pack(len(content)) + content
    try:
        writer = SealedWriter(partial, _key(master), Kind.BACKUP, file.id, _ROOM, preamble)
        try:
            for path in paths:
                if _PATH.fullmatch(name := path.relative_to(store).as_posix()):
                    _append(writer, path, name)
            writer.append(b"", last=True)
            writer.sync()
        finally:
            writer.close()
        for _ in _messages(partial, len(preamble), file, master):
            pass
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(target.parent)


def _append(writer: SealedWriter, path: Path, name: str) -> None:
    with path.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        writer.append(json.dumps({"path": name, "size": size}).encode())
        while block := source.read(_BLOCK):
            writer.append(block)


def unpack(source: Path, folder: Path, unlock: Callable[[KeyFile], Keys]) -> None:
    """Make the files of a store again in an empty folder.

    Raises StoreDamaged for a backup that is not as it was written, OSError, and what `unlock`
    raises.
    """
    with source.open("rb") as backup:
        if backup.read(len(_MAGIC)) != _MAGIC:
            raise StoreDamaged(f"{source}: is no backup of a voicemed store")
        (length,) = _LENGTH.unpack(backup.read(_LENGTH.size).ljust(_LENGTH.size, b"\xff"))
        if length > _LONGEST_KEYFILE:
            raise _damaged(source)
        content = backup.read(length)
    write_new(folder / keyfile.NAME, [content])
    file = keyfile.load(folder)
    keys = unlock(file)
    try:
        messages = _messages(source, len(_MAGIC) + _LENGTH.size + length, file, keys.master)
        (folder / ENCOUNTERS).mkdir(mode=0o700)
        for message in messages:
            if not message:
                continue  # the end
            _unpack_file(message, messages, source, folder)
        database.connect(folder, keys.master).close()
    finally:
        keys.wipe()
    sync_folder(folder)


def _unpack_file(message: bytes, messages: Iterator[bytes], source: Path, folder: Path) -> None:
    try:
        entry = json.loads(message)
        name, size = str(entry["path"]), int(entry["size"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(source) from error
    if not _PATH.fullmatch(name):
        raise _damaged(source)
    path = folder / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_new(path, (_next(messages, source) for _ in range(0, size, _BLOCK)))
    if path.stat().st_size != size:
        raise _damaged(source)
    sync_folder(path.parent)


def _next(messages: Iterator[bytes], source: Path) -> bytes:
    message = next(messages, None)
    if message is None:
        raise _damaged(source)
    return message


def _messages(path: Path, skip: int, file: KeyFile, master: bytearray) -> Iterator[bytes]:
    """All messages; raises StoreDamaged where something is wrong, at the latest after the last."""
    reader = SealedReader(path, _key(master), Kind.BACKUP, file.id, skip=skip)
    for message in reader.messages():
        if message.content is None:
            raise _damaged(path)
        yield message.content
    if not reader.complete or reader.damaged:
        raise _damaged(path)


def _key(master: bytearray) -> bytearray:
    return crypto.derive(master, b"voicemed backup")


def _damaged(path: Path) -> StoreDamaged:
    return StoreDamaged(f"{path}: was changed or cut, or is not all there: take another backup")
