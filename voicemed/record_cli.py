"""The commands of the encrypted record: parse, open, call, print; cli.py registers them.

What is heavy is imported inside the commands, as in cli.py. Nothing that was said, and no
passphrase, is an argument: other users of the machine see those, and the shell keeps them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from voicemed.config import Settings, load, store_folder
from voicemed.errors import OutputError, StoreDamaged, StoreError
from voicemed.ids import shortened

if TYPE_CHECKING:
    from voicemed.audio import Seconds
    from voicemed.batch import Transcriber
    from voicemed.store import Store, Summary

EXAMPLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "init": ("voicemed init",),
        "passphrase": ("voicemed passphrase", "voicemed passphrase --forgotten"),
        "recovery-key": ("voicemed recovery-key",),
        "lock": ("voicemed lock",),
        "backup": ("voicemed backup /media/usb", "voicemed backup record-may.backup"),
        "restore": (
            "voicemed restore record-may.backup",
            "voicemed restore record-may.backup --folder /tmp/trial",
        ),
        "encounters list": ("voicemed encounters list",),
        "encounters show": ("voicemed encounters show last", "voicemed encounters show 0123abcd"),
        "encounters search": (
            "voicemed encounters search chest pain",
            "voicemed encounters search",
        ),
        "encounters edit": (
            "voicemed encounters edit last --turn 3",
            "voicemed encounters edit last --turn 3 --speaker patient",
            "voicemed encounters edit last --finding 2 --status absent",
            "voicemed encounters edit last --note",
            "voicemed encounters edit last --patient",
            "voicemed encounters edit last --consent",
        ),
        "encounters export": (
            "voicemed encounters export last --format fhir,pdf --output exports",
            "voicemed encounters export last --format fhir --sound --output exports",
            "voicemed encounters export last --clipboard",
        ),
        "encounters delete": ("voicemed encounters delete 0123abcd",),
        "encounters recover": (
            "voicemed encounters recover",
            "voicemed encounters recover 0123abcd --again",
        ),
        "audit list": ("voicemed audit list", "voicemed audit list --encounter 0123abcd"),
        "audit verify": ("voicemed audit verify", "voicemed audit verify --head 'HEAD'"),
        "audit head": ("voicemed audit head",),
    }
)
"As in cli.py."

FORMATS = ("md", "json", "docx", "pdf", "hl7", "fhir")
"Those of documents.py, which is too heavy to import for `--help`."
_STATUSES = ("present", "absent", "uncertain", "past", "hypothetical")
"Those of assertion.py, likewise."

Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Settings file in place of voicemed.toml in your configuration folder."
    ),
]
FromStdin = Annotated[
    bool,
    typer.Option(
        "--passphrase-stdin", help="Take the passphrase from the first line of standard input."
    ),
]
Id = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The beginning of its id (`voicemed encounters list`), or last."
    ),
]


def formats_of(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """The formats of a list with commas, each once; cli.py's commands read theirs here too."""
    formats = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",")))
    for name in formats:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
            raise typer.BadParameter(f"unknown format {name!r}; {hint}", param_hint="--format")
    return formats


# -- the store as a whole


def init(from_stdin: FromStdin = False, config: Config = None) -> None:
    """Make the encrypted record, in which encounters are kept from then on.

    Asks for a passphrase, twice, and shows a recovery key, once. Without one of the two nobody can
    read the record, nor can anybody reset it.
    """
    settings = load(config).store
    from voicemed import access, record_view, store

    folder = store_folder(settings)
    if store.exists(folder):
        raise StoreError(f"{folder}: there is a store already: see `voicemed encounters list`")
    if not from_stdin:
        access.tell(
            "choose a passphrase: four or five unrelated words are easy to keep, hard to guess"
        )
    key = store.create(folder, access.ask_new_passphrase(from_stdin=from_stdin))
    with _noticing_a_lost_key():
        record_view.show_recovery_key(key)
    access.tell(f"the record is in {folder}; session, dictate and transcribe keep everything there")


def passphrase(
    forgotten: Annotated[
        bool, typer.Option("--forgotten", help="Ask for the recovery key, not the passphrase.")
    ] = False,
    from_stdin: FromStdin = False,
    config: Config = None,
) -> None:
    """Change the passphrase; nothing else has to be encrypted again.

    With --passphrase-stdin the second line of standard input is the new one. Backups that were made
    before still open with the old one.
    """
    from voicemed import access

    settings = load(config).store
    with access.opened(settings, from_stdin=from_stdin, proved=True, by_key=forgotten) as store:
        store.change_passphrase(access.ask_new_passphrase(from_stdin=from_stdin))
    access.tell("the passphrase is changed; backups from before open with the one before")


def recovery_key(from_stdin: FromStdin = False, config: Config = None) -> None:
    """Make and show another recovery key; the one before is then worth nothing."""
    from voicemed import access, record_view

    with access.opened(load(config).store, from_stdin=from_stdin, proved=True) as store:
        key = store.new_recovery_key()
    with _noticing_a_lost_key():
        record_view.show_recovery_key(key)


def lock(config: Config = None) -> None:
    """Take the record's key out of the keyring, so that it opens with the passphrase only."""
    from voicemed import access

    store = access.opened_by_keyring(load(config).store)
    if store is None:
        access.tell("the keyring does not have the key: the record opens with the passphrase only")
        return
    with store:
        store.forget()
    access.tell(
        "the key is out of the keyring; with keyring = true it is put there again when opened"
    )


def backup(
    target: Annotated[
        Path, typer.Argument(metavar="FILE|FOLDER", help="A new file, or a folder for one.")
    ],
    from_stdin: FromStdin = False,
    config: Config = None,
) -> None:
    """Copy the whole record into one encrypted file, and read it again to be sure.

    It opens with the passphrase of today, or the recovery key.
    """
    from voicemed import access

    if target.is_dir():
        from datetime import datetime

        target = target / f"voicemed-{datetime.now().astimezone():%Y%m%d-%H%M%S}.backup"
    with access.opened(load(config).store, from_stdin=from_stdin) as store:
        missing = store.backup(target)
    size = target.stat().st_size / 1e6
    access.tell(f"{target}: written and read again, {size:.1f} MB")
    for id_ in missing:
        access.tell(f"warning: {shortened(id_)} is being recorded and not in it")


def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Of `voicemed backup`.")],
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A new or empty folder; otherwise that of the settings."),
    ] = None,
    by_key: Annotated[
        bool, typer.Option("--recovery-key", help="Ask for the recovery key, not the passphrase.")
    ] = False,
    from_stdin: FromStdin = False,
    config: Config = None,
) -> None:
    """Make the record again from a backup.

    The passphrase is that of the day of the backup.
    """
    settings = load(config).store
    from voicemed import access

    place = folder or store_folder(settings)
    if not source.is_file():
        raise StoreError(f"{source}: there is no such file")
    access.restore(source, place, from_stdin=from_stdin, by_key=by_key)
    access.tell(f"{place}: restored")
    if place.resolve() != store_folder(settings).resolve():
        access.tell(f"to use it, set folder = '{place.resolve()}' in [store] of voicemed.toml")


@contextmanager
def _noticing_a_lost_key() -> Iterator[None]:
    from voicemed import access

    try:
        yield
    except KeyboardInterrupt:
        access.tell("the recovery key was not confirmed: make another with `voicemed recovery-key`")
        raise


# -- encounters


def encounters_list(from_stdin: FromStdin = False, config: Config = None) -> None:
    """List the encounters, newest first.

    On a terminal the list with the names closes with q; ids without names stay.
    """
    from voicemed import record_view

    with _opened(config, from_stdin) as (store, settings):
        summaries = store.encounters()
        store.listed()
    record_view.print_encounters(summaries, settings.store.lock_after)


def encounters_show(id_: Id, from_stdin: FromStdin = False, config: Config = None) -> None:
    """Show an encounter: findings, note, transcript, consent, corrections.

    On a terminal it closes with q, and nothing of it stays in the scrollback.
    """
    from voicemed import record_view

    with _opened(config, from_stdin) as (store, settings):
        record = store.read(_find(store, id_))
    record_view.show_encounter(record, settings.store.lock_after)


def encounters_search(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORD",
            help="All have to stand together; the last may be a beginning. Leave them out to be "
            "asked for them: so a name stays out of the shell's history.",
        ),
    ] = None,
    from_stdin: FromStdin = False,
    config: Config = None,
) -> None:
    """Find words in transcripts, findings, notes and patients' names."""
    from voicemed import access, record_view

    with _opened(config, from_stdin) as (store, settings):
        query = " ".join(words) if words else access.ask_line("Search for: ", private=True)
        hits = store.search(query)
    record_view.print_hits(hits, settings.store.lock_after)


def encounters_edit(
    id_: Id,
    turn: Annotated[
        int | None, typer.Option(metavar="N", help="Edit the text of this turn.")
    ] = None,
    speaker: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE", help="Set who speaks in the turn: doctor, patient, relative, no name."
        ),
    ] = None,
    finding: Annotated[
        int | None, typer.Option(metavar="N", help="Set the status of this finding.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(metavar="STATUS", help=f"One of {', '.join(_STATUSES)}.")
    ] = None,
    note: Annotated[bool, typer.Option("--note", help="Edit the note.")] = False,
    patient: Annotated[
        bool,
        typer.Option(
            "--patient", help="Correct name, number and date of birth; a line each in a pipe."
        ),
    ] = False,
    consent: Annotated[
        bool, typer.Option("--consent", help="Note whether the patient agreed to the recording.")
    ] = False,
    from_stdin: FromStdin = False,
    config: Config = None,
) -> None:
    """Correct an encounter; what was there before is kept, with who changed it and when.

    Text is edited on the terminal, or read from standard input. Numbers are those of
    `voicemed encounters show`.
    """
    _check_edit([turn is not None, finding is not None, note, patient, consent])
    _check_parts(turn, speaker, finding, status)
    with _opened(config, from_stdin) as (store, settings):
        from voicemed import access

        encounter, idle = _find(store, id_), settings.store.lock_after
        if speaker is not None and turn is not None:
            store.edit_speaker(encounter, turn, speaker)
            done = f"the speaker of turn {turn} is corrected"
        elif finding is not None and status is not None:
            from voicemed.assertion import Status

            store.edit_status(encounter, finding, Status(status))
            done = f"the status of finding {finding} is corrected"
        elif patient:
            done = _edit_patient(store, encounter, idle)
        elif consent:
            done = _edit_consent(store, encounter)
        else:
            done = _edit_text(store, encounter, turn, idle)
        access.tell(f"{shortened(encounter)}: {done}" if done else "left as it was")


def encounters_export(
    id_: Id,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the files; made if need be.")
    ] = None,
    format_: Annotated[
        str,
        typer.Option(
            "--format", metavar="LIST", help=f"Of {', '.join(FORMATS)}; separated by commas."
        ),
    ] = "fhir,pdf",
    sound: Annotated[
        bool, typer.Option("--sound", help="Also the sound, as a WAV; FHIR then refers to it.")
    ] = False,
    clipboard: Annotated[
        bool, typer.Option("--clipboard", help="Copy it as Markdown; no file is written.")
    ] = False,
    from_stdin: FromStdin = False,
    config: Config = None,
) -> None:
    """Write an encounter as files for people and other programs; they are not encrypted.

    docs/exports.md describes them, and how an EMR picks them up from a folder.
    """
    if clipboard == (output is not None):
        raise typer.BadParameter("give a folder as --output, or --clipboard")
    if clipboard and sound:
        raise typer.BadParameter("the clipboard takes no --sound")
    formats = formats_of(format_, FORMATS)
    with _opened(config, from_stdin) as (store, _):
        encounter = _find(store, id_)
        if output is None:
            _copy(store, encounter)
        else:
            _export(store, encounter, output, formats, sound=sound)


def encounters_delete(
    id_: Id,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    from_stdin: FromStdin = False,
    config: Config = None,
) -> None:
    """Destroy an encounter for good: its key first, then its files.

    Also one that is damaged so much that it cannot be read. Says which backups still hold it.
    """
    with _opened(config, from_stdin) as (store, _):
        from voicemed import access

        encounter = _find(store, id_, unreadable=True)
        short = shortened(encounter)
        if not yes:
            about = _described(store, encounter)
            question = f"This destroys {short}, {about}, for good. Type {short} to go on: "
            typed = access.ask_line(question, otherwise="add --yes to delete without")
            if typed.lower() != short:
                raise StoreError(f"{short}: not deleted: that was not its id")
        remains = store.delete(encounter)
        access.tell(f"{short} is destroyed. {remains}")


def encounters_recover(
    id_: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="Otherwise all that a crash cut off."),
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Also one that is transcribed to its end, or was corrected since."
        ),
    ] = False,
    from_stdin: FromStdin = False,
    config: Config = None,
) -> None:
    """Transcribe stored sound again: of encounters that a crash, or a full disk, cut off.

    The transcript is replaced; the one before, and its corrections, are kept as history. The note
    of a dictation stays as it was: the words after it are in the transcript.
    """
    with _opened(config, from_stdin) as (store, settings):
        from voicemed import access, ui

        chosen = _to_recover(store, id_, again=again)
        if not chosen:
            access.tell("there is nothing to recover: all sound is transcribed")
            return
        from voicemed.batch import Transcriber

        transcriber = Transcriber(settings)
        for number, one in enumerate(chosen, 1):
            with ui.batch_progress() as progress:
                turns = _recover(store, one, transcriber, (number, len(chosen)), progress)
            short = shortened(one.id)
            access.tell(f"{short} is transcribed, turns: {turns}: voicemed encounters show {short}")


# -- the audit log


def audit_list(
    encounter: Annotated[
        str | None, typer.Option(metavar="ID", help="Only what concerns this encounter.")
    ] = None,
    from_stdin: FromStdin = False,
    config: Config = None,
) -> None:
    """List who did what and when, oldest first; entries of deleted encounters stay."""
    from voicemed import record_view

    with _opened(config, from_stdin) as (store, settings):
        entries = store.audit()
    if encounter is not None:
        wanted = encounter.strip().lower()
        entries = [one for one in entries if wanted and one.encounter.startswith(wanted)]
        if not entries:
            raise StoreError(f"{encounter}: the audit log has no encounter that begins so")
    record_view.print_audit(entries, settings.store.lock_after)


def audit_verify(
    head: Annotated[
        str, typer.Option(metavar="HEAD", help="As `voicemed audit head` printed it before.")
    ] = "",
    from_stdin: FromStdin = False,
    config: Config = None,
) -> None:
    """Find out whether the log, the encounters or their files were changed behind its back.

    That the newest entries were cut off is seen only against a head from before.
    """
    with _opened(config, from_stdin) as (store, _):
        from voicemed import access

        problems = [*store.verify_audit(head), *store.verify_files()]
        for problem in problems:
            access.tell(f"error: {problem}")
        found = len(problems) + len(store.problems)
        if not found:
            counts = f"entries: {len(store.audit())}, encounters: {len(store.encounters())}"
            typer.echo(f"{counts}, with their files: all is well")
            typer.echo(f"head: {store.audit_head()}")
            return
    raise StoreDamaged(f"{found} problem{'s'[: found > 1]} found: restore a backup, ask who did it")


def audit_head(from_stdin: FromStdin = False, config: Config = None) -> None:
    """Print the head of the log; keep it elsewhere, for `voicemed audit verify --head`."""
    with _opened(config, from_stdin) as (store, _):
        typer.echo(store.audit_head())


COMMANDS: Mapping[str, Callable[..., None]] = MappingProxyType(
    {
        "init": init,
        "passphrase": passphrase,
        "recovery-key": recovery_key,
        "lock": lock,
        "backup": backup,
        "restore": restore,
        "encounters list": encounters_list,
        "encounters show": encounters_show,
        "encounters search": encounters_search,
        "encounters edit": encounters_edit,
        "encounters export": encounters_export,
        "encounters delete": encounters_delete,
        "encounters recover": encounters_recover,
        "audit list": audit_list,
        "audit verify": audit_verify,
        "audit head": audit_head,
    }
)


# -- what the commands share


@contextmanager
def _opened(config: Path | None, from_stdin: bool) -> Iterator[tuple[Store, Settings]]:
    settings = load(config)
    from voicemed import access

    with access.opened(settings.store, from_stdin=from_stdin) as store:
        yield store, settings


def _find(store: Store, prefix: str, *, unreadable: bool = False) -> str:
    """The whole id; "last" is the newest that is not being recorded. unreadable: as Store.find."""
    from voicemed.store import State

    summaries = store.encounters()
    finished = [one.id for one in summaries if one.state is not State.RECORDING]
    if prefix.strip().lower() == "last":
        if not finished:
            raise StoreError("there are no encounters yet")
        return finished[0]
    start = prefix.strip().lower()
    if start and any(one.id.startswith(start) for one in summaries if one.id not in finished):
        raise StoreError(f"{prefix}: is being recorded: end it first")
    return store.find(prefix, unreadable=unreadable)


def _described(store: Store, encounter: str) -> str:
    """By which somebody knows what is to be deleted."""
    if encounter in store.unreadable():
        return "which cannot be read"
    one = _summary(store, encounter)
    return f"the {one.kind} of {one.started_at.astimezone():%Y-%m-%d %H:%M}"


def _summary(store: Store, encounter: str) -> Summary:
    return next(one for one in store.encounters() if one.id == encounter)


def _check_edit(chosen: Sequence[bool]) -> None:
    """One thing at a time."""
    if chosen.count(True) != 1:
        raise typer.BadParameter("give one of --turn, --finding, --note, --patient and --consent")


def _check_parts(
    turn: int | None, speaker: str | None, finding: int | None, status: str | None
) -> None:
    """What belongs together is there."""
    if speaker is not None and turn is None:
        raise typer.BadParameter("--speaker needs the --turn")
    if speaker is not None and not speaker.strip():
        raise typer.BadParameter("--speaker is empty")
    if (status is None) != (finding is None):
        raise typer.BadParameter("--finding and --status go together")
    if status is not None and status not in _STATUSES:
        raise typer.BadParameter(f"unknown status {status!r}; known: {', '.join(_STATUSES)}")


def _edit_text(store: Store, encounter: str, turn: int | None, idle: Seconds) -> str:
    """Let somebody edit a turn, or the note; what was done, if anything."""
    from voicemed import record_view

    record = store.read(encounter)
    short = shortened(encounter)
    if turn is None:
        text = record_view.edited_text(record.note, f"Note of {short}", idle, several_lines=True)
        if text is not None:
            store.edit_note(encounter, text)
        return "" if text is None else "the note is corrected"
    before = next((one.text for one in record.turns if one.id == turn), None)
    if before is None:
        raise StoreError(f"turn {turn}: there is none of that number in this encounter")
    text = record_view.edited_text(before, f"Turn {turn} of {short}", idle, several_lines=False)
    if text is not None:
        store.edit_turn(encounter, turn, text)
    return "" if text is None else f"turn {turn} is corrected"


def _edit_patient(store: Store, encounter: str, idle: Seconds) -> str:
    """Likewise of who the patient is."""
    from voicemed import record_view

    before = store.read(encounter).patient
    after = record_view.edited_patient(before, f"Patient of {shortened(encounter)}", idle)
    if after is None:
        return ""
    store.edit_patient(encounter, after)
    return "the patient is corrected"


def _edit_consent(store: Store, encounter: str) -> str:
    """Note what was said to the recording, and what follows from a no."""
    from voicemed import access, intake

    said = None
    while said is None:
        answer = access.ask_line(intake.ASK_LATER, otherwise="write y, r, g or n there as a line")
        said = intake.consent_of(answer)
    given, by = said
    changed = store.edit_consent(encounter, given, by)
    if not given:
        short = shortened(encounter)
        access.tell(f"to destroy what was recorded: voicemed encounters delete {short}")
    return "the consent is noted" if changed else ""


def _export(
    store: Store, encounter: str, folder: Path, formats: tuple[str, ...], *, sound: bool
) -> None:
    from voicemed import access, documents

    record = store.read(encounter)
    if sound and not record.audio_seconds:
        raise OutputError(f"{shortened(encounter)}: its sound is not stored (any more)")
    chunks = store.audio(encounter) if sound else None
    for path in documents.export(record, folder, formats, sound=chunks):
        typer.echo(str(path))
    # Only now: by the policy "until exported" an encounter goes once it is.
    for name in [*formats, *(["wav"] if sound else [])]:
        store.exported(encounter, name, str(folder))
    access.tell("these files are not encrypted: delete them when they are where they belong")


def _copy(store: Store, encounter: str) -> None:
    import pyperclip

    from voicemed import access, documents

    text = documents.to_markdown(store.read(encounter)).decode()
    try:
        pyperclip.copy(text)
    except pyperclip.PyperclipException as error:
        raise OutputError(
            "there is no clipboard that a program can reach (Linux needs wl-clipboard or xclip): "
            "use --format md --output DIR"
        ) from error
    store.exported(encounter, "md", "the clipboard")
    access.tell(
        "copied as Markdown; other programs can read the clipboard: copy something else later"
    )


def _to_recover(store: Store, id_: str | None, *, again: bool) -> list[Summary]:
    """Encounters with sound after the last turn; or that one."""
    from voicemed import access

    if id_ is None:
        unfinished = [one for one in store.encounters() if one.untranscribed]
        for one in unfinished:
            if one.edited:
                short = shortened(one.id)
                access.tell(
                    f"{short} was corrected: give its id and --again to transcribe it again"
                )
        return [one for one in unfinished if not one.edited]
    one = _summary(store, _find(store, id_))
    short = shortened(one.id)
    if not one.audio_seconds:
        raise StoreError(f"{short}: its sound is not stored (any more)")
    if not again and (one.edited or not one.untranscribed):
        why = "was corrected" if one.edited else "is transcribed to its end"
        raise StoreError(f"{short}: {why}: add --again to replace its transcript all the same")
    return [one]


def _recover(
    store: Store,
    one: Summary,
    transcriber: Transcriber,
    place: tuple[int, int],
    progress: Callable[..., None],
) -> int:
    """Replace its transcript by that of its sound; damaged pieces count as silence."""
    from voicemed.batch import Reporter
    from voicemed.store import State

    report = Reporter(Path(shortened(one.id)), *place, progress)
    sound = store.audio(one.id, salvage=one.state is State.DAMAGED)
    visit = one.started_at.astimezone().date()
    heard = transcriber.transcribe_sound(sound, one.audio_seconds, report, visit)
    store.replace_transcript(one.id, heard.turns, heard.findings, heard.model, heard.language)
    return len(heard.turns)
