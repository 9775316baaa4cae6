"""What the store holds, on the terminal.

A terminal shows it in its alternate screen, page by page, and remembers nothing of it; a pipe gets
plain text. No pager of the system is used: some write what they show to a file.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from voicemed import access, documents
from voicemed.audio import Seconds
from voicemed.encounter import AuditEntry, EncounterRecord, Patient
from voicemed.errors import ConfigError
from voicemed.ids import shortened
from voicemed.intake import birth_date
from voicemed.store import Hit, State, Summary
from voicemed.ui import (
    SPEAKER_STYLES,
    WIDE,
    Keys,
    clock,
    make_console,
    printable,
)

STAYS = 15
"Encounters that stay on the terminal when a list is closed: their ids are wanted next."
_LOOK: Seconds = 0.03
"Between two looks at the keyboard."
_LOOK_AGAIN: Seconds = 0.5
"Between two looks at whether somebody still edits."
_STATE_STYLES = {
    State.RECORDING: "bold red",
    State.COMPLETE: "green",
    State.RECOVERED: "yellow",
    State.DAMAGED: "bold red",
}
_END = 10**9
_STEPS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("\x1b[A", "\x1bOA", "\xe0H", "k"), (-1, 0)),
    **dict.fromkeys(("\x1b[B", "\x1bOB", "\xe0P", "j", "\r", "\n"), (1, 0)),
    **dict.fromkeys(("\x1b[5~", "\xe0I", "b"), (0, -1)),
    **dict.fromkeys(("\x1b[6~", "\xe0Q", " "), (0, 1)),
    **dict.fromkeys(("\x1b[H", "\x1bOH", "\x1b[1~", "\xe0G", "g"), (-_END, 0)),
    **dict.fromkeys(("\x1b[F", "\x1bOF", "\x1b[4~", "\xe0O", "G"), (_END, 0)),
}
"Lines and pages that a key moves by."
_KEY = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Z])|\xe0.|.", re.DOTALL)
_CLOSING = frozenset({"q", "Q", "\x1b"})


# -- showing


def show(content: RenderableType, idle: Seconds) -> bool:
    """Show it page by page where there is a terminal with keys; whether it was so.

    idle: after so long without a key it closes by itself, 0 never.
    """
    if not _has_screen():
        make_console().print(content)
        return False
    console = _screen_console()
    top = drawn = -1
    size: tuple[int, ...] = ()
    lines: list[list[Segment]] = []
    with Keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            pressed: Sequence[str] = ()
            used = time.monotonic()
            while not _CLOSING.intersection(pressed):
                if size != (size := tuple(console.size)):
                    options = console.options.update(width=console.width, height=None)
                    lines, drawn = console.render_lines(content, options, pad=False), -1
                room = console.height - 1
                top = _moved(top, pressed, room, len(lines) - room)
                if top != drawn:
                    live.update(_page(lines, top, room), refresh=True)
                    drawn = top
                time.sleep(_LOOK)
                pressed = [key for read in keys.read() for key in _KEY.findall(read)]
                used = time.monotonic() if pressed else used
                if 0 < idle < time.monotonic() - used:
                    break
        except KeyboardInterrupt:
            pass  # Ctrl-C closes it too
    return True


def _moved(top: int, pressed: Iterable[str], room: int, last: int) -> int:
    """The line at the top after some keys, on a screen for so many lines."""
    for key in pressed:
        by, pages = _STEPS.get(key, (0, 0))
        top = max(0, min(top + by + pages * max(1, room - 1), last))
    return max(0, min(top, last))


def _page(lines: Sequence[list[Segment]], top: int, room: int) -> RenderableType:
    shown = lines[top : top + room]
    body: list[Segment] = []
    for line in shown:
        body += [*line, Segment.line()]
    body += [Segment.line()] * (room - len(shown))
    place = (
        f"{min(100, 100 * (top + room) // max(1, len(lines)))} %   " if room < len(lines) else ""
    )
    keys = "q: close   ↑ ↓ space b: move" if room < len(lines) else "q: close"
    foot = Text(f"{place}{keys}", style="dim", no_wrap=True, overflow="ellipsis")
    return Group(Segments(body), foot)


def _has_screen() -> bool:
    """Whether there is a terminal with keys that can forget; also for those who want no colour."""
    ends = (sys.stdin, sys.stdout)
    at_terminal = all(end is not None and end.isatty() for end in ends)
    return at_terminal and os.environ.get("TERM") != "dumb"


def _screen_console() -> Console:
    return Console(force_terminal=True, markup=False, highlight=False, emoji=False)


def show_recovery_key(key: str) -> None:
    """The key, once: on a terminal until its end was typed; in a pipe as a line on stdout."""
    advice = (
        "This is the recovery key. It opens the record if the passphrase is forgotten, and it is\n"
        "kept nowhere: write it down or print it, and lock it away, not near this computer.\n"
    )
    if not _has_screen():
        make_console(stderr=True).print(advice.rstrip(), soft_wrap=True)
        make_console().print(key, soft_wrap=True)
        return
    console = _screen_console()
    with console.screen(hide_cursor=False):
        console.print(f"\n{advice}\n    {key}\n")
        while _typed(console, "Type its last four characters: ") != key[-4:]:
            console.print("Those are not its last four characters; please compare.")


def _typed(console: Console, prompt: str) -> str:
    try:
        return console.input(prompt).strip().upper()
    except EOFError:
        raise KeyboardInterrupt from None


def edited_text(before: str, title: str, idle: Seconds, *, several_lines: bool) -> str | None:
    """The text after somebody edited it; None if it was left as it was.

    From a pipe, or without a screen, the new text is read to its end. idle: after so long without
    a change the editor closes by itself, and keeps what there is; 0 never.
    """
    if not _has_screen():
        if sys.stdin is not None and sys.stdin.isatty():
            hint = f"{title}: type the new text, then Ctrl-D on a line of its own"
            make_console(stderr=True).print(hint, soft_wrap=True)
        text = access.rest_of_stdin()
        return text.rstrip("\n") if text else None
    keep = "Ctrl-S" if several_lines else "Enter"
    try:
        with _editing(f"{title}   {keep}: keep   Ctrl-C: leave it as it was"):
            after = _edited("", before, idle, several_lines=several_lines, keeps=True)
    except (KeyboardInterrupt, EOFError):
        return None
    return None if after == before else after


def edited_patient(before: Patient, title: str, idle: Seconds) -> Patient | None:
    """Who the patient is after somebody corrected it; None if it was left as it was.

    From a pipe, or without a screen, it is read as name, number and date of birth, a line each;
    lines that do not come change nothing. idle: after so long without a change it is left as it
    was; 0 never. Raises ConfigError for what is no date.
    """
    if _has_screen():
        try:
            with _editing(f"{title}   Enter: next   Ctrl-C: leave it as it was") as console:
                after = _edited_patient(console, before, idle)
        except (KeyboardInterrupt, EOFError):
            return None
    else:
        if sys.stdin is not None and sys.stdin.isatty():
            hint = f"{title}: type name, number and date of birth, a line each, then Ctrl-D"
            make_console(stderr=True).print(hint, soft_wrap=True)
        lines = [line.strip() for line in access.rest_of_stdin().splitlines()[:3]]
        born = birth_date(lines[2]) if len(lines) > 2 else before.birth_date
        name, identifier = [*lines[:2], *(before.name, before.identifier)[len(lines) :]]
        after = Patient(name, identifier, born)
    return None if after == before else after


def _edited_patient(console: Console, before: Patient, idle: Seconds) -> Patient:
    name = _edited_line("Name: ", before.name, idle).strip()
    identifier = _edited_line("Number in the practice: ", before.identifier, idle).strip()
    born = before.birth_date.isoformat() if before.birth_date else ""
    while True:
        born = _edited_line("Born, as 1950-12-31 (or nothing): ", born, idle)
        try:
            return Patient(name, identifier, birth_date(born))
        except ConfigError as error:
            console.print(str(error))


@contextmanager
def _editing(title: str) -> Iterator[Console]:
    """A screen that the terminal forgets."""
    console = _screen_console()
    with console.screen(hide_cursor=False):
        console.print(Text(f"{title}\n", style="dim"))
        yield console


def _edited_line(message: str, before: str, idle: Seconds) -> str:
    """A short text; raises KeyboardInterrupt, EOFError to leave it, or after so long unchanged."""
    return _edited(message, before, idle, several_lines=False, keeps=False)


def _edited(message: str, before: str, idle: Seconds, *, several_lines: bool, keeps: bool) -> str:
    """What stands there in the end; keeps: also after so long unchanged.

    Raises KeyboardInterrupt, EOFError.
    """
    from prompt_toolkit import PromptSession
    from prompt_toolkit.application import Application
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    bindings = KeyBindings()

    @bindings.add("c-s")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    session: PromptSession[str] = PromptSession(multiline=several_lines, key_bindings=bindings)
    seen, since = (before, 0), time.monotonic()

    def look(app: Application[str]) -> None:
        nonlocal seen, since
        buffer = session.default_buffer
        if seen != (seen := (buffer.text, buffer.cursor_position)):
            since = time.monotonic()
        if 0 < idle < time.monotonic() - since and not app.is_done:
            if keeps:
                app.exit(result=buffer.text)
            else:
                app.exit(exception=EOFError)

    session.app.after_render += look
    return session.prompt(message, default=before, refresh_interval=_LOOK_AGAIN)


# -- lists


def print_encounters(summaries: Sequence[Summary], idle: Seconds) -> None:
    """All of them; on a terminal, which remembers, only the newest stay, without names."""
    if not summaries:
        make_console().print("No encounters yet.", soft_wrap=True)
        return
    if show(_encounters(summaries, names=True), idle):
        console = make_console()
        console.print(_encounters(summaries[:STAYS], names=False))
        if len(summaries) > STAYS:
            console.print(f"and {len(summaries) - STAYS} older ones", soft_wrap=True)


def _encounters(summaries: Iterable[Summary], *, names: bool) -> Table:
    counts = make_console().width >= WIDE
    table = _table("id", "began", "kind", "length")
    if names:
        table.add_column("patient", overflow="fold", min_width=12)
    for heading in ("turns", "findings") if counts else ():
        table.add_column(heading, justify="right")
    table.add_column("state", overflow="fold", min_width=max(map(len, State)))
    for one in summaries:
        table.add_row(
            shortened(one.id),
            _moment(one.started_at),
            one.kind.value,
            clock(one.duration),
            *([Text(_patient(one))] if names else []),
            *([str(one.turns), str(one.findings)] if counts else []),
            _state(one),
        )
    return table


def _patient(one: Summary) -> str:
    """Who it is about, and the name of the recording."""
    parts = (one.patient.name, one.patient.identifier, one.source)
    return ", ".join(printable(part) for part in parts if part)


def _state(one: Summary) -> Text:
    """How it is kept, and what was, or is still to be, done with it."""
    text = Text(one.state.value, style=_STATE_STYLES[one.state])
    marks = [f"{clock(one.untranscribed)} of sound not transcribed"] if one.untranscribed else []
    marks += ["no sound"] if not one.audio_seconds else []
    marks += ["corrected"] if one.edited else []
    marks += ["exported"] if one.exported else []
    return text.append("".join(f", {mark}" for mark in marks), style="not bold default")


def print_hits(hits: Sequence[Hit], idle: Seconds) -> None:
    """Where the words were found."""
    if not hits:
        make_console().print("Nothing found.", soft_wrap=True)
        return
    table = _table("id", "began", "where")
    table.add_column("text", overflow="fold")
    for hit in hits:
        where = f"{hit.part} {hit.number}" if hit.number else hit.part
        table.add_row(
            shortened(hit.encounter), _moment(hit.started_at), where, Text(printable(hit.text))
        )
    show(table, idle)


def print_audit(entries: Iterable[AuditEntry], idle: Seconds) -> None:
    """The audit log, oldest first."""
    table = _table("no.", "when", "who", "what", "encounter")
    table.add_column("details", overflow="fold")
    for one in entries:
        table.add_row(
            str(one.number),
            f"{one.at.astimezone():%Y-%m-%d %H:%M:%S}",
            Text(printable(one.who)),
            Text(printable(one.action)),
            shortened(one.encounter),
            Text(printable(one.details)),
        )
    show(table, idle)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table


def _moment(at: datetime) -> str:
    """In the time of this place."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


# -- an encounter


def show_encounter(record: EncounterRecord, idle: Seconds) -> None:
    """All of it, with the numbers by which `encounters edit` knows its turns and findings."""
    blocks = documents.page(_local(record))
    show(Group(*(_block(block) for block in blocks)), idle)


def _local(record: EncounterRecord) -> EncounterRecord:
    """With the times of this place."""
    return replace(
        record,
        started_at=record.started_at.astimezone(),
        ended_at=record.ended_at.astimezone() if record.ended_at else None,
        consents=tuple(replace(one, at=one.at.astimezone()) for one in record.consents),
        edits=tuple(replace(one, at=one.at.astimezone()) for one in record.edits),
    )


def _block(block: documents.Block) -> RenderableType:
    match block:
        case documents.Heading(level=level, text=text):
            gap = "\n" if level > 1 else ""
            return Text(gap + printable(text), style="bold")
        case documents.Notice(text=text):
            return Text(f"{printable(text)}\n", style="yellow")
        case documents.Facts(rows=rows):
            grid = Table.grid(padding=(0, 2))
            for name, value in rows:
                grid.add_row(Text(name, style="dim"), Text(printable(value)))
            return grid
        case documents.Table(header=header, rows=rows):
            table = Table(box=None, pad_edge=False, header_style="dim")
            for heading in header:
                table.add_column(heading, overflow="fold")
            for row in rows:
                table.add_row(*(Text(printable(cell)) for cell in row))
            return table
        case documents.Paragraph(text=text):
            return Text(printable(text))
        case documents.Verbatim(text=text):
            return Text("\n".join(map(printable, text.splitlines())))
        case documents.Said():
            return _said(block)


def _said(said: documents.Said) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim", justify="right", min_width=3, no_wrap=True)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    words = Text()
    if said.speaker:
        style = SPEAKER_STYLES.get(said.speaker.lower(), "bold")
        words.append(f"{printable(said.speaker)}: ", style=style)
    if said.remark:
        words.append(f"({printable(said.remark)}) ", style="dim italic")
    grid.add_row(str(said.turn), said.time, words.append(printable(said.text)))
    return grid
