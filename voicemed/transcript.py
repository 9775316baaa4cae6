"""Words with times, turns of the conversation, and the transcript of a recording as files.

`WRITERS` turns a Transcript into the text of each format; `save_text` brings a text to disk.
"""

from __future__ import annotations

import html
import json
import os
import re
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from voicemed.audio import Seconds
from voicemed.errors import OutputError, TranscriptError

if TYPE_CHECKING:
    from voicemed.findings import Finding


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word."""

    text: str
    "As Whisper spells it, with the leading space where one belongs (none in Chinese)."
    start: Seconds
    "Since the first captured sample."
    end: Seconds
    probability: float
    "Of the recogniser, 0 to 1."


@dataclass(frozen=True, slots=True)
class Segment:
    """What the recogniser made of one stretch of speech."""

    words: tuple[Word, ...]
    avg_logprob: float
    "Mean log probability of the tokens (natural logarithm), 0 at best."
    no_speech_prob: float
    "0 to 1."
    language: str = ""
    "ISO 639-1 code that was given or detected; empty if unknown."
    rejected: str = ""
    "Why the guard takes the text for invented (then it must not be shown); empty if accepted."

    @property
    def text(self) -> str:
        """The words as one string, without space at the ends."""
        return "".join(word.text for word in self.words).strip()


@dataclass(frozen=True, slots=True)
class Turn:
    """One speaker's words up to a pause or a change of speaker."""

    id: int
    "Counts from 1 within the encounter."
    speaker: str
    "doctor, patient, another label, or empty where unknown."
    words: tuple[Word, ...]
    to_assistant: bool = False
    "The doctor spoke to the assistant, not to the patient: no evidence for findings."

    @property
    def text(self) -> str:
        """The words as one string, without space at the ends."""
        return "".join(word.text for word in self.words).strip()

    @property
    def start(self) -> Seconds:
        """Start of the first word, in seconds since the first captured sample."""
        return self.words[0].start if self.words else 0.0

    @property
    def end(self) -> Seconds:
        """End of the last word, in seconds since the first captured sample."""
        return self.words[-1].end if self.words else 0.0


@dataclass(frozen=True, slots=True)
class Span:
    """Words of a turn: the evidence for a finding."""

    turn: int
    "Id of the turn."
    first: int
    "Index of the first word in the turn's words."
    last: int
    "Index of the last word, included."


@dataclass(frozen=True, slots=True)
class Transcript:
    """All that is known of one recording; what the writers write."""

    source: str
    "File name of the recording, without its folder."
    source_sha256: str
    "Of the recording's content, 64 hexadecimal digits."
    created_at: datetime
    "When it was transcribed, with time zone; written to the second."
    duration: Seconds
    "Of the recording."
    language: str
    "ISO 639-1; empty if unknown."
    model: str
    "The recogniser's engine and weights."
    settings: Mapping[str, str]
    "The settings that the words depend on."
    turns: tuple[Turn, ...]
    findings: tuple[Finding, ...]
    "In order of first mention; their evidence is in `turns`."
    dropped: Mapping[str, int]
    "How many stretches of sound were not written down, by reason."
    damage: str = ""
    "What of the recording could not be decoded, in one line; empty if all could."


# --- turns of a run of words ---------------------------------------------------------------------

_SENTENCE_END = re.compile(r"(?<!\.)[.?!。？！]['\"”’)\]]*$")  # an ellipsis ends nothing
_QUESTION_END = re.compile(r"[?？]['\"”’)\]]*$")
_TITLE = re.compile(r"^\s*(?:Dr|Mr|Mrs|Ms|Prof|St)\.$")
_SENTENCE_PAUSE: Seconds = 0.3
_PAUSE: Seconds = 0.8
"Longer than the 0.2 s that most changes of speaker take, and than most pauses within a sentence."
_LONG_TURN = 20
"Words after which the next end of a sentence ends the turn, pause or not."


def split_turns(words: Sequence[Word], *, first_id: int = 1, speaker: str = "") -> list[Turn]:
    """Cut a run of words where the speaker may have changed, each word in exactly one turn.

    A turn ends after a question, after a sentence that a pause follows or that makes the turn long,
    and at any long pause. Ids count from `first_id`.
    """
    runs: list[list[Word]] = []
    for word in words:
        if runs and not _ends_turn(runs[-1], word):
            runs[-1].append(word)
        else:
            runs.append([word])
    return [Turn(number, speaker, tuple(run)) for number, run in enumerate(runs, first_id)]


def _ends_turn(run: Sequence[Word], following: Word) -> bool:
    """Whether a turn ends before the following word."""
    last = run[-1].text.rstrip()
    pause = round(following.start - run[-1].end, 3)
    if pause >= _PAUSE or _QUESTION_END.search(last):
        return True
    ended = _SENTENCE_END.search(last) and not _TITLE.search(last)
    return bool(ended) and (pause >= _SENTENCE_PAUSE or len(run) > _LONG_TURN)


# --- plain text, and Markdown for readers ---------------------------------------------------------


_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def to_txt(transcript: Transcript) -> str:
    """The words alone, a line for each turn: no speakers, no times."""
    return "".join(f"{one_line(turn.text)}\n" for turn in transcript.turns if turn.text)


def to_markdown(transcript: Transcript) -> str:
    """A page to read: where it comes from, the findings as tables, the turns with their times."""
    parts = [f"# {escape_markdown(transcript.source)}", "\n".join(_facts(transcript))]
    parts += ["## Findings", *_findings_tables(transcript), "## Transcript"]
    parts += [_markdown_turn(turn) for turn in transcript.turns if turn.text]
    return "\n\n".join(parts) + "\n"


def _facts(transcript: Transcript) -> Iterator[str]:
    yield f"- transcribed: {transcript.created_at:%Y-%m-%d %H:%M %Z}".rstrip()
    yield f"- duration: {clock(transcript.duration)}"
    if transcript.language:
        yield f"- language: {escape_markdown(transcript.language)}"
    yield f"- model: {escape_markdown(transcript.model)}"
    if transcript.damage:
        yield f"- damage: {escape_markdown(transcript.damage)}"
    if transcript.dropped:
        counts = (f"{count} × {reason}" for reason, count in sorted(transcript.dropped.items()))
        yield f"- not written down: {escape_markdown(', '.join(counts))}"
    yield "- written by speech recognition, not checked by anybody"


def _findings_tables(transcript: Transcript) -> Iterator[str]:
    """A table for each kind of finding, symptoms first; findings to check have a question mark."""
    from voicemed.findings import FindingKind  # here, as it is built upon this module

    if not transcript.findings:
        yield "None."
        return
    turns = {turn.id: turn for turn in transcript.turns}
    for kind in FindingKind:
        found = [finding for finding in transcript.findings if finding.kind is kind]
        if found:
            yield "\n".join(_findings_table(kind, found, turns))
    if any(finding.doubtful for finding in transcript.findings):
        yield "? to check: voicemed is not sure of it"


def _findings_table(
    kind: str, findings: Iterable[Finding], turns: Mapping[int, Turn]
) -> Iterator[str]:
    symptoms = kind == "symptom"
    yield f"| {kind} | status | {'since' if symptoms else 'details'} | said at |"
    yield "|---|---|---|---|"
    for finding in findings:
        said = finding.attributes
        details = said.get("onset") or said.get("duration", "") if symptoms else finding.details
        said_at = dict.fromkeys(clock(span_times(turns, span)[0]) for span in finding.evidence)
        cells = [finding.concept.display, status_line(finding), details, ", ".join(said_at)]
        yield f"| {' | '.join(map(escape_markdown, cells))} |"


def status_line(finding: Finding) -> str:
    """Its statuses in order, whose it is if not the patient's, and '?' if it is to be checked."""
    status = " → ".join(change.status for change in finding.history[:-1])
    status += f"{' → ' if status else ''}{finding.assertion.status}"
    if finding.assertion.experiencer != "patient":
        status += " (of somebody else)"
    return f"{status} ?" if finding.doubtful else status


def _markdown_turn(turn: Turn) -> str:
    speaker = f" **{escape_markdown(label_of(turn.speaker))}**" if turn.speaker else ""
    addressee = " *(to the assistant)*" if turn.to_assistant else ""
    return f"\\[{clock(turn.start)}\\]{speaker}{addressee} {escape_markdown(turn.text)}"


def escape_markdown(text: str) -> str:
    """Text on one line in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<>|~&#$])", r"\\\1", one_line(text))


def one_line(text: str) -> str:
    """Text with each run of white space as one space, none at the ends."""
    return " ".join(text.split())


def printable(text: str) -> str:
    """Text with what no XML or FHIR file can hold (control characters, half characters) as U+FFFD.

    Tabs and ends of lines stay.
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def label_of(speaker: str) -> str:
    """A speaker as it stands before what they said: 'Doctor'."""
    return speaker[:1].upper() + speaker[1:]


def clock(seconds: Seconds) -> str:
    """01:05 or 1:01:05."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute:02d}:{second:02d}"


# --- subtitles -----------------------------------------------------------------------------------

_LINE_WIDTH = 42
"Columns; with two lines the common limit of subtitle guides (Netflix, BBC about the same)."
_LINES = 2
_LONGEST_CUE: Seconds = 6.0
_SHORTEST_CUE: Seconds = 0.5
_CUE_PAUSE: Seconds = 1.5
"A silence that no cue spans."


@dataclass(frozen=True, slots=True)
class Cue:
    """Words shown together as a subtitle."""

    start: Seconds
    end: Seconds
    speaker: str
    lines: tuple[str, ...]


def to_srt(transcript: Transcript) -> str:
    """SubRip subtitles."""
    return "\n".join(
        f"{number}\n{_stamp(cue.start, ',')} --> {_stamp(cue.end, ',')}\n"
        + "".join(f"{line.replace('-->', '→')}\n" for line in cue.lines)
        for number, cue in enumerate(cues(transcript.turns), 1)
    )


def to_vtt(transcript: Transcript) -> str:
    """WebVTT subtitles, with the speaker as the voice where known."""
    blocks = ["WEBVTT\n"]
    for cue in cues(transcript.turns):
        voice = f"<v {html.escape(label_of(cue.speaker), quote=False)}>" if cue.speaker else ""
        text = "".join(f"{html.escape(line, quote=False)}\n" for line in cue.lines)
        blocks.append(f"{_stamp(cue.start, '.')} --> {_stamp(cue.end, '.')}\n{voice}{text}")
    return "\n".join(blocks)


def cues(turns: Iterable[Turn]) -> list[Cue]:
    """Turns cut at word boundaries into cues in order of time, none of which overlaps the next.

    A cue has at most two lines of 42 columns (a Chinese character takes two; a longer word stays
    whole) and lasts from 0.5 to 6 s. Where speakers talk at once, a cue may come 0.5 s late.
    """
    cut = sorted((cue for turn in turns for cue in _cut(turn)), key=lambda cue: cue.start)
    arranged: list[Cue] = []
    free = 0.0
    for cue, following in zip_longest(cut, cut[1:]):
        start = max(cue.start, free)
        end = max(cue.end, start + _SHORTEST_CUE)
        if following is not None:
            end = min(end, max(following.start, start + _SHORTEST_CUE))
        arranged.append(replace(cue, start=start, end=end))
        free = end
    return arranged


def _cut(turn: Turn) -> Iterator[Cue]:
    group: list[Word] = []
    for word in turn.words:
        if not word.text.strip():
            continue
        if group and not _fits(group, word):
            yield _cue(turn.speaker, group)
            group = []
        group.append(word)
    if group:
        yield _cue(turn.speaker, group)


def _fits(group: Sequence[Word], word: Word) -> bool:
    """Whether a word still belongs in the cue of those before it."""
    if word.end - group[0].start > _LONGEST_CUE or word.start - group[-1].end > _CUE_PAUSE:
        return False
    lines = _wrapped([*group, word])
    sentence_ended = _SENTENCE_END.search(group[-1].text) and len(_wrapped(group)) == _LINES
    return not sentence_ended and len(lines) <= _LINES


def _cue(speaker: str, words: Sequence[Word]) -> Cue:
    start = words[0].start
    end = min(max(word.end for word in words), start + _LONGEST_CUE)
    return Cue(start, end, speaker, tuple(_wrapped(words)))


def _wrapped(words: Sequence[Word]) -> list[str]:
    lines = [""]
    for word in words:
        gap = " " if word.text[:1].isspace() and lines[-1] else ""
        longer = f"{lines[-1]}{gap}{one_line(word.text)}"
        if lines[-1] and _columns(longer) > _LINE_WIDTH:
            lines.append(one_line(word.text))
        else:
            lines[-1] = longer
    return lines


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _stamp(seconds: Seconds, mark: str) -> str:
    """Hours (two digits or more), minutes, seconds, milliseconds."""
    second, millisecond = divmod(round(seconds * 1000), 1000)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}{mark}{millisecond:03d}"


# --- JSON ----------------------------------------------------------------------------------------

SCHEMA = "voicemed-transcript/1"
"Described in docs/transcript-format.md; a change that breaks readers takes the next number."
_NO_SYMPTOM = "other: "
"""Before the name of what is no symptom: who reads only `symptom` must not take a drug for one, and
scorers leave such rows out."""


def to_json(transcript: Transcript) -> str:
    """Everything, as in docs/transcript-format.md; times to 1 ms, probabilities to 0.0001."""
    turns = {turn.id: turn for turn in transcript.turns}
    data = {
        "schema": SCHEMA,
        "source": transcript.source,
        "source_sha256": transcript.source_sha256,
        "created_at": transcript.created_at.isoformat(timespec="seconds"),
        "duration": round(transcript.duration, 3),
        "language": transcript.language,
        "model": transcript.model,
        "settings": dict(transcript.settings),
        "damage": transcript.damage,
        "dropped": dict(transcript.dropped),
        "turns": [turn_to_json(turn) for turn in transcript.turns],
        "findings": [finding_to_json(finding, turns) for finding in transcript.findings],
    }
    return json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def to_findings_jsonl(transcript: Transcript) -> str:
    """One finding a line, with the ids of the turns that say so as `evidence`."""
    turns = {turn.id: turn for turn in transcript.turns}
    lines = []
    for finding in transcript.findings:
        row = finding_row(finding)
        row["evidence_times"] = [span_times(turns, span) for span in finding.evidence]
        row["attributes"] = dict(finding.attributes)
        lines.append(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
    return "".join(lines)


def turn_to_json(turn: Turn) -> dict[str, Any]:
    """A turn as in docs/transcript-format.md."""
    return {
        "id": turn.id,
        "speaker": turn.speaker,
        "to_assistant": turn.to_assistant,
        "start": round(turn.start, 3),
        "end": round(turn.end, 3),
        "text": turn.text,
        "words": [
            {
                "text": word.text,
                "start": round(word.start, 3),
                "end": round(word.end, 3),
                "probability": round(word.probability, 4),
            }
            for word in turn.words
        ],
    }


def finding_row(finding: Finding) -> dict[str, Any]:
    """A finding as JSON without its attributes, with the ids of its turns as `evidence`."""
    concept = finding.concept
    return {
        "symptom": ("" if finding.kind == "symptom" else _NO_SYMPTOM) + concept.display,
        "status": str(finding.assertion.status),
        "experiencer": str(finding.assertion.experiencer),
        "kind": str(finding.kind),
        "system": concept.system,
        "code": concept.code,
        "display": concept.display,
        "icd10": concept.icd10,
        "display_zh": concept.display_zh,
        "evidence": sorted({span.turn for span in finding.evidence}),
        "history": [
            {"status": str(change.status), "turn": change.turn} for change in finding.history
        ],
        "confidence": round(finding.confidence, 4),
    }


def finding_to_json(finding: Finding, turns: Mapping[int, Turn]) -> dict[str, Any]:
    """A finding as in docs/transcript-format.md; turns: by their id, which hold the evidence."""
    evidence = []
    for span in finding.evidence:
        start, end = span_times(turns, span)
        place = {"turn": span.turn, "first": span.first, "last": span.last}
        evidence.append({**place, "start": start, "end": end})
    words = {"evidence": evidence, "attributes": dict(finding.attributes)}
    return finding_row(finding) | words


def span_times(turns: Mapping[int, Turn], span: Span) -> tuple[Seconds, Seconds]:
    """Start of the first and end of the last word of a span, to the millisecond."""
    words = turns[span.turn].words
    return round(words[span.first].start, 3), round(words[span.last].end, 3)


def parse_json(text: str, name: str, schema: str) -> Json:
    """The root of a document in that format of ours; `name` stands for the file in messages.

    Raises TranscriptError for what is no JSON, or another version of the format.
    """
    try:
        root = Json(json.loads(text), name)
    except (ValueError, RecursionError) as error:
        raise TranscriptError(f"{name}: not JSON, or cut short") from error
    found = root["schema"].text()
    if found != schema:
        raise TranscriptError(
            f"{name}: its format is {found[:60]!r}, but this voicemed reads {schema}"
        )
    return root


def from_json(text: str, name: str) -> Transcript:
    """Read what `to_json` wrote; `name` stands for the file in messages.

    Raises TranscriptError for what is no JSON, another version of the format, or not as described.
    Keys that the format does not have are ignored.
    """
    root = parse_json(text, name, SCHEMA)
    turns = tuple(turn_from_json(turn) for turn in root["turns"].items())
    lengths = {turn.id: len(turn.words) for turn in turns}
    return Transcript(
        source=root["source"].text(),
        source_sha256=root["source_sha256"].text(),
        created_at=root["created_at"].time(),
        duration=root["duration"].number(),
        language=root["language"].text(),
        model=root["model"].text(),
        settings={key: value.text() for key, value in root["settings"].fields().items()},
        turns=turns,
        findings=tuple(finding_from_json(one, lengths) for one in root["findings"].items()),
        dropped={key: value.integer() for key, value in root["dropped"].fields().items()},
        damage=root["damage"].text(),
    )


def turn_from_json(data: Json) -> Turn:
    """What `turn_to_json` made; raises TranscriptError."""
    words = tuple(
        Word(
            word["text"].text(),
            word["start"].number(),
            word["end"].number(),
            word["probability"].number(),
        )
        for word in data["words"].items()
    )
    speaker, to_assistant = data["speaker"].text(), data["to_assistant"].boolean()
    return Turn(data["id"].integer(), speaker, words, to_assistant)


def finding_from_json(data: Json, lengths: Mapping[int, int]) -> Finding:
    """What `finding_to_json` made; lengths: words in each turn, by its id. TranscriptError."""
    # Here, as these modules are built upon this one.
    from voicemed.assertion import Assertion, Experiencer, Status
    from voicemed.findings import Finding, FindingKind, StatusChange
    from voicemed.lexicon import Concept

    spans = []
    for place in data["evidence"].items():
        span = Span(place["turn"].integer(), place["first"].integer(), place["last"].integer())
        if not 0 <= span.first <= span.last < lengths.get(span.turn, 0):
            raise place.error("points at words that are not there")
        spans.append(span)
    fields = data.fields()  # older files, of symptoms only, lack `kind` and `history`
    kind = fields["kind"].member(FindingKind) if "kind" in fields else FindingKind.SYMPTOM
    changes = fields["history"].items() if "history" in fields else []
    return Finding(
        Concept(
            data["system"].text(),
            data["code"].text(),
            data["symptom" if kind is FindingKind.SYMPTOM else "display"].text(),
            data.get("icd10").text(),
            data.get("display_zh").text(),
        ),
        Assertion(data["status"].member(Status), data["experiencer"].member(Experiencer)),
        tuple(spans),
        {key: value.text() for key, value in data["attributes"].fields().items()},
        data["confidence"].number(),
        kind,
        tuple(StatusChange(one["status"].member(Status), one["turn"].integer()) for one in changes),
    )


_Member = TypeVar("_Member", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Json:
    """A value in a JSON file that knows its place, so that an error can name it."""

    value: Any
    file: str
    place: str = ""

    def error(self, problem: str) -> TranscriptError:
        """The one line; it never quotes the value."""
        return TranscriptError(
            f"{self.file}: {self.place or 'the whole'} {problem}: damaged, or not by voicemed"
        )

    def __getitem__(self, key: str) -> Json:
        values = self.fields()
        if key not in values:
            raise self.error(f"lacks {key!r}")
        return values[key]

    def get(self, key: str) -> Json:
        """The value of a key that older files lack; an empty text where it is missing."""
        return self.fields().get(key) or Json("", self.file)

    def fields(self) -> dict[str, Json]:
        """By key, of an object."""
        self._check(isinstance(self.value, dict), "an object")
        prefix = f"{self.place}." if self.place else ""
        return {k: Json(v, self.file, f"{prefix}{k}") for k, v in self.value.items()}

    def items(self) -> list[Json]:
        """Of a list, in order."""
        self._check(isinstance(self.value, list), "a list")
        return [Json(v, self.file, f"{self.place}[{i}]") for i, v in enumerate(self.value)]

    def text(self) -> str:
        """A text."""
        self._check(isinstance(self.value, str), "a text")
        return str(self.value)

    def boolean(self) -> bool:
        """True or false."""
        self._check(isinstance(self.value, bool), "true or false")
        return bool(self.value)

    def integer(self) -> int:
        """A whole number."""
        self._check(type(self.value) is int, "a whole number")
        return int(self.value)

    def number(self) -> float:
        """A finite number."""
        self._check(
            type(self.value) in (int, float) and abs(self.value) <= sys.float_info.max, "a number"
        )
        return float(self.value)

    def time(self) -> datetime:
        """A date with time."""
        try:
            return datetime.fromisoformat(self.text())
        except ValueError as error:
            raise self.error("is not a date with time") from error

    def member(self, kind: type[_Member]) -> _Member:
        """One of the values of `kind`."""
        try:
            return kind(self.text())
        except ValueError as error:
            raise self.error(f"is none of {', '.join(kind)}") from error

    def _check(self, holds: bool, kind: str) -> None:
        if not holds:
            raise self.error(f"is not {kind}")


# --- files ---------------------------------------------------------------------------------------

WRITERS: Mapping[str, tuple[str, Callable[[Transcript], str]]] = MappingProxyType(
    {
        "txt": (".txt", to_txt),
        "json": (".json", to_json),
        "srt": (".srt", to_srt),
        "vtt": (".vtt", to_vtt),
        "md": (".md", to_markdown),
        "findings": (".findings.jsonl", to_findings_jsonl),
    }
)
"The formats of a transcript: the extension of the file, and what writes its text."


def save_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, as `save_bytes` does."""
    save_bytes(path, text.encode("utf-8", "replace"))  # the name of a file need not be UTF-8


def save_bytes(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all, readable by its owner only; a missing folder is made.

    When it returns, the content is on the disk: a crash or a power cut leaves either the old file
    or the new one. Raises OutputError where it cannot be written.
    """
    try:
        path = Path(os.path.realpath(path))  # a link stays one
        if path.exists() and not path.is_file():
            raise OutputError(f"{path}: is a folder or a device: choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    with suppress(OSError):  # not every system lets a folder be opened or synced
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _replace(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(  # mode 0600
        prefix=".voicemed-", dir=path.parent, delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
