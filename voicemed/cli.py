"""The command line: parse, build, call, print.

Exit codes: 0 done; 1 a VoicemedError, said in one line on stderr; 2 wrong usage; 70 a defect of
voicemed; 130 stopped by Ctrl-C. What is heavy is imported inside the commands, so that `--help`
answers at once.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, TypeVar

import typer
from typer.core import TyperCommand

from voicemed import __version__, record_cli
from voicemed.config import Settings, load, override
from voicemed.errors import ConfigError, ModelDamaged, OutputError, VoicemedError
from voicemed.record_cli import Config, formats_of

if TYPE_CHECKING:
    from voicemed.encounter import EncounterKind
    from voicemed.live import Event
    from voicemed.recording import Recorder


class _Keeping(TypedDict, total=False):
    """Arguments of live.build for an encounter that is kept."""

    recorder: Callable[[], Recorder]
    unlock: Callable[[str], None] | None


EXAMPLES: dict[str, tuple[str, ...]] = {
    "session": (
        "voicemed session",
        "voicemed session --input visit.wav --output replies.wav --pace fast",
        "voicemed session --device 'USB Microphone' --language de",
        "voicemed session --patient",
        "voicemed session --no-store",
    ),
    "dictate": (
        "voicemed dictate --save note.md",
        "voicemed dictate --patient",
        "voicemed dictate --input bedside.m4a --pace fast > note.txt",
    ),
    "transcribe": (
        "voicemed transcribe call.mp3",
        "voicemed transcribe recordings/ --output texts --format txt,findings",
        "voicemed transcribe visit.wav --model whisper-tiny.en --force",
        "voicemed transcribe call.mp3 --no-store",
    ),
    "extract": (
        "voicemed extract diary.txt",
        "voicemed extract visit.json --highlight",
        "voicemed extract transcripts/ letter.txt --output findings",
    ),
    "train": (
        "voicemed train clinic/ --output clinic.safetensors",
        "voicemed train set1/ set2/ --scratch --output heads.safetensors",
    ),
    "evaluate symptoms": (
        "voicemed evaluate symptoms clinic/held_out",
        "voicemed evaluate symptoms clinic/held_out --heads clinic.safetensors",
    ),
    "speak": (
        "voicemed speak 'Take 5 mg twice a day.'",
        "voicemed speak 'BP 140/90' --output reply.wav",
    ),
    "devices": ("voicemed devices",),
    "models list": ("voicemed models list",),
    "models pull": ("voicemed models pull", "voicemed models pull whisper-tiny.en"),
    "models verify": ("voicemed models verify", "voicemed models verify whisper-base"),
    "check": ("voicemed check", "voicemed check --config ./voicemed.toml"),
    **record_cli.EXAMPLES,
}
"Shown at the end of each command's help."

FORMATS = ("txt", "json", "srt", "vtt", "md", "findings")
"Those of batch.py, which is too heavy to import for `--help`."

F = TypeVar("F", bound=Callable[..., None])


class _Command(TyperCommand):
    """A command whose errors become one line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except VoicemedError as error:
            raise _failed(str(error), 1) from error
        except KeyboardInterrupt as error:
            raise _failed("stopped", 130) from error
        except BrokenPipeError as error:
            # The reader has gone (`voicemed … | head`); Python must not flush to it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from error
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise _failed("the output cannot be written: the disk is full", 1) from error
            raise _failed(_defect(error), 70) from error
        return result


app = typer.Typer(
    name="voicemed",
    help="A private voice assistant for doctor consultations. Nothing leaves this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(no_args_is_help=True, help="List, fetch and verify the models.")
app.add_typer(models_app, name="models")
evaluate_app = typer.Typer(no_args_is_help=True, help="Measure how good voicemed is.")
app.add_typer(evaluate_app, name="evaluate")
encounters_app = typer.Typer(no_args_is_help=True, help="Read, correct and export what is kept.")
app.add_typer(encounters_app, name="encounters")
audit_app = typer.Typer(no_args_is_help=True, help="Who did what with the record, and when.")
app.add_typer(audit_app, name="audit")

_GROUPS = {
    "": app,
    "models": models_app,
    "evaluate": evaluate_app,
    "encounters": encounters_app,
    "audit": audit_app,
}


def _command(name: str) -> Callable[[F], F]:
    """Registers a command under its name in EXAMPLES."""
    examples = "\n".join(f"  {line}" for line in EXAMPLES[name])
    group, _, last = name.rpartition(" ")
    return _GROUPS[group].command(last, cls=_Command, epilog=f"\b\nExamples:\n{examples}")


class Pace(StrEnum):
    """How fast a recording is fed to the loop."""

    REALTIME = "realtime"
    FAST = "fast"


Input = Annotated[
    str, typer.Option("--input", metavar="mic|FILE", help="The microphone, or a recording instead.")
]
Speed = Annotated[
    Pace, typer.Option("--pace", help="Of a recording: as it was spoken, or as fast as can be.")
]
Device = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Microphone by number or name (`voicemed devices`)."),
]
Model = Annotated[
    str | None, typer.Option(metavar="NAME", help="Speech model (`voicemed models list`).")
]
Language = Annotated[
    str | None, typer.Option(metavar="CODE", help="Such as en or de, or auto to detect it.")
]
WithPatient = Annotated[
    bool,
    typer.Option(
        "--patient",
        help="Ask at the terminal who the patient is, or read name, number and date of birth "
        "(1950-12-31) from lines of standard input. They are no arguments: other users of this "
        "machine could read those.",
    ),
]
NoStore = Annotated[
    bool,
    typer.Option(
        "--no-store", help="Keep nothing but the outputs asked for, also where there is a store."
    ),
]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"voicemed {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


@_command("session")
def session(
    input_: Input = "mic",
    output: Annotated[
        str,
        typer.Option(metavar="speaker|FILE.wav|none", help="Where the spoken replies go."),
    ] = "speaker",
    pace: Speed = Pace.REALTIME,
    device: Device = None,
    model: Model = None,
    language: Language = None,
    with_patient: WithPatient = False,
    no_store: NoStore = False,
    config: Config = None,
) -> None:
    """Listen to a consultation: live transcript and symptoms, spoken answers.

    Space asks the assistant, any key silences it, l locks the screen, q or Ctrl-C ends the session
    with its last word. Once there is a store (`voicemed init`) all of it is kept there, encrypted;
    the patient's consent to that is asked for before the microphone is opened.
    """
    settings = _settings(config, device=device, model=model, language=language)
    from voicemed import live, ui
    from voicemed.encounter import EncounterKind

    record = _admit(settings, EncounterKind.SESSION, input_, with_patient, no_store)
    loop = live.build(settings, input=input_, output=output, pace=pace.value, **record)
    try:
        with ui.follow_session(loop) as observe:
            loop.run(observe)
    finally:
        kept = bool(loop.record_id) and not loop.record_failure
        ui.print_session_end(loop.encounter, output=output, kept=kept)
        ui.print_record(loop)


@_command("dictate")
def dictate(
    input_: Input = "mic",
    save: Annotated[
        Path | None,
        typer.Option(metavar="NOTE.md", help="Keep the note in this file after every utterance."),
    ] = None,
    pace: Speed = Pace.REALTIME,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a note that exists.")
    ] = False,
    device: Device = None,
    model: Model = None,
    language: Language = None,
    with_patient: WithPatient = False,
    no_store: NoStore = False,
    config: Config = None,
) -> None:
    """Write what the doctor says as a note; it is printed at the end.

    Understands "new line", "new paragraph" and "scratch that". Once there is a store
    (`voicemed init`) sound and note are kept there, encrypted, and a terminal does not get the
    note; with --patient their consent is asked for before.
    """
    settings = _settings(config, device=device, model=model, language=language)
    from voicemed import live, ui
    from voicemed.encounter import EncounterKind
    from voicemed.note import Dictation

    note = Dictation()
    if save is not None:
        if save.exists() and not overwrite:
            raise OutputError(f"{save} exists; choose another name or add --overwrite")
        note.save(save)  # finds out before the first word whether it can be written
    record = _admit(settings, EncounterKind.DICTATION, input_, with_patient, no_store)
    output = "speaker" if input_ == "mic" else "none"
    loop = live.build(
        settings, input=input_, output=output, pace=pace.value, dictation=True, **record
    )
    try:
        with ui.follow_dictation(loop, note) as show:

            def observe(event: Event) -> None:
                if isinstance(event, live.TurnAdded):
                    note.feed(event.turn)
                    loop.write_note(note.text)
                    if save is not None:
                        note.save(save)
                show(event)

            loop.run(observe)
    finally:
        ui.print_note(note.text, kept=bool(loop.record_id) and not loop.record_failure)
        ui.print_record(loop)


@_command("transcribe")
def transcribe(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE|FOLDER", help="Recordings, or folders of them.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the results; otherwise beside the recording."),
    ] = None,
    format_: Annotated[
        str,
        typer.Option(
            "--format", metavar="LIST", help=f"Of {', '.join(FORMATS)}; separated by commas."
        ),
    ] = ",".join(FORMATS),
    model: Model = None,
    language: Language = None,
    force: Annotated[bool, typer.Option("--force", help="Do again what is already done.")] = False,
    no_store: NoStore = False,
    config: Config = None,
) -> None:
    """Transcribe recordings: text, subtitles, and the symptoms that were spoken of.

    A bad recording does not stop the others; what is already done with the same settings is
    skipped. Once there is a store (`voicemed init`) sound and results are kept there too.
    """
    settings = _settings(config, model=model, language=language)
    from voicemed import batch, intake, ui

    formats = formats_of(format_, FORMATS)
    folder, reason = intake.folder_of(settings.store, keep=not no_store)
    if folder is None:
        ui.print_unkept(reason)
    with ui.batch_progress() as progress:
        report = batch.transcribe_files(
            paths,
            output=output,
            formats=formats,
            settings=settings,
            force=force,
            progress=progress,
            recorder=intake.begin_recording(settings.store, folder) if folder else None,
        )
    ui.print_batch_report(report)
    for path, before, now in report.kept_again:
        if folder is not None and intake.is_kept(folder, before):
            ui.print_kept_again(path, before, now)
    if report.failed or report.not_kept:
        raise typer.Exit(1)


@_command("extract")
def extract(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE|FOLDER", help="Texts, or folders of them.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the results; otherwise beside the text."),
    ] = None,
    highlight: Annotated[
        bool, typer.Option("--highlight", help="Print the text too, with what was found marked.")
    ] = False,
    config: Config = None,
) -> None:
    """Find the symptoms and other findings in texts, and write them as NAME.jsonl.

    .txt: a dialogue, if most lines begin with a speaker ("D:", "Patient:");
    otherwise a diary, letter or note, in which everything is the patient's.

    .json: a transcript by `voicemed transcribe`, or a list of {id, speaker, text}.

    A bad file does not stop the others.
    """
    settings = _settings(config)
    from voicemed import text_batch, ui

    def show(one: text_batch.Extracted) -> None:
        ui.print_extracted(one, highlight=highlight)

    report = text_batch.extract_files(paths, output=output, settings=settings, show=show)
    ui.print_extract_report(report)
    if report.failed:
        raise typer.Exit(1)


Folders = Annotated[
    list[Path],
    typer.Argument(
        metavar="FOLDER",
        help="Annotated consultations: NAME.jsonl beside NAME.json or NAME.txt.",
    ),
]


@_command("train")
def train(
    folders: Folders,
    output: Annotated[
        Path,
        typer.Option(metavar="FILE.safetensors", help="Where the heads go; their card beside it."),
    ],
    scratch: Annotated[
        bool,
        typer.Option("--scratch", help="Learn from these alone, not on top of the shipped heads."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the folds; the same seed, the same heads.")] = 0,
) -> None:
    """Train the symptom classifier on annotated consultations, and measure it.

    Writes the heads and their model card with the figures of cross-validation. To use them, name
    the file as [extraction] heads in voicemed.toml.
    """
    from voicemed import train as trainer
    from voicemed import ui
    from voicemed.classifier import shipped_heads
    from voicemed.encoder import load_encoder

    with ui.fold_progress() as progress:
        trained = trainer.train(
            folders,
            load_encoder(),
            seed=seed,
            prior=None if scratch else shipped_heads(),
            progress=progress,
        )
    ui.print_card(trainer.save(trained, output))


@_command("evaluate symptoms")
def evaluate_symptoms(
    folders: Folders,
    heads: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Heads by `voicemed train`, compared with the shipped ones."
        ),
    ] = None,
) -> None:
    """Measure the symptom classifier on annotated consultations that it was not trained on."""
    from voicemed import train as trainer
    from voicemed import ui
    from voicemed.classifier import load_heads, shipped_heads
    from voicemed.encoder import load_encoder

    measured, other = (load_heads(heads), shipped_heads()) if heads else (shipped_heads(), None)
    ui.print_comparison(*trainer.compare_heads(folders, measured, other, load_encoder()))


@_command("speak")
def speak(
    text: Annotated[str, typer.Argument(help="What to say.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.wav", help="Write it instead of playing it.")
    ] = None,
    config: Config = None,
) -> None:
    """Say a text with the assistant's voice."""
    settings = _settings(config)
    from voicemed import playback, tts

    target = "speaker" if output is None else str(output)
    with closing(playback.create_sink(target, settings.audio.output_device)) as sink:
        sink.play(tts.create_synthesizer(settings.speech).synthesize(text))


@_command("devices")
def devices() -> None:
    """List microphones and loudspeakers."""
    from voicemed import microphone, ui

    ui.print_devices(microphone.devices())


@_command("models list")
def models_list() -> None:
    """List the models: what is here and what can be fetched."""
    from voicemed import ui, weights

    ui.print_models(weights.models())


@_command("models pull")
def models_pull(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Otherwise the default ones.")
    ] = None,
) -> None:
    """Fetch models, verify them and put them in the model folder."""
    from voicemed import ui, weights

    with ui.pull_progress() as progress:
        weights.pull(names or (), progress)


@_command("models verify")
def models_verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Otherwise all that are here.")
    ] = None,
) -> None:
    """Compare the model files with the manifest."""
    from voicemed import ui, weights

    found = weights.verify(names or ())
    ui.print_verified(found)
    if wrong := [status.model.name for status in found if status.state != "present"]:
        bad = " ".join(wrong)
        raise ModelDamaged(f"{bad}: fetch again with `voicemed models pull {bad}`")


@_command("check")
def check(config: Config = None) -> None:
    """Show what works on this machine, and for each failure the command that mends it."""
    from voicemed import ui
    from voicemed.check import State, probes

    failed = False
    for result in probes(config):
        ui.print_check(result)
        failed = failed or result.state is State.FAILED
    if failed:
        raise typer.Exit(1)


for _name, _function in record_cli.COMMANDS.items():
    _command(_name)(_function)


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an ASCII locale shows ? for é, and goes on
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: nothing is lost
    _leave_no_core_file()
    app()


def _leave_no_core_file() -> None:
    """A crash of native code must not write the memory of a consultation to the disk."""
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def _settings(
    config: Path | None,
    *,
    device: str | None = None,
    model: str | None = None,
    language: str | None = None,
) -> Settings:
    """The settings file with the options of the command line over it."""
    options = {
        "audio.input_device": device,
        "recognition.model": model,
        "recognition.language": language,
    }
    return override(load(config), options)


def _admit(
    settings: Settings, kind: EncounterKind, input_: str, with_patient: bool, no_store: bool
) -> _Keeping:
    """What the loop needs to keep a record; asks who the patient is and whether they agree."""
    from voicemed import intake, ui

    folder, reason = intake.folder_of(settings.store, keep=not no_store)
    if folder is None:
        if with_patient:
            raise ConfigError(f"--patient: there is no record to name them in: {reason}")
        ui.print_unkept(reason)
        return {}
    source = "" if input_ == "mic" else Path(input_).name
    record = intake.admit(settings.store, folder, kind, source=source, with_patient=with_patient)
    return {"recorder": record.begin, "unlock": record.unlock if ui.takes_keys() else None}


def _failed(message: str, code: int) -> typer.Exit:
    """Says the error in one line, and is what leaves with the exit code."""
    prefix = "voicemed: " if code == 130 else "voicemed: error: "
    typer.echo(prefix + " ".join(message.split()), err=True)
    return typer.Exit(code)


def _defect(error: Exception) -> str:
    """What to say of an exception that nobody foresaw; not its text, which may hold speech."""
    if os.environ.get("VOICEMED_DEBUG"):
        typer.echo(_trace(error), err=True)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__} in {Path(place.filename).name}:{place.lineno}; "
        "run again with VOICEMED_DEBUG=1 for a traceback to report"
    )


def _trace(error: BaseException) -> str:
    """Where it came from and from what; frames and kinds, as messages may hold what was said."""
    parts = []
    cause: BaseException | None = error
    while cause is not None:
        frames = "".join(traceback.format_tb(cause.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{frames}{type(cause).__name__}\n")
        cause = cause.__cause__ or cause.__context__
    return "\nwhich led to:\n\n".join(reversed(parts))
