"""All commands that work on a consultation, in a network namespace of their own and watched.

    python tests/faults/no_network.py

Each command is a process of its own, on the samples, with the real models and a store. An audit
hook of Python reports every use of a socket, but for those that stay on the machine by their kind
(AF_UNIX). Where the system allows it (`unshare --net`, Linux), there is no network at all, not even
a loopback device, so that also native code, which no audit hook sees, could reach nothing and would
fail. The exit code is 1 if a command fails or a socket is used.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from voicemed import store

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "audio_samples"
PASSPHRASE = "correct horse battery staple"
WATCHED = "voicemed-socket-event"
_ISOLATED = ("unshare", "--map-root-user", "--net")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        run_child(options.child)
        return
    prefix = isolation()
    print("network namespace without network" if prefix else "no network namespace here: hook only")
    with tempfile.TemporaryDirectory() as folder:
        problems = run_all(Path(folder), prefix)
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems")
    sys.exit(bool(problems))


def isolation() -> tuple[str, ...]:
    """What to put before a command to run it without a network; nothing where that is refused."""
    if shutil.which(_ISOLATED[0]) is None:
        return ()
    tried = subprocess.run([*_ISOLATED, "true"], capture_output=True)
    return _ISOLATED if tried.returncode == 0 else ()


def run_all(folder: Path, prefix: tuple[str, ...], only: Sequence[str] | None = None) -> list[str]:
    """Run all commands, or those; a line for each that failed or used a socket."""
    store.create(folder / "store", PASSPHRASE)
    config = folder / "voicemed.toml"
    config.write_text(f'[store]\nfolder = "{folder / "store"}"\n', encoding="utf-8")
    session = str(SAMPLES / "assistant_questions.wav")
    note, exports = str(folder / "note.md"), str(folder / "exports")
    formats = "md,json,docx,pdf,hl7,fhir"
    commands = [
        ["session", "--input", session, "--output", str(folder / "a.wav"), "--pace", "fast"],
        ["dictate", "--input", str(SAMPLES / "dictation.wav"), "--pace", "fast", "--save", note],
        ["transcribe", str(SAMPLES / "phone_call.wav"), "--output", str(folder / "texts")],
        ["extract", str(SAMPLES / "consultation.txt"), "--output", str(folder / "found")],
    ]
    on_record = [
        ["encounters", "list"],
        ["encounters", "show", "last"],
        ["encounters", "search", "headache"],
        ["encounters", "edit", "last", "--turn", "1", "--speaker", "doctor"],
        ["encounters", "recover", "last", "--again"],
        ["encounters", "export", "last", "--sound", "--format", formats, "--output", exports],
        ["backup", str(folder / "all.backup")],
        ["restore", str(folder / "all.backup"), "--folder", str(folder / "restored")],
        ["encounters", "delete", "last", "--yes"],
        ["audit", "list"],
        ["audit", "verify"],
        ["passphrase"],
    ]
    commands += [[*command, "--passphrase-stdin"] for command in on_record]
    commands = [[*command, "--config", str(config)] for command in commands]
    commands += [
        ["speak", "Take 5 mg twice a day.", "--output", str(folder / "reply.wav")],
        ["models", "list"],
        ["check", "--config", str(config)],
    ]
    wanted = [command for command in commands if only is None or command[0] in only]
    problems = [problem for command in wanted if (problem := run_watched(command, prefix))]
    if run_watched(["a connection"], prefix) == "":
        problems.append("the control: the hook does not see a connection")
    return problems


def run_watched(arguments: list[str], prefix: tuple[str, ...]) -> str:
    """What went wrong with a command, in a line; nothing if all is well."""
    command = [*prefix, sys.executable, __file__, "--child", *arguments]
    done = subprocess.run(
        command, input=f"{PASSPHRASE}\n" * 2, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    used = [line for line in done.stderr.splitlines() if line.startswith(WATCHED)]
    if used:
        return f"{arguments[0]}: {len(used)} uses of a socket, first {used[0]}"
    if done.returncode and arguments[0] != "check":  # which fails where there is no microphone
        return f"{arguments[0]}: exit code {done.returncode}: {done.stderr[-300:]}"
    return ""


def run_child(arguments: list[str]) -> None:
    sys.addaudithook(_watch)
    if arguments == ["a connection"]:
        import socket

        socket.socket().connect_ex(("127.0.0.1", 9))
        return
    from voicemed import cli

    sys.argv = ["voicemed", *arguments]
    cli.main()


def _watch(event: str, details: tuple[object, ...]) -> None:
    if not event.startswith("socket."):
        return
    import socket

    family: object = None
    if event == "socket.__new__":
        family = details[1]
    elif details and isinstance(details[0], socket.socket):
        family = details[0].family
    if family is None or family != getattr(socket, "AF_UNIX", None):
        os.write(2, f"{WATCHED} {event} {details[1:]!r}\n".encode())


if __name__ == "__main__":
    main()
