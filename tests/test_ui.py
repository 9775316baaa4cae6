"""The terminal's views: a real screen's cells, a pipe's bytes, keys of a pseudo-terminal."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from voicemed import ui
from voicemed.assertion import Assertion, Experiencer, Status
from voicemed.batch import BatchProgress
from voicemed.encounter import Encounter
from voicemed.findings import Finding, FindingKind, StatusChange
from voicemed.lexicon import Concept
from voicemed.live import Event, LiveLoop, LiveStatus, Replied, StatusChanged, TurnAdded
from voicemed.text_batch import Extracted
from voicemed.transcript import Span, Turn, Word


def turn(number: int, text: str, *, start: float, speaker: str = "") -> Turn:
    words = (
        Word(f" {word}", start + index * 0.5, start + index * 0.5 + 0.4, 0.9)
        for index, word in enumerate(text.split())
    )
    return Turn(number, speaker, tuple(words))


def finding(
    name: str,
    status: Status,
    span: Span,
    attributes: Mapping[str, str] | None = None,
    experiencer: Experiencer = Experiencer.PATIENT,
) -> Finding:
    assertion = Assertion(status, experiencer)
    return Finding(Concept("test", name, name), assertion, (span,), attributes or {})


HEADACHE = finding("headache", Status.PRESENT, Span(1, 3, 3), {"onset": "yesterday"})
FEVER_MAYBE = finding("fever", Status.UNCERTAIN, Span(2, 1, 1))
FEVER_ABSENT = finding("fever", Status.ABSENT, Span(3, 0, 0))
RASH = finding(
    "rash", Status.PRESENT, Span(3, 2, 2), {"duration": "three weeks"}, Experiencer.OTHER
)


class ScriptedLoop(LiveLoop):
    """Plays events as the real loop would, then has the encounter that they describe."""

    def __init__(self) -> None:
        self.encounter = Encounter()
        self.status = LiveStatus(
            input_name="Built-in Microphone",
            model="whisper-base",
            device="cpu",
            level=-20.0,
            recording=True,
        )
        self.calls: list[str] = []
        self.record = ("", "")

    @property
    def record_id(self) -> str:
        return self.record[0]

    @property
    def record_failure(self) -> str:
        return self.record[1]

    def run(self, observe: Callable[[Event], None]) -> None:
        for event in self.events():
            observe(event)

    def events(self) -> Iterator[Event]:
        yield self.change(committed=" I have", tentative=" this head")
        yield self.add(turn(1, "I have this headache", start=1, speaker="patient"), HEADACHE)
        yield self.add(turn(2, "Any fever?", start=5, speaker="doctor"), FEVER_MAYBE)
        yield self.change(warning="the microphone was lost")
        yield self.change(level=-30.0)
        self.encounter.findings.pop()
        yield self.add(turn(3, "No. Sister's [red]rash[/red]", start=61), FEVER_ABSENT, RASH)
        self.status = dataclasses.replace(self.status, reply="Present: headache.")
        yield Replied("Present: headache.")

    def add(self, new: Turn, *found: Finding) -> TurnAdded:
        self.encounter.turns.append(new)
        self.encounter.findings.extend(found)
        self.change(committed="", tentative="", latency=0.31, elapsed=new.end)
        return TurnAdded(new)

    def change(self, **fields: object) -> StatusChanged:
        self.status = dataclasses.replace(self.status, **fields)  # type: ignore[arg-type]
        return StatusChanged()

    def address(self) -> None:
        self.calls.append("address")

    def stop_speaking(self) -> None:
        self.calls.append("stop_speaking")

    def close(self) -> None:
        self.calls.append("close")

    def touch(self) -> None:
        self.calls.append("touch")

    def lock(self) -> None:
        self.change(locked=True)

    def unlock(self, passphrase: str) -> None:
        self.calls.append(f"unlock {passphrase}")


@pytest.fixture
def played() -> ScriptedLoop:
    loop = ScriptedLoop()
    loop.run(lambda event: None)
    return loop


def cells(view: RenderableType, width: int, height: int) -> list[str]:
    """What a terminal of this size would show, row by row."""
    console = Console(
        file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None
    )
    rows = console.render_lines(view, console.options.update(height=height), pad=True)
    return ["".join(segment.text for segment in row) for row in rows]


# -- the session's screen


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 20), (120, 40)])
def test_the_screen_shows_all_of_a_session(played: ScriptedLoop, width: int, height: int) -> None:
    played.encounter.dropped["repetition"] = 2
    played.change(
        committed=" And my", tentative=" back", overflows=7, elapsed=65, warning="no sound"
    )
    view = ui.session_view(played.encounter, played.status, width=width, height=height)
    rows = cells(view, width, height)
    text = "\n".join(rows)
    assert len(rows) == height
    assert {len(row) for row in rows} == {width}
    for shown in (
        "● REC 01:05",
        "-30 dB",
        "Built-in Microphone",
        "whisper-base (cpu)",
        "latency 0.31 s",
        "dropped 2",
        "overflows 7",
        "00:01 patient: I have this headache",
        "[red]rash[/red]",
        "And my back",
        "present",
        "absent",
        "yesterday",
        "for three",
        "someone",
        "02",
        "no sound",
        "> Present: headache.",
        "space: ask the assistant   q or Ctrl-C: end",
    ):
        assert shown in text


def test_wide_screens_stand_side_by_side(played: ScriptedLoop) -> None:
    def titles(width: int) -> int:
        view = ui.session_view(played.encounter, played.status, width=width, height=24)
        return max(("Transcript" in row) + ("Findings: 3" in row) for row in cells(view, width, 24))

    assert titles(99) == 1
    assert titles(100) == 2


def test_the_newest_turns_stay_visible_and_hidden_findings_are_marked() -> None:
    loop = ScriptedLoop()
    for number in range(1, 200):
        name = f"symptom {number}"
        found = finding(name, Status.PRESENT, Span(number, 0, 0))
        loop.add(turn(number, f"number {number} " + "and so on " * 9, start=number), found)
    rows = cells(ui.session_view(loop.encounter, loop.status, width=80, height=24), 80, 24)
    text = "\n".join(rows)
    assert "number 199 and" in text
    assert "number 100 and" not in text
    assert "symptom 199" in text
    assert "Findings: 199" in text
    assert any("⋮" in row for row in rows)


@settings(deadline=None, max_examples=60)
@given(width=st.integers(1, 130), height=st.integers(1, 45))
def test_no_terminal_is_too_small(width: int, height: int) -> None:
    loop = ScriptedLoop()
    loop.run(lambda event: None)
    assert (
        len(
            cells(
                ui.session_view(loop.encounter, loop.status, width=width, height=height),
                width,
                height,
            )
        )
        == height
    )
    assert len(
        cells(ui.locked_view(loop.status, 9, width=width, height=height), width, height)
    ) == (height)
    note = "Cough for three days.\n\nNo fever. " * 30
    assert (
        len(cells(ui.dictation_view(note, loop.status, width=width, height=height), width, height))
        == height
    )


@pytest.mark.parametrize(
    ("field", "keys"),
    [
        ("recording", "space: ask the assistant"),
        ("addressed", "ask the assistant now"),
        ("speaking", "any key: stop the voice"),
    ],
)
def test_the_last_line_says_what_keys_do(field: str, keys: str) -> None:
    loop = ScriptedLoop()
    loop.change(**{field: True})
    view = ui.session_view(loop.encounter, loop.status, width=80, height=24)
    assert cells(view, 80, 24)[-1].strip() == f"{keys}   q or Ctrl-C: end"


def test_a_warning_shows_on_the_smallest_terminal() -> None:
    loop = ScriptedLoop()
    loop.change(warning="microphone lost")
    view = ui.session_view(loop.encounter, loop.status, width=30, height=5)
    assert cells(view, 30, 5)[-1].strip() == "microphone lost"


def test_the_alarm_comes_before_other_warnings_and_both_show(played: ScriptedLoop) -> None:
    played.change(alarm="RECORDING HAS STOPPED: the disk is full", warning="microphone lost")
    for width, height in [(80, 24), (60, 20)]:
        view = ui.session_view(played.encounter, played.status, width=width, height=height)
        text = "\n".join(cells(view, width, height))
        assert text.index("RECORDING HAS STOPPED") < text.index("microphone lost")
    view = ui.session_view(played.encounter, played.status, width=30, height=5)
    assert cells(view, 30, 5)[-1].startswith("RECORDING HAS STOPPED")


@pytest.mark.parametrize(
    ("fields", "light"),
    [
        ({"recording": True, "listening": True}, "● REC 00:00"),
        ({"recording": False, "listening": True}, "● LISTENING, not stored 00:00"),
        ({"recording": False, "listening": False}, "○ idle 00:00"),
        ({"recording": True, "listening": True, "speaking": True}, "● REC ◆ speaking 00:00"),
        ({"recording": False, "listening": False, "speaking": True}, "◆ speaking 00:00"),
    ],
)
def test_the_light_tells_whether_sound_is_stored(fields: dict[str, bool], light: str) -> None:
    loop = ScriptedLoop()
    loop.change(**fields)
    view = ui.session_view(loop.encounter, loop.status, width=80, height=24)
    assert cells(view, 80, 24)[0].startswith(light)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (30, 5), (120, 40)])
def test_the_lock_screen_shows_nothing_of_the_encounter(
    played: ScriptedLoop, width: int, height: int
) -> None:
    played.change(
        locked=True, committed=" my", tentative=" back", lock_note="wrong", alarm="disk full"
    )
    view = ui.locked_view(played.status, 5, width=width, height=height)
    text = "\n".join(cells(view, width, height))
    assert "Locked. Recording goes on." in text
    assert "Passphrase: •••••" in text or height < 6
    for hidden in ("headache", "back", "fever", "Present", "my"):
        assert hidden not in text


def test_control_characters_do_not_reach_the_terminal() -> None:
    loop = ScriptedLoop()
    loop.change(input_name="evil\x1b[2Jname\n", warning="\x07bell", reply="a\x9bb")
    loop.add(turn(1, "word\x1b]0;title\x07", start=0, speaker="\x1bx"))
    text = "".join(cells(ui.session_view(loop.encounter, loop.status, width=80, height=24), 80, 24))
    assert all(char.isprintable() for char in text)
    assert "evil [2Jname" in text


def test_partial_words_that_may_change_are_dim() -> None:
    loop = ScriptedLoop()
    loop.change(committed=" settled", tentative=" loose")
    view = ui.session_view(loop.encounter, loop.status, width=80, height=24)
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    styles = {
        segment.text.strip(): segment.style
        for segment in console.render(view, console.options.update(height=24))
    }
    loose = styles["loose"]
    assert loose is not None
    assert loose.dim
    settled = styles["settled"]
    assert settled is None or not settled.dim


def test_the_picture_holds_the_session_and_loads_nothing(played: ScriptedLoop) -> None:
    svg = ui.session_svg(played.encounter, played.status)
    text = "".join(ElementTree.fromstring(svg).itertext()).replace("\xa0", " ")
    assert "I have this headache" in text
    assert "present" in text
    assert "url(http" not in svg
    assert "@font-face" not in svg


# -- kinds of findings


CHANGED = dataclasses.replace(
    FEVER_ABSENT,
    assertion=Assertion(Status.PRESENT),
    confidence=0.5,
    history=(StatusChange(Status.ABSENT, 2), StatusChange(Status.PRESENT, 3)),
)
METFORMIN = dataclasses.replace(
    finding("metformin", Status.PRESENT, Span(1, 0, 0), {"dose": "500 mg", "frequency": "daily"}),
    kind=FindingKind.MEDICATION,
)
PENICILLIN = dataclasses.replace(
    finding("penicillin", Status.PRESENT, Span(1, 0, 0), {"reaction": "rash"}),
    kind=FindingKind.ALLERGY,
)
PRESSURE = dataclasses.replace(
    finding("blood pressure", Status.PRESENT, Span(3, 1, 1), {"value": "140/90", "unit": "mmHg"}),
    kind=FindingKind.MEASUREMENT,
)


@pytest.mark.parametrize(("width", "height"), [(80, 40), (120, 24)])
def test_the_screen_shows_each_kind_below_the_symptoms(width: int, height: int) -> None:
    loop = ScriptedLoop()
    loop.add(turn(1, "so it is said here", start=1), PRESSURE, METFORMIN, PENICILLIN)
    loop.add(turn(2, "and more", start=5))
    loop.add(turn(3, "and more", start=9), CHANGED)
    view = ui.session_view(loop.encounter, loop.status, width=width, height=height)
    rows = cells(view, width, height)
    text = "\n".join(rows)
    heads = [text.index(kind.value) for kind in FindingKind]
    assert heads == sorted(heads)
    for shown in ("absent →", "present ?", "500 mg", "rash", "140/90", "Findings: 4  (? to check)"):
        assert shown in text


def test_where_room_is_short_symptoms_stay() -> None:
    loop = ScriptedLoop()
    drugs = [
        dataclasses.replace(METFORMIN, concept=Concept("test", "d", f"drug {n}")) for n in range(30)
    ]
    symptoms = [finding(f"symptom {n}", Status.PRESENT, Span(1, 0, 0)) for n in range(30)]
    loop.add(turn(1, "much", start=1), *drugs, *symptoms)
    rows = cells(ui.session_view(loop.encounter, loop.status, width=80, height=30), 80, 30)
    shown = [row for row in rows if "symptom " in row]
    assert len(shown) > sum("drug " in row for row in rows) > 0
    assert "symptom 29" in shown[-1]


def test_a_session_in_a_pipe_tells_kinds_apart(capsys: pytest.CaptureFixture[str]) -> None:
    loop = ScriptedLoop()
    lines = ui.SessionLines(loop)
    past = dataclasses.replace(PRESSURE, assertion=Assertion(Status.PAST))
    lines.observe(loop.add(turn(1, "so it is", start=0), METFORMIN, PENICILLIN))
    lines.observe(loop.add(turn(2, "and", start=5)))
    lines.observe(loop.add(turn(3, "and more", start=9), PRESSURE, past, CHANGED))
    ui.print_session_end(loop.encounter, output="none")
    out = capsys.readouterr().out
    assert out == (
        "[00:00] so it is\n"
        "  + metformin (medication): present (500 mg, daily)\n"
        "  + penicillin (allergy): present (rash)\n"
        "[00:05] and\n"
        "[00:09] and more\n"
        "  + blood pressure: 140/90 mmHg; past (140/90 mmHg)\n"
        "  + fever: present\n"
        "symptom  status              since     at\n"
        "fever    absent → present ?         00:09\n"
        "medication  status   dose              at\n"
        "metformin   present  500 mg, daily  00:00\n"
        "allergy     status   reaction     at\n"
        "penicillin  present  rash      00:00\n"
        "measurement     status   value           at\n"
        "blood pressure  present  140/90 mmHg  00:09\n"
        "blood pressure  past     140/90 mmHg  00:09\n"
        "? to check: voicemed is not sure of it\n"
        "3 turns, 5 findings\n"
    )


# -- findings of a text


@pytest.fixture
def extracted() -> Extracted:
    turns = (
        turn(1, "Any [b]fever[/b] or chills?", start=0, speaker="doctor"),
        turn(2, "No. \x1b[2J", start=0, speaker="patient"),
        turn(7, "Yes, a fever and my head hurts", start=0, speaker="patient"),
    )
    chills = dataclasses.replace(
        finding("chills", Status.ABSENT, Span(1, 3, 3)), evidence=(Span(1, 3, 3), Span(2, 0, 0))
    )
    fever = dataclasses.replace(CHANGED, evidence=(Span(2, 0, 0), Span(7, 2, 2)))
    head = finding(
        "headache", Status.PRESENT, Span(7, 4, 6), {"onset": "yesterday", "side": "left"}
    )
    return Extracted(Path("a.txt"), Path("out/a.jsonl"), turns, (fever, chills, head, PRESSURE))


def test_a_text_in_a_pipe(extracted: Extracted, capsys: pytest.CaptureFixture[str]) -> None:
    ui.print_extracted(extracted, highlight=True)
    assert capsys.readouterr().out == (
        "a.txt: 3 utterances, 4 findings -> out/a.jsonl\n"
        "   1 doctor: Any [b]fever[/b] or chills? [chills:absent]\n"
        "   2 patient: No. [fever:present] [chills:absent]  [2J\n"
        "   7 patient: Yes, a fever [fever:present] and my head hurts [headache:present]\n"
        "symptom   status              details                  in\n"
        "fever     absent → present ?                         2, 7\n"
        "chills    absent                                     1, 2\n"
        "headache  present             since yesterday, left     7\n"
        "measurement     status   value        in\n"
        "blood pressure  present  140/90 mmHg   3\n"
        "? to check: voicemed is not sure of it\n"
    )


def test_a_text_without_findings(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = Extracted(Path("a.txt"), Path("a.jsonl"), (turn(1, "Hello", start=0),), ())
    ui.print_extracted(nothing, highlight=False)
    assert capsys.readouterr().out == "a.txt: 1 utterance, 0 findings -> a.jsonl\n"


def test_words_of_evidence_have_the_colour_of_their_status(extracted: Extracted) -> None:
    lines = dict(ui.highlighted(extracted.turns, extracted.findings))
    styles = {
        lines[number].plain[span.start : span.end]: span.style
        for number in (1, 7)
        for span in lines[number].spans
    }
    assert styles["chills?"] == ui.STATUS_STYLES[Status.ABSENT]
    for word in ("fever", "head", "hurts"):
        assert styles[word] == ui.STATUS_STYLES[Status.PRESENT]
    assert "my" in styles
    assert "and" not in styles


def test_a_text_on_a_terminal_fits_it(extracted: Extracted, terminal: PseudoTerminal) -> None:
    long = "because " * 30
    turns = (*extracted.turns[:2], turn(7, f"Yes, a fever and my head hurts {long}", start=0))
    with terminal.as_stdio():
        fcntl.ioctl(terminal.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        ui.print_extracted(dataclasses.replace(extracted, turns=turns), highlight=True)
    shown = terminal.shown()
    rows = plain(shown).replace("\r", "").split("\n")
    assert max(map(len, rows)) <= 80
    assert "\x1b[2J" not in shown
    assert any(row.startswith("     because") for row in rows)


# -- lines in a pipe


def test_a_pipe_gets_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    loop = ScriptedLoop()
    with ui.follow_session(loop) as observe:
        loop.run(observe)
    loop.encounter.dropped["repetition"] = 1
    Path("replies.wav").touch()
    ui.print_session_end(loop.encounter, output="replies.wav")
    out, err = capsys.readouterr()
    assert out == (
        "[00:01] patient: I have this headache\n"
        "  + headache: present (since yesterday)\n"
        "[00:05] doctor: Any fever?\n"
        "  + fever: uncertain\n"
        "[01:01] No. Sister's [red]rash[/red]\n"
        "  ~ fever: absent\n"
        "  + rash (someone else): present (for three weeks)\n"
        "  > Present: headache.\n"
        "symptom              status   since               at\n"
        "headache             present  yesterday        00:02\n"
        "fever                absent                    01:01\n"
        "rash (someone else)  present  for three weeks  01:02\n"
        "3 turns, 3 findings, 1 dropped (repetition)\n"
        "Spoken replies: replies.wav\n"
    )
    assert err == "voicemed: warning: the microphone was lost\n"


def test_a_finding_that_goes_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    loop = ScriptedLoop()
    lines = ui.SessionLines(loop)
    lines.observe(loop.add(turn(1, "I have this headache", start=0), HEADACHE))
    loop.encounter.findings.clear()
    lines.observe(loop.add(turn(2, "No, I do not", start=9)))
    assert capsys.readouterr().out.endswith("[00:09] No, I do not\n  - headache: withdrawn\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False)],
)
def test_what_counts_as_a_screen(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ui.is_screen(Terminal()) is expected
    assert ui.is_screen(io.StringIO()) is False
    # FORCE_COLOR is no reason to send control codes down a pipe.
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert ui.make_console().is_terminal is False


# -- a real (pseudo-)terminal


class PseudoTerminal:
    """A terminal whose user is the test."""

    def __init__(self) -> None:
        self._master, self.descriptor = pty.openpty()
        self._shown = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # raised when the program's end is closed
            while data := os.read(self._master, 65_536):
                self._shown += data

    @contextlib.contextmanager
    def as_stdio(self) -> Iterator[None]:
        """Within this block it is stdin, stdout and stderr."""
        with (
            open(self.descriptor, closefd=False) as stdin,
            open(self.descriptor, "w", closefd=False) as stdout,
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(sys, "stdin", stdin)
            patch.setattr(sys, "stdout", stdout)
            patch.setattr(sys, "stderr", stdout)
            yield

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def shown(self) -> str:
        """All that was written to it; the terminal is gone then."""
        os.close(self.descriptor)
        self._reader.join()
        os.close(self._master)
        return self._shown.decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> PseudoTerminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return PseudoTerminal()


def test_keys_reach_the_loop_and_the_terminal_is_restored(terminal: PseudoTerminal) -> None:
    before = termios.tcgetattr(terminal.descriptor)
    loop = ScriptedLoop()

    def fails_after_some_keys() -> None:
        with terminal.as_stdio(), ui.follow_session(loop) as observe:
            assert termios.tcgetattr(terminal.descriptor) != before
            terminal.press(b" x")
            observe(StatusChanged())
            terminal.press(b"\x1b[A")
            observe(loop.change(speaking=True))
            terminal.press(b"q")
            observe(loop.change(speaking=False))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails_after_some_keys()
    assert [call for call in loop.calls if call != "touch"] == ["address", "stop_speaking", "close"]
    assert termios.tcgetattr(terminal.descriptor) == before
    shown = terminal.shown()
    assert "\x1b[?1049h" in shown
    assert shown.rindex("\x1b[?1049l") > shown.rindex("REC")


def test_the_passphrase_is_typed_on_the_lock_screen(terminal: PseudoTerminal) -> None:
    loop = ScriptedLoop()
    loop.run(lambda event: None)
    loop.change(lockable=True)
    with terminal.as_stdio(), ui.follow_session(loop) as observe:
        terminal.press(b"l q")
        observe(StatusChanged())
        marker = loop.change(warning="here it is locked")
        terminal.press(b"x\x15se\x7fesame\xc3\xa9 q\n")
        observe(TurnAdded(turn(9, "nothing", start=0)))
        assert isinstance(marker, StatusChanged)
        terminal.press(b"\n")
        observe(StatusChanged())
    assert [call for call in loop.calls if call != "touch"] == ["unlock sesameé q", "unlock "]
    shown = terminal.shown()
    locked = shown[shown.index("here it is locked") :]
    assert "sesame" not in shown
    assert "headache" not in locked


def test_a_kept_encounter_leaves_no_words_on_the_terminal(terminal: PseudoTerminal) -> None:
    loop = ScriptedLoop()
    loop.record = ("0123abcd-0000-4000-8000-000000000000", "")
    with terminal.as_stdio():
        with ui.follow_session(loop) as observe:
            loop.run(observe)
        ui.print_session_end(loop.encounter, output="none", kept=True)
        ui.print_record(loop)
        ui.print_note("Cough for three days.", kept=True)
    left = terminal.shown().rpartition("\x1b[?1049l")[2]
    assert "3 turns, 3 findings" in left
    assert "Encounter 0123abcd is kept: voicemed encounters show 0123abcd" in left
    assert "headache" not in left
    assert "Cough" not in left


def test_a_recording_that_stopped_is_said_at_the_end(
    capsys: pytest.CaptureFixture[str], played: ScriptedLoop
) -> None:
    played.record = ("0123abcd-0000", "the disk is full")
    ui.print_record(played)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "voicemed: warning: recording stopped before the end: the disk is full\n"
        "Encounter 0123abcd is kept: voicemed encounters show 0123abcd\n"
    )


def test_an_alarm_rings_the_bell_once(terminal: PseudoTerminal) -> None:
    loop = ScriptedLoop()
    with terminal.as_stdio(), ui.follow_session(loop) as observe:
        for _ in range(3):
            observe(loop.change(alarm="RECORDING HAS STOPPED"))
    assert terminal.shown().count("\x07") == 1


def test_the_dictation_screen_shows_the_note(terminal: PseudoTerminal) -> None:
    class Note:
        text = "Cough for three days."

    loop = ScriptedLoop()
    with terminal.as_stdio(), ui.follow_dictation(loop, Note()) as observe:
        observe(loop.change(committed=" No", tentative=" fe"))
        terminal.press(b" q")
        observe(loop.add(turn(1, "Cough", start=0)))
    shown = terminal.shown()
    assert "Cough for three days." in shown
    assert loop.calls == ["touch", "touch", "close"]


def test_dictation_in_a_pipe_shows_warnings_and_then_the_note(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Note:
        text = "Cough.\n\n[b]No[/b] fever.\n" + "long " * 50 + "line."

    loop = ScriptedLoop()
    with ui.follow_dictation(loop, Note()) as observe:
        loop.run(observe)
    ui.print_note(Note.text)
    out, err = capsys.readouterr()
    assert out == Note.text + "\n"
    assert err == "voicemed: warning: the microphone was lost\n"


# -- progress on a terminal


def test_the_bar_of_a_batch(terminal: PseudoTerminal) -> None:
    with terminal.as_stdio(), ui.batch_progress() as show:
        show(BatchProgress(Path("a.wav"), 1, 2, 30.0, 60.0, speed=12.34, remaining=None))
        show(BatchProgress(Path("a.wav"), 1, 2, 58.0, 60.0, speed=12.34, remaining=5))
    # What happens between two drawings is not drawn; the last state is, when it ends.
    assert re.search(r"\[1/2\] a.wav .* 97% 12.3x 00:05 left", plain(terminal.shown()))


def test_only_the_recording_in_work_has_a_bar(terminal: PseudoTerminal) -> None:
    with terminal.as_stdio(), ui.batch_progress() as show:
        show(BatchProgress(Path("a.wav"), 1, 2, 58.0, 60.0, speed=12.34, remaining=5))
        show(BatchProgress(Path("b[x].wav"), 2, 2, 0.0, 0.0, speed=0.0, remaining=None))
    last = plain(terminal.shown()).strip().splitlines()[-1]
    assert "[2/2] b[x].wav" in last
    assert "a.wav" not in last


def test_the_bars_of_a_download(terminal: PseudoTerminal) -> None:
    with terminal.as_stdio(), ui.pull_progress() as show:
        for done in (0, 2_500_000, 5_000_000):
            show("tiny", done, 5_000_000)
        show("base", 1_000_000, 8_000_000)
    shown = plain(terminal.shown())
    assert "5.0/5.0 MB" in shown
    assert "1.0/8.0 MB" in shown


def plain(shown: str) -> str:
    """Without control sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


# -- words for values


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "00:00"), (59.9, "00:59"), (61, "01:01"), (3661, "1:01:01")]
)
def test_clock(seconds: float, expected: str) -> None:
    assert ui.clock(seconds) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, ""),
        ({"onset": "since Monday"}, "Monday"),
        ({"onset": "Monday", "duration": "a week"}, "Monday"),
        ({"duration": "for a week"}, "for a week"),
        ({"duration": "a week"}, "for a week"),
    ],
)
def test_since(attributes: dict[str, str], expected: str) -> None:
    assert ui.since(finding("x", Status.PRESENT, Span(1, 0, 0), attributes)) == expected
