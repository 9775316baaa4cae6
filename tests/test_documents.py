"""An encounter as Markdown, JSON, Word, PDF and HL7 v2, and as files in a folder."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docx
import hl7
import numpy as np
import pytest
from hypothesis import given, settings
from records import BEGAN, COUGH, FULL, ID, RECORD, RECORDS, TEXT, finding

from voicemed import documents
from voicemed.assertion import Status
from voicemed.audio import AudioChunk, read
from voicemed.documents import (
    WRITERS,
    Said,
    Table,
    export,
    file_stem,
    grounded,
    page,
    plain_lines,
    statement,
    to_docx,
    to_markdown,
)
from voicemed.encounter import Edit, EncounterKind, EncounterRecord
from voicemed.encounter_json import SCHEMA, from_json, to_json
from voicemed.errors import AudioFileError, ConfigError, OutputError, TranscriptError
from voicemed.hl7v2 import escaped, to_hl7
from voicemed.pdf import to_pdf
from voicemed.transcript import Span, Turn, printable
from voicemed.transcript_reader import words_of


def said(text: str) -> EncounterRecord:
    return replace(RECORD, turns=(Turn(1, "patient", words_of(text)),))


# --- what all of them say ------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_record_gives_the_same_bytes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, write = WRITERS[name]
    first = write(FULL)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.setattr("time.time", lambda: 4e9)
    assert write(FULL) == first


@pytest.mark.parametrize("record", [RECORD, FULL], ids=["empty", "full"])
@pytest.mark.parametrize("name", ["md", "json", "docx", "hl7", "fhir"])
def test_each_says_who_checked_it_and_that_it_is_no_device(
    name: str, record: EncounterRecord
) -> None:
    content = WRITERS[name][1](record)
    if name == "docx":
        content = zipfile.ZipFile(io.BytesIO(content)).read("word/document.xml")
    text = content.decode()
    assert statement(record) in text
    assert "not a medical device" in text


def test_the_statement() -> None:
    assert statement(RECORD) == "Written by speech recognition, not checked by anybody."
    one = replace(RECORD, edits=(Edit(BEGAN, "Dr Chen", "note", "", "x"),) * 2)
    assert statement(one) == (
        "Written by speech recognition. Corrected in 1 place by Dr Chen; "
        "the rest was not checked by anybody."
    )
    assert "Corrected in 2 places by Dr Chen, Dr Ito" in statement(FULL)
    assert "last words may be missing" in statement(replace(RECORD, recovered=True))


@settings(deadline=None, max_examples=25)
@given(RECORDS)
def test_any_record_can_be_written_in_each_format(record: EncounterRecord) -> None:
    for name, (_, write) in WRITERS.items():
        assert name == "pdf" or write(record)


@settings(deadline=None, max_examples=5)  # half a second each
@given(RECORDS)
def test_any_record_can_be_a_pdf(record: EncounterRecord) -> None:
    assert to_pdf(record)


# --- the page ------------------------------------------------------------------------------------


def tables(record: EncounterRecord) -> Iterator[Table]:
    return (block for block in page(record) if isinstance(block, Table))


def test_each_finding_is_a_row_with_its_status_the_present_first() -> None:
    rows = [row for table in tables(FULL) if "Status" in table.header for row in table.rows]
    assert sorted(int(row[0]) for row in rows) == list(range(1, len(FULL.findings) + 1))
    symptoms = next(tables(FULL)).rows
    assert [row[2].split()[0] for row in symptoms] == (
        ["present"] * 3 + ["uncertain", "past", "absent", "absent", "hypothetical"]
    )
    assert symptoms[0][1:4] == (
        "cough", "present (corrected by Dr Chen)", "started three days ago, bad",
    )  # fmt: skip
    assert symptoms[1][2] == "present ?"
    assert symptoms[2][2] == "present (of somebody else)"


def test_a_corrected_turn_says_so() -> None:
    turns = [block for block in page(FULL) if isinstance(block, Said)]
    assert [turn.remark for turn in turns] == ["", "corrected by Dr Ito", "to the assistant"]


def test_evidence_in_words_that_are_gone() -> None:
    spans = (Span(1, 0, 9), Span(1, 5, 6), Span(2, 0, 0))
    one = replace(finding(COUGH), evidence=spans)
    record = replace(said("two words"), findings=(one,))
    assert grounded(record).findings[0].evidence == (Span(1, 0, 1), Span(1, 1, 1))


# --- Markdown, Word ------------------------------------------------------------------------------


def test_markdown() -> None:
    text = to_markdown(FULL).decode()
    assert text.startswith("# Consultation of 2026-05-01 09:30 UTC+02:00\n\n> **Written by")
    assert "- patient: Zoë Łukasz 王小明\n" in text
    assert "| 1 | fever | absent |" in text
    assert "\n# Plan\n\n- rest\n" in text  # the note is Markdown itself
    assert r"\<b\>\| \&" in text
    assert "| 2026-05-01 10:30 UTC+02:00 | Dr Chen | finding 2 status | absent | present |" in text


def test_a_dictation_has_its_own_title() -> None:
    assert to_markdown(replace(RECORD, kind=EncounterKind.DICTATION)).startswith(b"# Dictation")


def test_docx() -> None:
    document = docx.Document(io.BytesIO(to_docx(FULL)))
    text = "\n".join(paragraph.text for paragraph in document.paragraphs)
    assert "[00:00] Patient (corrected by Dr Ito) No fever; my father coughs <b>| & ^~\\" in text
    assert "patient: Zoë Łukasz 王小明" in text
    cells = [[cell.text for cell in row.cells] for row in document.tables[0].rows]
    assert cells[6][:3] == ["1", "fever", "absent"]
    assert document.core_properties.created is not None
    assert document.core_properties.created.isoformat() == "2026-05-01T09:30:00+00:00"


@given(TEXT)
def test_text_that_no_xml_can_hold(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    shown.encode()
    assert not set(shown) & {chr(code) for code in range(32)} - {"\t", "\n", "\r"}


# --- JSON ----------------------------------------------------------------------------------------


@settings(deadline=None)
@given(RECORDS)
def test_json_holds_everything(record: EncounterRecord) -> None:
    text = to_json(record)
    again = from_json(text, "x.json")
    assert to_json(again) == text
    kept = grounded(record)
    rounded = {"turns": again.turns, "findings": again.findings}
    assert again == replace(kept, **rounded)  # type: ignore[arg-type]
    assert [turn.text for turn in again.turns] == [turn.text for turn in kept.turns]
    assert [replace(one, confidence=1.0) for one in again.findings] == [
        replace(one, confidence=1.0) for one in kept.findings
    ]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("schema", "voicemed-encounter/2", "its format is 'voicemed-encounter/2'"),
        ("kind", "dream", "kind is none of session, dictation, recording"),
        ("started_at", "yesterday", "started_at is not a date with time"),
        ("patient", {"name": "", "identifier": "", "birth_date": "x"}, "birth_date is not a date"),
        ("turns", None, "turns is not a list"),
    ],
)
def test_damaged_json(key: str, value: object, message: str) -> None:
    data = json.loads(to_json(FULL)) | {key: value}
    with pytest.raises(TranscriptError, match=message):
        from_json(json.dumps(data), "x.json")


def test_no_json() -> None:
    with pytest.raises(TranscriptError, match="cut short"):
        from_json(to_json(FULL)[:-9], "x.json")
    assert json.loads(to_json(RECORD))["schema"] == SCHEMA


# --- PDF -----------------------------------------------------------------------------------------


def pdf_characters(content: bytes) -> set[str]:
    """What the fonts of a PDF say that its glyphs stand for."""
    found = set()
    for table in re.findall(rb"beginbfchar\n(.*?)endbfchar", content, re.S):
        for code in re.findall(rb"<[0-9A-F]{4}> <([0-9A-F]+)>", table):
            found.add(bytes.fromhex(code.decode()).decode("utf-16-be"))
    return found


@pytest.mark.parametrize(
    "text", ["发热三天", "發燒", "熱があります", "열이 나요", "Ωμέγα", "жар", "ďábel", "Nguyễn"]
)
def test_a_pdf_has_the_characters_of_many_languages(text: str) -> None:
    content = to_pdf(said(text))
    assert set(text) - {" "} <= pdf_characters(content)


def test_a_pdf_shows_what_its_fonts_lack() -> None:
    shown = pdf_characters(to_pdf(said("a😀b")))
    assert "😀" not in shown
    assert set("[U+1F600]") <= shown
    assert set("otherformats") <= shown


def test_a_pdf_of_many_pages_is_read_by_its_structure() -> None:
    turns = tuple(Turn(n, "patient", words_of("I have a fever. " * 9)) for n in range(1, 90))
    content = to_pdf(replace(FULL, turns=turns))
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    assert content.count(b"/Type /Page\n") > 3


# --- HL7 v2 --------------------------------------------------------------------------------------


def test_hl7() -> None:
    message = hl7.parse(to_hl7(FULL).decode())
    assert str(message["MSH"][0][9]) == "MDM^T02^MDM_T02"
    assert len(str(message["MSH"][0][10])) == 20
    assert str(message["MSH"][0][18]) == "UNICODE UTF-8"
    assert str(message["PID"][0][3]) == "P-77"
    assert str(message["PID"][0][7]) == "19800229"
    assert str(message["PV1"][0][19]) == ID
    assert (str(message["TXA"][0][12]), str(message["TXA"][0][17])) == (ID, "DO")
    lines = [message.unescape(str(segment[5])) for segment in message["OBX"]]
    assert lines == list(plain_lines(page(FULL)))
    assert {str(segment[11]) for segment in message["OBX"]} == {"P"}


@given(TEXT)
def test_hl7_delimits_nothing_inside_a_text(text: str) -> None:
    written = escaped(text)
    assert not set(written) & set("|^&~\r\n")
    unescaped = hl7.parse("MSH|^~\\&|x\r").unescape(written)
    assert unescaped == " ".join(printable(text).split())


# --- files ---------------------------------------------------------------------------------------


def chunks() -> Iterator[AudioChunk]:
    for at in range(3):
        yield AudioChunk(np.full(1600, 0.25, np.float32), 16_000, at / 10)


def test_export_writes_all_formats_the_bundle_last(tmp_path: Path) -> None:
    written = export(FULL, tmp_path / "out", WRITERS, sound=chunks())
    stem = f"voicemed-20260501T073000Z-{ID}"
    assert file_stem(FULL) == stem
    suffixes = [".wav", ".md", ".json", ".docx", ".pdf", ".hl7", ".fhir.json"]
    assert [path.name for path in written] == [stem + suffix for suffix in suffixes]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        path.name for path in written
    )
    assert len(read(written[0])) == 4800
    assert f'"url": "{stem}.wav"' in written[-1].read_text("utf-8")
    if os.name == "posix":
        assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}


def test_a_watcher_never_sees_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its name no file has ever other than its final content."""
    seen: dict[str, set[bytes]] = {}

    def look() -> None:
        for path in tmp_path.glob("voicemed-*"):
            seen.setdefault(path.name, set()).add(path.read_bytes())

    def watched() -> Iterator[AudioChunk]:
        for chunk in chunks():
            look()
            yield chunk

    fsync = os.fsync

    def watched_fsync(file: int) -> None:
        look()
        fsync(file)
        look()

    monkeypatch.setattr(os, "fsync", watched_fsync)
    written = export(FULL, tmp_path, ["fhir", "md"], sound=watched())
    look()
    assert {path.name: {path.read_bytes()} for path in written} == seen


def test_an_export_that_fails_leaves_no_half_file(tmp_path: Path) -> None:
    def broken() -> Iterator[AudioChunk]:
        yield from chunks()
        raise AudioFileError("the sound is damaged")

    with pytest.raises(AudioFileError):
        export(FULL, tmp_path, ["fhir"], sound=broken())
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="xls: no format of an export; there are md, json, docx"):
        export(FULL, tmp_path, ["md", "xls"])
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        export(FULL, blocked, ["md"])
    with pytest.raises(OutputError, match="cannot be written"):
        export(FULL, blocked, [], sound=chunks())


def test_names_of_files_name_nobody() -> None:
    assert "Zo" not in file_stem(FULL)


def test_importing_the_module_imports_nothing_heavy() -> None:
    heavy = "{'fhir', 'docx', 'fpdf', 'lxml', 'pydantic'}"
    script = f"import sys, voicemed.documents; sys.exit(bool({heavy} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert documents.WRITERS


def test_a_status_is_never_left_out_of_a_line() -> None:
    record = replace(FULL, findings=(finding(COUGH, Status.ABSENT),), edits=())
    assert "1; Symptom: cough; Status: absent; Said at: 00:00" in list(plain_lines(page(record)))
