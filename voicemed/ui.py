"""Terminal views: they read the Encounter and the LiveStatus, and never write them.

A terminal gets a screen that is redrawn (`Screen`); a pipe gets lines without control codes
(`SessionLines`). What was said is put into `Text` objects only, so that no word of a patient is
ever taken for markup, and `printable` keeps control characters of file and device names out.
"""

from __future__ import annotations

import io
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Protocol, Self

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from voicemed.assertion import Experiencer, Status
from voicemed.audio import SILENCE_DBFS, Seconds
from voicemed.encounter import Encounter
from voicemed.evaluate import FIGURES, Outcome, compare, figures
from voicemed.findings import Finding, FindingKind
from voicemed.ids import shortened
from voicemed.live import Event, LiveLoop, LiveStatus, Replied, StatusChanged, TurnAdded
from voicemed.transcript import Turn

if TYPE_CHECKING:
    from voicemed.batch import BatchProgress, BatchReport
    from voicemed.check import CheckResult
    from voicemed.microphone import DeviceInfo
    from voicemed.text_batch import Extracted, ExtractReport
    from voicemed.weights import ModelStatus
    from voicemed.weights import Progress as PullProgress

WIDE = 100
"Columns from which transcript and findings stand side by side."
FRAME: Seconds = 0.2
"Between two drawings while only the status changes: each takes Python 10 ms from other threads."
METER_LOW = -60.0
"dBFS at the left end of the level meter; the right end is 0."

STATUS_STYLES = {
    Status.PRESENT: "bold red",
    Status.ABSENT: "green",
    Status.UNCERTAIN: "yellow",
    Status.PAST: "cyan",
    Status.HYPOTHETICAL: "magenta",
}
STATE_STYLES = {
    "ok": "green",
    "present": "green",
    "none": "dim",
    "missing": "yellow",
    "warning": "yellow",
    "damaged": "bold red",
    "failed": "bold red",
}
DETAILS = {
    FindingKind.SYMPTOM: "since",
    FindingKind.MEDICATION: "dose",
    FindingKind.ALLERGY: "reaction",
    FindingKind.MEASUREMENT: "value",
}
"Title of the column of a finding's details."
TO_CHECK = "? to check: voicemed is not sure of it"
SPEAKER_STYLES = {"doctor": "bold cyan", "patient": "bold yellow"}
_MEASURE = Console(file=io.StringIO())
"Prints nothing; only measures how text wraps."


# -- consoles


def is_screen(stream: IO[str]) -> bool:
    """Whether control codes may go to this stream: a terminal that did not decline them."""
    declined = os.environ.get("TERM") == "dumb" or bool(os.environ.get("NO_COLOR"))
    return stream.isatty() and not declined


def takes_keys() -> bool:
    """Whether the commands that show a screen get one, with a keyboard."""
    return is_screen(sys.stdout) and sys.stdin is not None and sys.stdin.isatty()


def make_console(*, stderr: bool = False) -> Console:
    """A console for stdout or stderr; in a pipe it writes plain text and wraps nothing."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        force_terminal=is_screen(stream),
        width=None if stream.isatty() else 10_000,
        markup=False,
        highlight=False,
        emoji=False,
    )


# -- words for values


def printable(text: str) -> str:
    """The text without control characters, on one line."""
    return "".join(char if char.isprintable() else " " for char in text)


def clock(seconds: Seconds) -> str:
    """mm:ss, or h:mm:ss from one hour."""
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute:02}:{second:02}"


def name(finding: Finding) -> str:
    """The name of what was found, and whether it is another person's."""
    other = finding.assertion.experiencer is Experiencer.OTHER
    return printable(finding.concept.display) + (" (someone else)" if other else "")


def status_text(finding: Finding) -> Text:
    """The status, after those that it had before; with a question mark if it is to be checked."""
    statuses = [change.status for change in finding.history[:-1]] + [finding.assertion.status]
    parts = (Text(status.value, style=STATUS_STYLES[status]) for status in statuses)
    text = Text(" → ").join(parts)
    return text.append(" ?", style="bold yellow") if finding.doubtful else text


def since(finding: Finding) -> str:
    """When it began or for how long it has lasted, as far as it was said."""
    if onset := finding.attributes.get("onset"):
        return printable(onset.removeprefix("since "))
    if duration := finding.attributes.get("duration"):
        return printable(f"for {duration.removeprefix('for ')}")
    return ""


def details(finding: Finding) -> str:
    """What else is shown of it: since when a symptom, the dose, the reaction, the value."""
    if finding.kind is FindingKind.SYMPTOM:
        return since(finding)
    return printable(finding.details)


def evidence_time(finding: Finding, encounter: Encounter) -> str:
    """The time of the words that last spoke of it."""
    if not finding.evidence:
        return ""
    span = finding.evidence[-1]
    return clock(encounter.turn(span.turn).words[span.first].start)


# -- the session


def session_view(
    encounter: Encounter, status: LiveStatus, *, width: int, height: int
) -> RenderableType:
    """The session as it stands, for a screen of this many columns and rows."""
    meter = _meter(status, width)
    transcript = _Tail(_transcript(encounter.turns[-height:], status))
    if height < 10 or width < 40:  # room for the words and for what is wrong
        return _rows([meter], transcript, _warning(status, width)[:1])
    panes = _panes(encounter, transcript, width=width, height=height)
    foot = [*_warning(status, width), *_reply(status), _one_line(_session_keys(status))]
    return _rows([meter, _engine_line(encounter, status)], panes, foot)


def session_svg(
    encounter: Encounter, status: LiveStatus, *, width: int = 110, height: int = 26
) -> str:
    """A picture of the session's screen, as SVG that loads nothing from elsewhere."""
    console = Console(
        record=True,
        file=io.StringIO(),
        width=width,
        height=height,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    console.print(session_view(encounter, status, width=width, height=height), height=height)
    svg = console.export_svg(title="voicemed session")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def print_session_end(encounter: Encounter, *, output: str, kept: bool = False) -> None:
    """What remains when the session is over: findings and counts, not words.

    `output` is where replies went: speaker, none or a WAV, which is there if something was said.
    `kept`: the store has the encounter; then a terminal, which remembers, gets the counts only.
    """
    console = make_console()
    found = encounter.findings
    tables = _sections(found, lambda one: evidence_time(one, encounter), edge=_edge(console))
    if not (kept and sys.stdout.isatty()):
        _print_findings(console, found, tables)
    counts = [
        _count(len(encounter.turns), "turn"),
        _count(len(encounter.findings), "finding"),
        *(f"{count} dropped ({reason})" for reason, count in sorted(encounter.dropped.items())),
    ]
    console.print(", ".join(counts), soft_wrap=True)
    if output not in ("speaker", "none") and Path(output).is_file():
        console.print(f"Spoken replies: {printable(output)}", soft_wrap=True)


def print_unkept(reason: str) -> None:
    """That nothing is stored, and why, on stderr."""
    make_console(stderr=True).print(f"voicemed: nothing is kept: {reason}", soft_wrap=True)


def print_record(loop: LiveLoop) -> None:
    """Where the encounter is, if it is kept, and what went wrong with that; on stderr."""
    console = make_console(stderr=True)
    if loop.record_failure:
        line = f"voicemed: warning: recording stopped before the end: {loop.record_failure}"
        console.print(line, soft_wrap=True)
    if loop.record_id:
        short = shortened(loop.record_id)
        line = f"Encounter {short} is kept: voicemed encounters show {short}"
        console.print(line, soft_wrap=True)


@contextmanager
def follow_session(loop: LiveLoop) -> Iterator[Callable[[Event], None]]:
    """An observer that shows the session: a screen on a terminal, lines in a pipe."""
    if not is_screen(sys.stdout):
        yield SessionLines(loop).observe
        return

    def view(width: int, height: int) -> RenderableType:
        return session_view(loop.encounter, loop.status, width=width, height=height)

    def press(key: str) -> None:
        if loop.status.speaking:
            loop.stop_speaking()
        elif key == " ":
            loop.address()
        if key in ("q", "Q"):
            loop.close()

    with Screen(loop, view, press) as screen:
        yield screen.observe


class Screen:
    """Redraws a view in the terminal's alternate screen, and takes single keys.

    The alternate screen leaves nothing in the terminal's scrollback. While the loop is locked it
    shows no more than that, and the keys are the passphrase.
    """

    def __init__(
        self,
        loop: LiveLoop,
        view: Callable[[int, int], RenderableType],
        press: Callable[[str], None],
    ) -> None:
        """`view` draws for so many columns and rows; `press` is called with each key."""
        self._loop = loop
        self._view = view
        self._press = press
        self._typed: list[str] = []  # of the passphrase
        self._alarm = ""
        self._console = make_console()
        # No thread of rich's own: only live.py starts threads.
        self._live = Live(console=self._console, screen=True, auto_refresh=False)
        self._keys = Keys()
        self._drawn = -FRAME

    def __enter__(self) -> Self:
        self._keys.__enter__()
        try:
            self._live.start()
            self._draw()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._live.stop()
        finally:
            self._keys.__exit__(kind, error, trace)

    def observe(self, event: Event) -> None:
        """Take the keys pressed meanwhile, then show what has changed."""
        for key in self._keys.read():
            self._loop.touch()
            if self._loop.status.locked:
                self._type(key)
            elif key in ("l", "L") and self._loop.status.lockable:
                self._loop.lock()
            else:
                self._press(key)
        if self._loop.status.alarm != self._alarm:
            self._alarm = self._loop.status.alarm
            self._console.bell()
        due = time.monotonic() - self._drawn >= FRAME
        if due or not isinstance(event, StatusChanged):
            self._draw()

    def _type(self, key: str) -> None:
        """A key on the lock screen."""
        if key in ("\r", "\n"):
            self._loop.unlock("".join(self._typed))
            self._typed.clear()
        elif key in ("\x7f", "\b"):
            del self._typed[-1:]
        elif key in ("\x15", "\x1b"):  # Ctrl-U, Esc
            self._typed.clear()
        elif key.isprintable():
            self._typed.append(key)

    def _draw(self) -> None:
        width, height = self._console.size
        status = self._loop.status
        if status.locked:
            view = locked_view(status, len(self._typed), width=width, height=height)
        else:
            view = self._view(width, height)
        self._live.update(view, refresh=True)
        self._drawn = time.monotonic()


class SessionLines:
    """The session as lines on stdout: turns, changes of findings, replies; warnings on stderr."""

    def __init__(self, loop: LiveLoop) -> None:
        self._loop = loop
        self._out = make_console()
        self._warnings = WarningLines(loop)
        self._known: dict[str, str] = {}

    def observe(self, event: Event) -> None:
        """Print what the event added."""
        match event:
            case TurnAdded(turn):
                speaker = f"{printable(turn.speaker)}: " if turn.speaker else ""
                self._print(f"[{clock(turn.start)}] {speaker}{printable(turn.text)}")
                self._print_changes()
            case Replied(text):
                self._print(f"  > {printable(text)}")
        self._warnings.show()

    def _print_changes(self) -> None:
        states: dict[str, list[str]] = {}
        for finding in self._loop.encounter.findings:
            states.setdefault(_subject(finding), []).append(_state(finding))
        now = {subject: "; ".join(said) for subject, said in states.items()}
        for subject, state in now.items():
            if state != self._known.get(subject):
                self._print(f"  {'~' if subject in self._known else '+'} {subject}: {state}")
        for subject in [subject for subject in self._known if subject not in now]:
            self._print(f"  - {subject}: withdrawn")
        self._known = now

    def _print(self, line: str) -> None:
        self._out.print(Text(line), soft_wrap=True)


class WarningLines:
    """Each new warning of the loop as a line on stderr."""

    def __init__(self, loop: LiveLoop) -> None:
        self._loop = loop
        self._shown: list[str] = []

    def show(self) -> None:
        """Print the warnings that are not those that were printed last."""
        status = self._loop.status
        now = [text for text in (status.alarm, status.warning) if text]
        for warning in now:
            if warning not in self._shown:
                line = Text(f"voicemed: warning: {printable(warning)}")
                make_console(stderr=True).print(line, soft_wrap=True)
        self._shown = now


def _subject(finding: Finding) -> str:
    """The name in a line, with the kind where the name does not tell it."""
    tells = finding.kind in (FindingKind.SYMPTOM, FindingKind.MEASUREMENT)
    return name(finding) if tells else f"{name(finding)} ({finding.kind})"


def _state(finding: Finding) -> str:
    """The status in a line, with its details; of a measurement the value tells enough."""
    status, said = finding.assertion.status, details(finding)
    if finding.kind is FindingKind.MEASUREMENT and status is Status.PRESENT and said:
        return said
    if finding.kind is FindingKind.SYMPTOM:
        said = printable(finding.since)
    return status + (f" ({said})" if said else "")


def _edge(console: Console) -> box.Box | None:
    """Lines around a table that stays on the terminal; none in a pipe."""
    return box.SIMPLE_HEAD if console.is_terminal else None


def _rows(head: Sequence[Text], body: RenderableType, foot: Sequence[Text]) -> Layout:
    """Single lines above and below a body that takes the rest of the screen."""
    layout = Layout()
    layout.split_column(
        *(Layout(line, size=1) for line in head),
        Layout(body),
        *(Layout(line, size=1) for line in foot),
    )
    return layout


def _panes(
    encounter: Encounter, transcript: RenderableType, *, width: int, height: int
) -> RenderableType:
    """Transcript and findings: side by side where the screen is wide, else one above the other."""
    findings = encounter.findings
    tables = _sections(findings, lambda one: evidence_time(one, encounter), edge=None, expand=True)
    to_check = "  (? to check)" if any(finding.doubtful for finding in findings) else ""
    left = Layout(_pane(transcript, "Transcript"))
    right = Layout(_pane(_Stack(tables), f"Findings: {len(findings)}{to_check}"))
    panes = Layout()
    if width >= WIDE:
        right.size = max(44, width * 2 // 5)
        panes.split_row(left, right)
    else:
        right.size = min(_lines(Group(*tables), width - 4) + 2, max(4, (height - 5) // 2))
        panes.split_column(left, right)
    return panes


def _pane(content: RenderableType, title: str) -> Panel:
    return Panel(content, title=title, title_align="left", border_style="dim")


def _transcript(turns: Iterable[Turn], status: LiveStatus) -> Table:
    """The turns, and below them the words that are being spoken."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    for turn in turns:
        words = Text()
        if turn.to_assistant:
            words.append("to the assistant: ", style="bold magenta")
        elif turn.speaker:
            style = SPEAKER_STYLES.get(turn.speaker, "bold")
            words.append(f"{printable(turn.speaker)}: ", style=style)
        grid.add_row(clock(turn.start), words.append(printable(turn.text)))
    partial = _partial(status)
    if partial:
        grid.add_row("...", partial)
    return grid


def _partial(status: LiveStatus) -> Text:
    """The growing utterance: settled words as usual, those that may still change dim."""
    text = Text(printable(status.committed.lstrip()))
    gap = "" if not text or text.plain.endswith(" ") or status.tentative.startswith(" ") else " "
    tentative = status.tentative if text else status.tentative.lstrip()
    if tentative:
        text.append(gap + printable(tentative), style="dim italic")
    return text


def _sections(
    findings: Iterable[Finding],
    place: Callable[[Finding], str],
    *,
    edge: box.Box | None,
    expand: bool = False,
    whole: bool = False,
) -> list[Table]:
    """A table for each kind of finding that there is, the symptoms' first.

    `place` tells where a finding was said. A table that expands is one of a screen: there that of
    the symptoms is never missing. whole: show all that was said of a symptom, not only since when.
    """
    found = list(findings)
    kinds = {finding.kind for finding in found} | ({FindingKind.SYMPTOM} if expand else set())
    tables = []
    for kind in [kind for kind in FindingKind if kind in kinds]:
        rows = [finding for finding in found if finding.kind is kind]
        statuses = [status_text(finding) for finding in rows]
        words = [len(word) for status in statuses for word in status.plain.split()]
        table = Table(box=edge, expand=expand, pad_edge=False, header_style="dim")
        table.add_column(kind.value, overflow="fold", ratio=3 if expand else None)
        table.add_column(
            "status", min_width=max(words, default=6), max_width=14 if expand else None
        )
        about = "details" if whole and kind is FindingKind.SYMPTOM else DETAILS[kind]
        table.add_column(
            about,
            overflow="fold",
            ratio=2 if expand else None,
            min_width=len("yesterday") if expand else None,
        )
        table.add_column("in" if whole else "at", no_wrap=expand, justify="right")
        for finding, status in zip(rows, statuses, strict=True):
            said = printable(finding.details) if whole else details(finding)
            table.add_row(Text(name(finding)), status, Text(said), place(finding))
        tables.append(table)
    return tables


def _print_findings(console: Console, findings: Sequence[Finding], tables: list[Table]) -> None:
    """The tables, and what a question mark in them means."""
    for table in tables:
        console.print(table)
    if any(finding.doubtful for finding in findings):
        console.print(TO_CHECK, soft_wrap=True)


def _meter(status: LiveStatus, width: int) -> Text:
    """One line: recording light, time, input level, and where the sound comes from."""
    line = _one_line(Text())
    if status.recording:
        line.append("● REC ", style="bold red")
    elif status.listening:
        line.append("● LISTENING, not stored ", style="bold red")
    elif not status.speaking:
        line.append("○ idle ", style="dim")
    if status.speaking:
        line.append("◆ speaking ", style="bold magenta")
    line.append(clock(status.elapsed) + "  ")
    cells = max(4, min(20, width // 5))
    lit = round(cells * min(1.0, max(0.0, 1 - status.level / METER_LOW)))
    style = "red" if status.level > -3 else "yellow" if status.level > -12 else "green"
    line.append("■" * lit, style=style).append("·" * (cells - lit), style="dim")
    line.append(f" {status.level:4.0f} dB  " if status.level > SILENCE_DBFS else "  silent  ")
    return line.append(printable(status.input_name), style="dim")


def _engine_line(encounter: Encounter, status: LiveStatus) -> Text:
    """One line: what was not written down or lost, latency, model and device."""
    line = _one_line(Text(style="dim"))
    dropped = encounter.dropped.total()
    line.append(f"dropped {dropped}  ", style="yellow" if dropped else "")
    line.append(f"overflows {status.overflows}  ", style="bold red" if status.overflows else "")
    if status.backlog >= 1:
        line.append(f"behind {status.backlog:.0f} s  ", style="yellow")
    latency = "-" if status.latency is None else f"{status.latency:.2f} s"
    return line.append(f"latency {latency}  {printable(status.model)} ({status.device})")


def _warning(status: LiveStatus, width: int) -> list[Text]:
    """Alarm and warning, each on at most two lines; none where all is well."""
    alarm = Text(printable(status.alarm), style="bold white on red")
    warning = Text(printable(status.warning), style="bold yellow")
    return [line for text in (alarm, warning) if text for line in text.wrap(_MEASURE, width)[:2]]


def _reply(status: LiveStatus) -> list[Text]:
    """A line with what the assistant said last; none before it spoke."""
    line = _one_line(Text.assemble(("> ", "bold magenta"), printable(status.reply)))
    return [line] if status.reply else []


def _session_keys(status: LiveStatus) -> Text:
    if status.speaking:
        line = Text("any key: stop the voice", style="dim")
    elif status.addressed:
        line = Text("ask the assistant now", style="bold magenta")
    else:
        line = Text("space: ask the assistant", style="dim")
    return line.append(f"   {_common_keys(status)}", style="not bold dim default")


def _common_keys(status: LiveStatus) -> str:
    return ("l: lock   " if status.lockable else "") + "q or Ctrl-C: end"


def _one_line(text: Text) -> Text:
    """The text, to be cut with an ellipsis where it does not fit."""
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text


def _lines(content: RenderableType, width: int) -> int:
    """Lines that the content takes in this many columns."""
    return len(_MEASURE.render_lines(content, _MEASURE.options.update(width=width)))


class _Tail:
    """Shows the last lines of its content where not all fit, below `keep` first ones and a mark."""

    def __init__(self, content: RenderableType, *, keep: int = 0) -> None:
        self._content = content
        self._keep = keep

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._content, options.update(height=None))
        room = options.height if options.height is not None else len(lines)
        if len(lines) > room:
            head = lines[: self._keep]
            if head:
                head.append([Segment("⋮")])
            lines = (head + lines[len(lines) - max(0, room - len(head)) :])[:room]
        for line in lines:
            yield from line
            yield Segment.line()


class _Stack:
    """Tables below each other; where not all fit, those after the first get a third."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._first = tables[0]
        self._rest = Group(*tables[1:])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        first, rest = _lines(self._first, width), _lines(self._rest, width)
        room = options.height if options.height is not None else first + rest
        below = min(rest, max(room - first, room // 3))
        for part, height in ((self._first, room - below), (self._rest, below)):
            if height:
                yield from console.render(_Tail(part, keep=1), options.update(height=height))


# -- dictation


class Note(Protocol):
    """A note that grows (voicemed.note.Dictation)."""

    @property
    def text(self) -> str:
        """All of it so far."""
        ...


def locked_view(status: LiveStatus, typed: int, *, width: int, height: int) -> RenderableType:
    """The lock screen: nothing of the encounter, and how much of the passphrase is typed."""
    goes_on = "Recording goes on." if status.recording else ""
    body = Text(f"Locked. {goes_on}\n\n", style="bold")
    body.append("Passphrase: " + "•" * typed, style="not bold")
    body.append(f"\n{printable(status.lock_note)}", style="not bold yellow")
    foot = _warning(status, width) if height >= 6 else []
    if height >= 8:
        foot.append(_one_line(Text("Enter: unlock   Ctrl-C: end", style="dim")))
    return _rows([_meter(status, width)], body, foot)


@contextmanager
def follow_dictation(loop: LiveLoop, note: Note) -> Iterator[Callable[[Event], None]]:
    """An observer that shows the note: growing on a terminal; in a pipe warnings only."""
    if not is_screen(sys.stdout):
        warnings = WarningLines(loop)
        yield lambda _: warnings.show()
        return

    def view(width: int, height: int) -> RenderableType:
        return dictation_view(note.text, loop.status, width=width, height=height)

    def press(key: str) -> None:
        if key in ("q", "Q"):
            loop.close()

    with Screen(loop, view, press) as screen:
        yield screen.observe


def dictation_view(note: str, status: LiveStatus, *, width: int, height: int) -> RenderableType:
    """The end of the note and the words that are being spoken, for a screen of this size."""
    visible = note[-width * height :]
    text = Text("\n".join(printable(line) for line in visible.split("\n")))
    partial = _partial(status)
    if text and partial and not text.plain.endswith("\n"):
        text.append(" ")
    foot = _warning(status, width)
    if height >= 6:
        foot.append(_one_line(Text(_common_keys(status), style="dim")))
    return _rows([_meter(status, width)], _Tail(text.append_text(partial)), foot)


def print_note(note: str, *, kept: bool = False) -> None:
    """The whole note; not on a terminal, which remembers, if the store has it (`kept`)."""
    if not (kept and sys.stdout.isatty()):
        make_console().print(Text(note.rstrip()), soft_wrap=True)


# -- keys


class Keys:
    """Single keys of the terminal, read without waiting; none where stdin is no terminal."""

    def __init__(self) -> None:
        self._restore: Callable[[], None] = lambda: None
        self._active = False

    def __enter__(self) -> Self:
        if sys.stdin is not None and sys.stdin.isatty():
            self._active = True
            if sys.platform != "win32":
                self._restore = _single_key_mode(sys.stdin.fileno())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._active = False
        self._restore()

    def read(self) -> list[str]:
        """The keys pressed since the last call; an arrow or function key counts as one."""
        if not self._active:
            return []
        if sys.platform == "win32":
            return _windows_keys()
        import select

        if not select.select([sys.stdin], [], [], 0)[0]:
            return []
        data = os.read(sys.stdin.fileno(), 1024).decode(errors="replace")
        return [data] if data.startswith("\x1b") else list(data)


if sys.platform == "win32":

    def _windows_keys() -> list[str]:
        import msvcrt

        keys = []
        while msvcrt.kbhit():
            key = msvcrt.getwch()
            # Arrow and function keys come as two characters.
            keys.append(key + msvcrt.getwch() if key in "\x00\xe0" else key)
        return keys

else:

    def _single_key_mode(descriptor: int) -> Callable[[], None]:
        """Deliver keys at once and unseen; returns what puts the terminal back as it was."""
        import termios
        import tty

        before = termios.tcgetattr(descriptor)
        tty.setcbreak(descriptor)
        # TCSAFLUSH: keys pressed at the end are not left for the shell.
        return lambda: termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


# -- progress and lists


@contextmanager
def batch_progress() -> Iterator[Callable[[BatchProgress], None]]:
    """A callback for `transcribe_files`: bars on a terminal's stderr, else a line for each file."""
    console = make_console(stderr=True)
    if not console.is_terminal:
        yield _BatchLines(console).show
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%", markup=False),
        TextColumn("{task.fields[speed]}", markup=False),
        TextColumn("{task.fields[left]}", markup=False),
    )
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        yield _BatchBars(progress).show


def print_batch_report(report: BatchReport) -> None:
    """Counts on stdout; the recordings that failed, each with its reason, on stderr."""
    counts = f"{len(report.done)} transcribed"
    if report.skipped:
        counts += f", {len(report.skipped)} skipped (done before with the same settings)"
    if report.failed:
        counts += f", {len(report.failed)} failed"
    if report.not_kept:
        counts += f", {len(report.not_kept)} not kept"
    make_console().print(counts, soft_wrap=True)
    _print_failed(report.failed)
    _print_failed(report.not_kept)


def print_kept_again(path: Path, before: str, now: str) -> None:
    """That a recording is in the store twice, and what to do with that, on stderr."""
    old, new = shortened(before), shortened(now)
    line = (
        f"{path}: is kept twice now, as {old} and as {new}: `voicemed encounters delete` one of "
        f"them (`voicemed encounters recover {old} --again` transcribes a kept one again)"
    )
    make_console(stderr=True).print(f"voicemed: {printable(line)}", soft_wrap=True)


def _print_failed(failed: Iterable[tuple[Path, str]]) -> None:
    """The files that failed, each with its reason, on stderr."""
    errors = make_console(stderr=True)
    for path, reason in failed:
        named = reason if str(path) in reason else f"{path}: {reason}"
        errors.print(f"voicemed: error: {printable(named)}", soft_wrap=True)


@contextmanager
def fold_progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr of the folds of cross-validation; what it gives takes done and all."""
    with Progress(console=make_console(stderr=True), transient=True) as bar:
        task = bar.add_task("Cross-validation", total=None)
        yield lambda done, count: bar.update(task, completed=done, total=count)


def print_card(card: str) -> None:
    """A model card on stdout, as it was written."""
    print(card, end="")  # noqa: T201 - Markdown is for reading and for pipes alike


def print_comparison(new: Sequence[Outcome], old: Sequence[Outcome], seen: int) -> None:
    """Figures of heads, and if there are others on the same consultations, which are better."""
    console = make_console()
    rows = [FIGURES.format("heads"), figures("these", new)]
    if old:
        result = compare(new, old)
        rows += [
            figures("shipped", old),
            "",
            f"finding F1 {result.difference:+.3f} (95 %: {result.low:+.3f} to "
            f"{result.high:+.3f}): {result.verdict}",
        ]
    console.print("\n".join(rows), soft_wrap=True, markup=False, highlight=False)
    if seen:
        left_out = f"{_count(seen, 'consultation')} left out: some heads were trained on them"
        make_console(stderr=True).print(left_out, soft_wrap=True)


def print_extracted(one: Extracted, *, highlight: bool) -> None:
    """What was found in a text, as tables; before them, if wished, the text with its findings."""
    console = make_console()
    counts = f"{_count(len(one.turns), 'utterance')}, {_count(len(one.findings), 'finding')}"
    heading = Text.assemble((printable(str(one.source)), "bold"), f": {counts}")
    console.print(heading.append(printable(f" -> {one.target}")), soft_wrap=True)
    if highlight:
        for number, line in highlighted(one.turns, one.findings):
            if console.is_terminal:
                grid = Table.grid(padding=(0, 1))
                grid.add_row(Text(f"{number:>4}", style="dim"), line)
                console.print(grid)
            else:
                console.print(Text(f"{number:>4} ").append_text(line), soft_wrap=True)
    tables = _sections(one.findings, evidence_turns, edge=_edge(console), whole=True)
    _print_findings(console, one.findings, tables)


def print_extract_report(report: ExtractReport) -> None:
    """Counts on stdout if there were several files; those that failed on stderr."""
    if len(report.done) + len(report.failed) > 1:
        failed = f", {len(report.failed)} failed" if report.failed else ""
        make_console().print(f"{len(report.done)} extracted{failed}", soft_wrap=True)
    _print_failed(report.failed)


def evidence_turns(finding: Finding) -> str:
    """Ids of the utterances that speak of it."""
    return ", ".join(map(str, sorted({span.turn for span in finding.evidence})))


def highlighted(turns: Sequence[Turn], findings: Iterable[Finding]) -> Iterator[tuple[int, Text]]:
    """Each turn's id and text; words of evidence are coloured and followed by [symptom:status]."""
    styles: dict[tuple[int, int], str] = {}
    marks: dict[tuple[int, int], list[tuple[str, str]]] = {}
    for finding in findings:
        status = finding.assertion.status
        style = STATUS_STYLES[status]
        for span in finding.evidence:
            styles |= dict.fromkeys(
                ((span.turn, word) for word in range(span.first, span.last + 1)), style
            )
            mark = (f" [{name(finding)}:{status}]", f"dim {style}")
            marks.setdefault((span.turn, span.last), []).append(mark)
    several = len({turn.speaker for turn in turns}) > 1
    for turn in turns:
        line = Text()
        if several and turn.speaker:
            style = SPEAKER_STYLES.get(turn.speaker, "bold")
            line.append(f"{printable(turn.speaker)}: ", style=style)
        for index, word in enumerate(turn.words):
            text = printable(word.text if index else word.text.lstrip())
            bare = text.lstrip()
            line.append(text[: len(text) - len(bare)])
            line.append(bare, style=styles.get((turn.id, index), ""))
            for mark in marks.get((turn.id, index), ()):
                line.append(*mark)
        yield turn.id, line


class _BatchBars:
    """A bar for the recording in work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._file = Path()
        self._task = TaskID(0)
        self._drawn = -FRAME

    def show(self, now: BatchProgress) -> None:
        if now.file != self._file:
            for task in self._progress.task_ids:
                self._progress.remove_task(task)
            name = f"[{now.index}/{now.count}] {printable(now.file.name)}"
            self._file = now.file
            self._task = self._progress.add_task(name, speed="", left="")
        self._progress.update(
            self._task,
            completed=now.position,
            total=max(now.duration, now.position),
            speed=f"{now.speed:.1f}x",
            left="" if now.remaining is None else f"{clock(now.remaining)} left",
        )
        if time.monotonic() - self._drawn >= FRAME:
            self._progress.refresh()
            self._drawn = time.monotonic()


class _BatchLines:
    """A line when work on a recording begins."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun: set[Path] = set()

    def show(self, now: BatchProgress) -> None:
        if now.file not in self._begun:
            self._begun.add(now.file)
            line = f"[{now.index}/{now.count}] {printable(now.file.name)} ({clock(now.duration)})"
            self._console.print(line, soft_wrap=True)


@contextmanager
def pull_progress() -> Iterator[PullProgress]:
    """A callback for `weights.pull`: bars on a terminal's stderr, else a line for each model."""
    console = make_console(stderr=True)
    if not console.is_terminal:
        yield _PullLines(console).show
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        yield _PullBars(progress).show


class _PullBars:
    """A bar for each model."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name)
        self._progress.update(self._tasks[name], completed=done, total=total, refresh=True)


class _PullLines:
    """A line when a model's download begins and one when it is in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun: set[str] = set()

    def show(self, name: str, done: int, total: int) -> None:
        if done == total:
            self._console.print(f"{name}: in place", soft_wrap=True)
        elif name not in self._begun:
            self._begun.add(name)
            self._console.print(f"{name}: fetching {total / 1e6:.0f} MB", soft_wrap=True)


def print_devices(devices: Iterable[DeviceInfo]) -> None:
    """Microphones and loudspeakers; the system's default ones are marked."""
    console = make_console()
    table = Table(box=_edge(console), pad_edge=False, header_style="dim")
    table.add_column("no.", justify="right")
    table.add_column("name", overflow="fold")
    table.add_column("inputs", justify="right")
    table.add_column("outputs", justify="right")
    table.add_column("rate", justify="right")
    table.add_column("system")
    for device in devices:
        table.add_row(
            str(device.index),
            Text(printable(device.name)),
            _channels(device.inputs, default=device.default_input),
            _channels(device.outputs, default=device.default_output),
            f"{device.sample_rate:.0f} Hz",
            Text(printable(device.host)),
        )
    if table.rows:
        console.print(table)
        console.print("* the system's default", soft_wrap=True)
    else:
        console.print("No sound devices found. Recordings work: --input FILE", soft_wrap=True)


def print_models(models: Iterable[ModelStatus]) -> None:
    """The models with size, licence and state; what is not right says why."""
    console = make_console()
    table = Table(box=_edge(console), pad_edge=False, header_style="dim")
    table.add_column("model", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("licence", no_wrap=True)
    table.add_column("what it is", no_wrap=True)
    for status in models:
        model = status.model
        table.add_row(
            Text(model.name),
            f"{model.size / 1e6:.0f} MB",
            Text(status.state, style=STATE_STYLES[status.state]),
            model.licence,
            Text(model.description + (" (default)" if model.default else "")),
        )
    console.print(table)


def print_verified(models: Iterable[ModelStatus]) -> None:
    """A line for each model: present, or what is missing or damaged."""
    console = make_console()
    for status in models:
        line = Text.assemble(
            (f"{status.state:<8}", STATE_STYLES[status.state]), f"  {status.model.name}"
        )
        if status.problem:
            line.append(f": {printable(status.problem)}")
        console.print(line, soft_wrap=True)


def print_check(result: CheckResult) -> None:
    """One line of `voicemed check`, and below it the command that mends what is wrong."""
    console = make_console()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, width=8)
    grid.add_column(no_wrap=True, width=12)
    grid.add_column(overflow="fold")
    detail = Text(printable(result.detail))
    if result.remedy:
        detail.append("\n> ", style="dim").append(printable(result.remedy), style="bold")
    state = Text(result.state.value, style=STATE_STYLES[result.state])
    grid.add_row(state, Text(result.name), detail)
    console.print(grid)


def _channels(number: int, *, default: bool) -> str:
    return f"{number}{'*' if default else ' '}" if number else "- "


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
