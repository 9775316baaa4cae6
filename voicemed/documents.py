"""An encounter of the store as files for people and other programs.

    EncounterRecord --page--> Blocks --> Markdown, Word (docx), PDF (pdf.py), HL7 v2 (hl7v2.py)
                    --------> JSON, lossless (encounter_json.py); FHIR R4 Bundle (fhir.py)

`WRITERS` holds them all; `export` brings them into a folder that another program may watch. Each
depends on the record alone (no clock, no chance): the same record gives the same bytes. Each says
who wrote it and who checked it, and what was corrected. docs/exports.md describes the files.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from voicemed.assertion import Status
from voicemed.audio import AudioChunk, WavWriter
from voicemed.edits import ENTERED
from voicemed.encounter import Edit, EncounterRecord
from voicemed.errors import ConfigError, OutputError
from voicemed.findings import Finding, FindingKind
from voicemed.transcript import (
    Span,
    Turn,
    clock,
    escape_markdown,
    label_of,
    one_line,
    printable,
    save_bytes,
    span_times,
    status_line,
)

DISCLAIMER = (
    "voicemed is not a medical device: it mishears, and it misses what was said. "
    "Read this before you rely on it."
)

# --- what every export says of the record --------------------------------------------------------


def statement(record: EncounterRecord) -> str:
    """Who wrote it and who checked it, and whether the end is missing."""
    corrected = [edit for edit in record.edits if edit.what not in ENTERED]
    if corrected:
        places = len({edit.what for edit in corrected})
        by = ", ".join(dict.fromkeys(one_line(edit.by) or "somebody" for edit in corrected))
        said = f"Written by speech recognition. Corrected in {places} place{'s'[: places > 1]} "
        said += f"by {by}; the rest was not checked by anybody."
    else:
        said = "Written by speech recognition, not checked by anybody."
    if record.recovered:
        said += " The recording was cut off by a crash: its last words may be missing."
    return said


def title(record: EncounterRecord) -> str:
    """'Consultation of 2026-05-01 09:30 UTC'."""
    kind = "Dictation" if record.kind == "dictation" else "Consultation"
    return f"{kind} of {moment(record.started_at)}"


def moment(at: datetime) -> str:
    """2026-05-01 09:30 UTC."""
    return f"{at:%Y-%m-%d %H:%M %Z}".rstrip()


def latest(record: EncounterRecord) -> datetime:
    """When its content last changed; what stands for "now" in its exports. Reading changes none."""
    moments = [record.started_at, record.ended_at or record.started_at]
    moments += [edit.at for edit in record.edits]
    moments += [consent.at for consent in record.consents]
    return max(moments)


def status_edits(record: EncounterRecord, number: int) -> list[Edit]:
    """The corrections of the status of a finding (they count from 1), oldest first."""
    return [edit for edit in record.edits if edit.what == f"finding {number} status"]


def grounded(record: EncounterRecord) -> EncounterRecord:
    """The record with all evidence in words that exist: a corrected turn may have fewer of them."""
    lengths = {turn.id: len(turn.words) for turn in record.turns}

    def spans(finding: Finding) -> Iterator[Span]:
        for span in finding.evidence:
            last = lengths.get(span.turn, 0) - 1
            if last >= 0:
                first = min(max(span.first, 0), last)
                yield Span(span.turn, first, min(max(span.last, first), last))

    found = (replace(one, evidence=tuple(dict.fromkeys(spans(one)))) for one in record.findings)
    return replace(record, findings=tuple(found))


# --- the page ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heading:
    """The title (level 1), or that of a section (level 2)."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What a reader must not miss."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and their values, a line for each."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of equally many cells."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]
    "Of the columns, in proportion to each other."


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Verbatim:
    """The note: Markdown, several lines."""

    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """A turn."""

    turn: int
    "Its id."
    time: str
    speaker: str
    remark: str
    text: str


Block = Heading | Notice | Facts | Table | Paragraph | Verbatim | Said


def page(record: EncounterRecord) -> list[Block]:
    """All that a reader needs, in order: what it is, findings, note, transcript, corrections."""
    record = grounded(record)
    blocks: list[Block] = [
        Heading(1, title(record)),
        Notice(f"{statement(record)} {DISCLAIMER}"),
        Facts(tuple((name, one_line(value)) for name, value in _facts(record) if value.strip())),
        Heading(2, "Findings"),
        *_findings(record),
    ]
    if record.note.strip():
        blocks += [Heading(2, "Note"), Verbatim(record.note.strip())]
    if record.turns:
        blocks += [Heading(2, "Transcript"), *_said(record)]
    if record.edits:
        blocks += [Heading(2, "Corrections"), _corrections(record.edits)]
    return blocks


def _facts(record: EncounterRecord) -> Iterator[tuple[str, str]]:
    patient = record.patient
    yield "patient", patient.name or "not entered"
    yield "patient's number", patient.identifier
    yield "date of birth", f"{patient.birth_date:%Y-%m-%d}" if patient.birth_date else ""
    yield "clinician", record.clinician
    yield "began", moment(record.started_at)
    yield "ended", moment(record.ended_at) if record.ended_at else "not known"
    yield "made by", f"voicemed, {record.kind}"
    yield "recording", record.source
    yield "stored sound", clock(record.audio_seconds) if record.audio_seconds else "none"
    yield "language", record.language
    yield "recogniser", record.model
    counts = (f"{count} × {reason}" for reason, count in sorted(record.dropped.items()))
    yield "not written down", ", ".join(counts)
    for consent in record.consents:
        given = "given" if consent.given else "refused"
        clip = f", at {clock(consent.clip[0])} of the sound" if consent.clip else ""
        yield (
            "consent to the recording",
            f"{given} ({consent.by}), {moment(consent.at)}, noted by {consent.recorded_by}{clip}",
        )
    yield "encounter", record.id


_KINDS: Mapping[FindingKind, str] = MappingProxyType(
    {
        FindingKind.SYMPTOM: "Symptom",
        FindingKind.MEDICATION: "Medicine",
        FindingKind.ALLERGY: "Allergy",
        FindingKind.MEASUREMENT: "Measurement",
    }
)
_ORDER = (Status.PRESENT, Status.UNCERTAIN, Status.PAST, Status.ABSENT, Status.HYPOTHETICAL)


def _findings(record: EncounterRecord) -> Iterator[Block]:
    """A table for each kind, what is present first."""
    turns = {turn.id: turn for turn in record.turns}
    numbered = list(enumerate(record.findings, 1))
    for kind, name in _KINDS.items():
        found = [(number, one) for number, one in numbered if one.kind is kind]
        found.sort(key=lambda row: _ORDER.index(row[1].assertion.status))
        if found:
            header = ("", name, "Status", "Details", "Said at")
            rows = [_finding_row(record, turns, number, one) for number, one in found]
            yield Table(header, tuple(rows), (6, 28, 28, 48, 20))
    if not record.findings:
        yield Paragraph("None.")
    if any(finding.doubtful for finding in record.findings):
        yield Paragraph("? to check: voicemed is not sure of it")


def _finding_row(
    record: EncounterRecord, turns: Mapping[int, Turn], number: int, finding: Finding
) -> tuple[str, ...]:
    said_at = dict.fromkeys(clock(span_times(turns, span)[0]) for span in finding.evidence)
    status = status_line(finding)
    if corrected := status_edits(record, number):
        status += f" (corrected by {corrected[-1].by})"
    cells = (str(number), finding.concept.display, status, finding.details, ", ".join(said_at))
    return tuple(map(one_line, cells))


def _said(record: EncounterRecord) -> Iterator[Said]:
    for turn in record.turns:
        remarks = ["to the assistant"] if turn.to_assistant else []
        parts = (f"turn {turn.id} text", f"turn {turn.id} speaker")
        by = [edit.by for edit in record.edits if edit.what in parts]
        remarks += [f"corrected by {by[-1]}"] if by else []
        if turn.text or remarks:
            speaker = label_of(one_line(turn.speaker))
            yield Said(turn.id, clock(turn.start), speaker, ", ".join(remarks), one_line(turn.text))


def _corrections(edits: Sequence[Edit]) -> Table:
    rows = [(moment(edit.at), edit.by, edit.what, edit.before, edit.after) for edit in edits]
    return Table(
        ("When", "Who", "What", "Before", "After"),
        tuple(tuple(map(one_line, row)) for row in rows),
        (24, 20, 20, 33, 33),
    )


def plain_lines(blocks: Iterable[Block]) -> Iterator[str]:
    """The page as lines of plain text, for formats that know nothing else."""
    for block in blocks:
        match block:
            case Heading(level=1, text=text) | Notice(text=text) | Paragraph(text=text):
                yield text
            case Heading(text=text):
                yield from ("", text.upper())
            case Facts(rows=rows):
                yield from (f"{name}: {value}" for name, value in rows)
            case Table(header=header, rows=rows):
                for row in rows:
                    named = zip(header, row, strict=True)
                    cells = ((name, cell) for name, cell in named if cell)
                    yield "; ".join(f"{name}: {cell}" if name else cell for name, cell in cells)
            case Verbatim(text=text):
                yield from text.splitlines()
            case Said():
                yield said_line(block)


def said_line(said: Said) -> str:
    """'[00:12] Patient (corrected by Dr Chen): I have a fever.'"""
    speaker = f" {said.speaker}" if said.speaker else ""
    remark = f" ({said.remark})" if said.remark else ""
    return f"[{said.time}]{speaker}{remark}{':' if speaker or remark else ''} {said.text}"


def transcript_text(record: EncounterRecord) -> str:
    """The turns as plain text, a line for each, after a line that says who checked them."""
    return "".join(f"{line}\n" for line in (statement(record), *map(said_line, _said(record))))


# --- Markdown ------------------------------------------------------------------------------------


def to_markdown(record: EncounterRecord) -> bytes:
    """A page to read; only the note, which is Markdown itself, may hold markup."""
    text = "\n\n".join(map(_markdown, page(record))) + "\n"
    return printable(text).encode()


def _markdown(block: Block) -> str:
    match block:
        case Heading(level=level, text=text):
            return f"{'#' * level} {escape_markdown(text)}"
        case Notice(text=text):
            return f"> **{escape_markdown(text)}**"
        case Facts(rows=rows):
            return "\n".join(f"- {name}: {escape_markdown(value)}" for name, value in rows)
        case Table(header=header, rows=rows):
            lines = [header, ("---",) * len(header)]
            lines += [tuple(map(escape_markdown, row)) for row in rows]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case Paragraph(text=text):
            return escape_markdown(text)
        case Verbatim(text=text):
            return text
        case Said(time=time, speaker=speaker, remark=remark, text=text):
            who = f" **{escape_markdown(speaker)}**" if speaker else ""
            aside = f" *({escape_markdown(remark)})*" if remark else ""
            return f"\\[{time}\\]{who}{aside} {escape_markdown(text)}"


# --- Word ----------------------------------------------------------------------------------------


def to_docx(record: EncounterRecord) -> bytes:
    """A Word document (Office Open XML)."""
    import docx  # heavy, and only wanted here
    from docx.document import Document
    from docx.shared import Pt

    def add(document: Document, block: Block) -> None:
        match block:
            case Heading(level=level, text=text):
                document.add_heading(printable(text), level - 1)
            case Notice(text=text):
                document.add_paragraph(style="Intense Quote").add_run(printable(text))
            case Facts(rows=rows):
                for name, value in rows:
                    paragraph = document.add_paragraph(style="List Bullet")
                    paragraph.paragraph_format.space_after = Pt(0)
                    paragraph.add_run(f"{name}: ").bold = True
                    paragraph.add_run(printable(value))
            case Table(header=header, rows=rows):
                table = document.add_table(0, len(header), style="Light Grid Accent 1")
                for row in (header, *rows):
                    for cell, text in zip(table.add_row().cells, row, strict=True):
                        cell.text = printable(text)
                document.add_paragraph()
            case Paragraph(text=text):
                document.add_paragraph(printable(text))
            case Verbatim(text=text):
                for line in text.splitlines():
                    document.add_paragraph(printable(line))
            case Said(time=time, speaker=speaker, remark=remark, text=text):
                paragraph = document.add_paragraph()
                paragraph.add_run(f"[{time}] ")
                paragraph.add_run(printable(f"{speaker} " if speaker else "")).bold = True
                paragraph.add_run(printable(f"({remark}) " if remark else "")).italic = True
                paragraph.add_run(printable(text))

    document = docx.Document()
    for block in page(record):
        add(document, block)
    properties = document.core_properties
    properties.title, properties.author = title(record), "voicemed"
    properties.comments = printable(statement(record))[:255]  # as much as python-docx takes
    properties.created = properties.modified = latest(record).astimezone(UTC)
    properties.last_modified_by = "voicemed"
    file = io.BytesIO()
    document.save(file)
    return _timeless(file)


def _timeless(archive: io.BytesIO) -> bytes:
    """A zip file without the times at which its members were written."""
    made = io.BytesIO()
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(made, "w") as new:
        for member in old.infolist():
            named = zipfile.ZipInfo(member.filename)  # its time is the first of 1980
            named.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(named, old.read(member))
    return made.getvalue()


# --- all formats, and files -----------------------------------------------------------------------


def _to_json(record: EncounterRecord) -> bytes:
    from voicemed.encounter_json import to_json

    # A half character (the name of a file may hold one) is written as JSON's escape for it.
    return to_json(record).encode("utf-8", "backslashreplace")


def _to_pdf(record: EncounterRecord) -> bytes:
    from voicemed.pdf import to_pdf

    return to_pdf(record)


def _to_hl7(record: EncounterRecord) -> bytes:
    from voicemed.hl7v2 import to_hl7

    return to_hl7(record)


def _to_fhir(record: EncounterRecord) -> bytes:
    from voicemed.fhir import to_fhir

    return to_fhir(record)


WRITERS: Mapping[str, tuple[str, Callable[[EncounterRecord], bytes]]] = MappingProxyType(
    {
        "md": (".md", to_markdown),
        "json": (".json", _to_json),
        "docx": (".docx", to_docx),
        "pdf": (".pdf", _to_pdf),
        "hl7": (".hl7", _to_hl7),
        "fhir": (".fhir.json", _to_fhir),
    }
)
"The formats: the extension of the file, and what writes its content (heavy imports wait for it)."


def file_stem(record: EncounterRecord) -> str:
    """The name of all its files but for the extension: when it began and its id, nobody's name."""
    return f"voicemed-{record.started_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{record.id}"


def export(
    record: EncounterRecord,
    folder: Path,
    formats: Iterable[str],
    *,
    sound: Iterable[AudioChunk] | None = None,
    inline: bool = False,
) -> list[Path]:
    """Write an encounter in the formats asked for; the paths, in the order they were written.

    sound: what the store holds of it, written as a WAV to which the FHIR Bundle refers.
    inline: the Bundle holds the sound as well.

    Each file appears whole or not at all under its name, the sound first and the Bundle last: who
    waits for `*.fhir.json` finds everything there. Raises ConfigError for an unknown format,
    OutputError where something cannot be written.
    """
    from voicemed.fhir import Recording, to_fhir

    wanted = list(dict.fromkeys(formats))
    if unknown := [name for name in wanted if name not in WRITERS]:
        known = ", ".join(WRITERS)
        raise ConfigError(f"{', '.join(unknown)}: no format of an export; there are {known}")
    wanted.sort(key="fhir".__eq__)  # stable: the Bundle goes last
    written: list[Path] = []
    recording: Recording | None = None
    if sound is not None:
        written.append(folder / f"{file_stem(record)}.wav")
        _save_sound(written[0], sound)
        recording = Recording.of(written[0], inline=inline)
    for name in wanted:
        suffix, write = WRITERS[name]
        content = to_fhir(record, recording) if name == "fhir" else write(record)
        path = folder / f"{file_stem(record)}{suffix}"
        save_bytes(path, content)
        written.append(path)
    return written


def _save_sound(path: Path, sound: Iterable[AudioChunk]) -> None:
    """Write a WAV under a hidden name and rename it when it is whole and on the disk."""
    hidden = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden.touch(0o600)
        with WavWriter(hidden) as wav:
            for chunk in sound:
                wav.write(chunk.samples)
        with hidden.open("r+b") as file:
            os.fsync(file.fileno())
        hidden.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)
