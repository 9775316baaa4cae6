"""Turns of a run of words, the files of a transcript, and how a text gets to disk."""

from __future__ import annotations

import errno
import html
import json
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from voicemed.assertion import Assertion, Experiencer, Status
from voicemed.errors import OutputError, TranscriptError
from voicemed.findings import Finding, FindingKind, StatusChange
from voicemed.lexicon import Concept
from voicemed.transcript import (
    SCHEMA,
    WRITERS,
    Span,
    Transcript,
    Turn,
    Word,
    from_json,
    save_text,
    split_turns,
    to_findings_jsonl,
    to_json,
    to_markdown,
    to_srt,
    to_txt,
    to_vtt,
)

FORMAT = Path(__file__).parents[1] / "docs" / "transcript-format.md"
SPOKEN = st.characters(exclude_categories=("Cs", "Cc", "Cn", "Zs", "Zl", "Zp"))


def said(text: str, *, start: float = 0.0, pauses: dict[int, float] | None = None) -> list[Word]:
    """The words of a text, 0.3 s each, with pauses before those whose index is given."""
    words = []
    for index, part in enumerate(text.split()):
        start += (pauses or {}).get(index, 0.0)
        words.append(Word(f" {part}", round(start, 3), round(start + 0.3, 3), 0.9))
        start += 0.3
    return words


def transcript(turns: list[Turn], findings: tuple[Finding, ...] = (), **other: Any) -> Transcript:
    values: dict[str, Any] = {
        "source": "visit.wav",
        "source_sha256": "0" * 64,
        "created_at": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
        "duration": 3725.5,
        "language": "en",
        "model": "Whisper base",
        "settings": {"vad": "silero"},
        "turns": tuple(turns),
        "findings": findings,
        "dropped": {"repeats itself": 2},
    }
    return Transcript(**values | other)


@pytest.fixture
def visit() -> Transcript:
    turns = [
        Turn(1, "doctor", tuple(said("Any fever or chills?"))),
        Turn(2, "patient", tuple(said("No. I've had a headache since Monday.", start=62.0))),
        Turn(3, "doctor", tuple(said("Assistant, repeat that.", start=70.0)), to_assistant=True),
    ]
    fever = Concept("http://purl.obolibrary.org/obo/hp.owl", "HP:0001945", "fever", "R50.9", "发热")
    headache = Concept("http://purl.obolibrary.org/obo/hp.owl", "HP:0002315", "headache")
    findings = (
        Finding(
            fever,
            Assertion(Status.ABSENT),
            (Span(1, 1, 1), Span(2, 0, 0)),
            {},
            0.8,
            history=(StatusChange(Status.ABSENT, 2),),
        ),
        Finding(
            headache, Assertion(Status.PRESENT), (Span(2, 3, 6),), {"onset": "since Monday"}, 0.9
        ),
    )
    return transcript(turns, findings)


@st.composite
def word_runs(draw: st.DrawFn, max_size: int = 60) -> list[Word]:
    """Words in order of time, some of which touch, with any text."""
    words = []
    now = 0.0
    texts = st.one_of(
        st.sampled_from(["yes.", "no?", "Dr.", "好", "嗯。"]), st.text(SPOKEN, min_size=1)
    )
    for _ in range(draw(st.integers(1, max_size))):
        now = round(now + draw(st.sampled_from([0.0, 0.0, 0.1, 0.35, 0.9, 4.0])), 3)
        end = round(now + draw(st.sampled_from([0.0, 0.08, 0.3, 1.1, 7.5])), 3)
        space = draw(st.sampled_from([" ", " ", " ", ""]))
        probability = round(draw(st.floats(0, 1)), 4)
        words.append(Word(space + draw(texts), now, end, probability))
        now = end
    return words


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    labels = st.sampled_from(["", "doctor", "patient", "speaker 1", "<b> & co"])
    turns = [
        Turn(number, draw(labels), tuple(words), draw(st.booleans()))
        for number, words in enumerate(draw(st.lists(word_runs(12), max_size=4)), 1)
    ]
    findings = []
    for turn in turns:
        first = draw(st.integers(0, len(turn.words) - 1))
        span = Span(turn.id, first, draw(st.integers(first, len(turn.words) - 1)))
        assertion = Assertion(
            draw(st.sampled_from(list(Status))), draw(st.sampled_from(list(Experiencer)))
        )
        attributes = draw(st.dictionaries(st.text(SPOKEN), st.text(SPOKEN), max_size=2))
        kind = draw(st.sampled_from(list(FindingKind)))
        changes = draw(st.lists(st.builds(StatusChange, st.sampled_from(Status), st.integers())))
        concept = Concept("s", "c", draw(st.sampled_from(["fever", "other: fever"])))
        findings.append(Finding(concept, assertion, (span,), attributes, 0.5, kind, tuple(changes)))
    return transcript(turns, tuple(findings), damage=draw(st.text(SPOKEN, max_size=9)))


# --- turns of a run of words ---------------------------------------------------------------------


@given(word_runs(), st.integers(1, 1000))
def test_each_word_is_in_exactly_one_turn(words: list[Word], first_id: int) -> None:
    turns = split_turns(words, first_id=first_id, speaker="patient")
    assert [word for turn in turns for word in turn.words] == words
    assert [turn.id for turn in turns] == list(range(first_id, first_id + len(turns)))
    assert all(turn.words and turn.speaker == "patient" for turn in turns)


def test_no_words_are_no_turns() -> None:
    assert split_turns([]) == []


@pytest.mark.parametrize(
    ("text", "pauses", "turns"),
    [
        ("Any fever? No. Any cough?", {}, ["Any fever?", "No. Any cough?"]),
        ("你发烧吗？ 没有。", {}, ["你发烧吗？", "没有。"]),
        ('He said "why?" I left.', {}, ['He said "why?"', "I left."]),
        ("It hurts. Where exactly", {2: 0.29}, ["It hurts. Where exactly"]),
        ("It hurts. Where exactly", {2: 0.3}, ["It hurts.", "Where exactly"]),
        ("It hurts here, I think", {3: 0.7}, ["It hurts here, I think"]),
        ("It hurts here, I think", {3: 0.8}, ["It hurts here,", "I think"]),
        ("See Dr. Miller today", {2: 0.5}, ["See Dr. Miller today"]),
        ("Well... it hurts", {1: 0.5}, ["Well... it hurts"]),
    ],
)
def test_turns_end_where_the_speaker_may_change(
    text: str, pauses: dict[int, float], turns: list[str]
) -> None:
    assert [turn.text for turn in split_turns(said(text, pauses=pauses))] == turns


def test_a_long_turn_ends_with_a_sentence_even_without_a_pause() -> None:
    short, long = "one two. " * 10, "one two. " * 15
    assert len(split_turns(said(short))) == 1
    assert [len(turn.words) for turn in split_turns(said(long))] == [22, 8]


# --- plain text, Markdown, findings --------------------------------------------------------------


def test_plain_text_is_the_words_alone(visit: Transcript) -> None:
    assert to_txt(visit) == (
        "Any fever or chills?\nNo. I've had a headache since Monday.\nAssistant, repeat that.\n"
    )


def test_markdown_for_readers(visit: Transcript) -> None:
    page = MarkdownIt("commonmark").enable("table").render(to_markdown(visit))
    assert "<h1>visit.wav</h1>" in page
    assert "<li>duration: 1:02:05</li>" in page
    assert "<li>not written down: 2 × repeats itself</li>" in page
    cells = re.findall(r"<td>(.*?)</td>", page)
    assert cells == [
        *("fever", "absent", "", "00:00, 01:02"),
        *("headache", "present", "since Monday", "01:02"),
    ]
    paragraphs = re.findall(r"<p>(.*?)</p>", page)
    assert paragraphs == [
        "[00:00] <strong>Doctor</strong> Any fever or chills?",
        "[01:02] <strong>Patient</strong> No. I've had a headache since Monday.",
        "[01:10] <strong>Doctor</strong> <em>(to the assistant)</em> Assistant, repeat that.",
    ]


def test_markdown_says_whose_symptom_it_is_and_what_is_missing() -> None:
    turn = Turn(1, "", tuple(said("My mother has seizures.")))
    assertion = Assertion(Status.PRESENT, Experiencer.OTHER)
    seizure = Finding(Concept("s", "c", "seizure"), assertion, (Span(1, 3, 3),))
    page = to_markdown(transcript([turn], (seizure,), damage="visit.wav: cut short"))
    assert "| seizure | present (of somebody else) |  | 00:00 |" in page
    assert "- damage: visit.wav: cut short" in page
    assert "\n## Findings\n\nNone.\n" in to_markdown(transcript([]))


@pytest.fixture
def medicated() -> Transcript:
    """A status that changed and is doubtful; findings of other kinds than symptoms."""
    turn = Turn(1, "", tuple(said("Cough. Metformin. Penicillin. 140/90.")))

    def finding(kind: FindingKind, name: str, word: int, **attributes: str) -> Finding:
        concept, assertion = Concept("s", "c", name), Assertion(Status.PRESENT)
        return Finding(concept, assertion, (Span(1, word, word),), attributes, kind=kind)

    cough = Finding(
        Concept("s", "c", "cough"),
        Assertion(Status.PRESENT),
        (Span(1, 0, 0),),
        confidence=0.5,
        history=(StatusChange(Status.ABSENT, 1), StatusChange(Status.PRESENT, 1)),
    )
    drug = finding(FindingKind.MEDICATION, "metformin", 1, dose="500 mg", frequency="daily")
    allergy = finding(FindingKind.ALLERGY, "penicillin", 2, reaction="rash")
    pressure = finding(FindingKind.MEASUREMENT, "blood pressure", 3, value="140/90", unit="mmHg")
    return transcript([turn], (pressure, drug, cough, allergy))


def test_markdown_has_a_table_for_each_kind(medicated: Transcript) -> None:
    page = MarkdownIt("commonmark").enable("table").render(to_markdown(medicated))
    heads = re.findall(r"<th>(.*?)</th>", page)
    assert heads[::4] == ["symptom", "medication", "allergy", "measurement"]
    assert re.findall(r"<td>(.*?)</td>", page) == [
        *("cough", "absent → present ?", "", "00:00"),
        *("metformin", "present", "500 mg, daily", "00:00"),
        *("penicillin", "present", "rash", "00:00"),
        *("blood pressure", "present", "140/90 mmHg", "00:00"),
    ]
    assert "? to check" in page


def test_what_is_no_symptom_is_not_written_as_one(medicated: Transcript) -> None:
    for rows in (
        json.loads(to_json(medicated))["findings"],
        list(map(json.loads, to_findings_jsonl(medicated).splitlines())),
    ):
        names = {row["kind"]: (row["symptom"], row["display"]) for row in rows}
        assert names["symptom"] == ("cough", "cough")
        assert names["medication"] == ("other: metformin", "metformin")
        assert names["measurement"] == ("other: blood pressure", "blood pressure")


def test_a_file_without_kinds_holds_symptoms(visit: Transcript) -> None:
    data = json.loads(to_json(visit))
    for row in data["findings"]:
        for key in ("kind", "display", "history"):
            del row[key]
    fever, _ = from_json(json.dumps(data), "visit.json").findings
    assert (fever.kind, fever.concept.display, fever.history) == ("symptom", "fever", ())


@given(st.text(st.one_of(st.sampled_from("*_`[]()<>|#\\&!~-+=:1. \n"), SPOKEN), min_size=1))
def test_nothing_said_is_markup(text: str) -> None:
    page = to_markdown(transcript([Turn(1, "", (Word(f"x{text}", 0, 1, 1),))], source=f"x{text}"))
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page)
    title, *_, turn = [token for token in tokens if token.type == "inline"]
    shown = " ".join(f"x{text}".split())
    for inline, before in ((title, ""), (turn, "[00:00] ")):
        assert inline.children is not None
        assert {child.type for child in inline.children} <= {"text", "text_special"}
        assert "".join(child.content for child in inline.children) == before + shown


def test_findings_are_rows_that_can_be_scored(visit: Transcript) -> None:
    fever, headache = map(json.loads, to_findings_jsonl(visit).splitlines())
    assert fever == {
        "symptom": "fever",
        "status": "absent",
        "experiencer": "patient",
        "kind": "symptom",
        "system": "http://purl.obolibrary.org/obo/hp.owl",
        "code": "HP:0001945",
        "display": "fever",
        "icd10": "R50.9",
        "display_zh": "发热",
        "history": [{"status": "absent", "turn": 2}],
        "evidence": [1, 2],
        "evidence_times": [[0.3, 0.6], [62.0, 62.3]],
        "attributes": {},
        "confidence": 0.8,
    }
    assert headache["evidence"] == [2]
    assert headache["evidence_times"] == [[62.9, 64.1]]
    assert headache["attributes"] == {"onset": "since Monday"}


# --- subtitles -----------------------------------------------------------------------------------

Cue = tuple[float, float, list[str]]
TIME = r"(\d{2,}):([0-5]\d):([0-5]\d)[,.](\d{3})"


def seconds(*parts: str) -> float:
    hour, minute, second, millisecond = map(int, parts)
    return hour * 3600 + minute * 60 + second + millisecond / 1000


def cues_in(blocks: str) -> Iterator[Cue]:
    """The cues of SRT without its numbers, or of VTT without its header."""
    for block in filter(None, blocks.split("\n\n")):
        timing, *lines = block.rstrip("\n").split("\n")
        match = re.fullmatch(f"{TIME} --> {TIME}", timing)
        assert match, timing
        yield seconds(*match.groups()[:4]), seconds(*match.groups()[4:]), lines


def from_srt(text: str) -> list[Cue]:
    numbers = re.findall(r"(?:\A|\n\n)(\d+)\n", text)
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    return list(cues_in(re.sub(r"(\A|\n\n)\d+\n", r"\1", text)))


def from_vtt(text: str) -> list[Cue]:
    header, _, cues = text.partition("\n\n")
    assert header.rstrip("\n") == "WEBVTT"
    return [
        (start, end, [html.unescape(re.sub("^<v [^<>]*>", "", line)) for line in lines])
        for start, end, lines in cues_in(cues)
    ]


def columns(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def letters(parts: Iterator[str] | list[str]) -> Counter[str]:
    return Counter("".join(parts).replace("-->", "→").replace(" ", ""))


@given(st.lists(word_runs(30), max_size=3))
def test_subtitles_hold_every_word_once_and_never_overlap(runs: list[list[Word]]) -> None:
    told = transcript([Turn(i, "a", tuple(run)) for i, run in enumerate(runs, 1)])
    spoken = letters([word.text for run in runs for word in run])
    words = {word.text.strip() for run in runs for word in run}
    srt, vtt = from_srt(to_srt(told)), from_vtt(to_vtt(told))
    assert [cue[:2] for cue in srt] == [cue[:2] for cue in vtt]
    for cues in (srt, vtt):
        assert letters([line for *_, lines in cues for line in lines]) == spoken
        assert all(start < end for start, end, _ in cues)
        assert all(end - start <= 6.001 for start, end, _ in cues)
        assert all(first[1] <= second[0] for first, second in pairwise(cues))
    for *_, lines in vtt:
        assert len(lines) <= 2
        assert all(columns(line) <= 42 or line in words for line in lines)


def test_subtitles_of_one_speaker_keep_the_order_of_words() -> None:
    words = said("the quick brown fox jumps over the lazy dog " * 20)
    cues = from_srt(to_srt(transcript([Turn(1, "", tuple(words))])))
    assert " ".join(" ".join(lines) for *_, lines in cues) == "".join(w.text for w in words).strip()
    assert cues[0] == (
        0.0,
        4.8,
        ["the quick brown fox jumps over the lazy", "dog the quick brown fox jumps over the"],
    )
    assert len(cues) == 12


def test_subtitles_name_the_speaker_and_escape_what_is_said() -> None:
    turns = [Turn(1, "speaker <1>", tuple(said("a<b> & --> c"))), Turn(2, "", tuple(said("d")))]
    assert "\n<v Speaker &lt;1&gt;>a&lt;b&gt; &amp; --&gt; c\n" in to_vtt(transcript(turns))
    assert "\na<b> & → c\n" in to_srt(transcript(turns))


def test_subtitles_of_two_who_talk_at_once() -> None:
    long = Turn(1, "doctor", tuple(said("so what we will do now is this")))
    short = Turn(2, "patient", tuple(said("okay", start=0.9)))
    assert from_vtt(to_vtt(transcript([long, short]))) == [
        (0.0, 0.9, ["so what we will do now is this"]),
        (0.9, 1.4, ["okay"]),
    ]


def test_subtitles_of_long_recordings() -> None:
    late = Turn(1, "", tuple(said("still here", start=100 * 3600 + 61.5)))
    assert "100:01:01.500 --> 100:01:02.100" in to_vtt(transcript([late]))
    assert "100:01:01,500 --> 100:01:02,100" in to_srt(transcript([late]))


def test_chinese_subtitles_have_lines_of_21_characters() -> None:
    words = tuple(Word("痛", 0.1 * i, 0.1 * (i + 1), 0.9) for i in range(60))
    cues = from_srt(to_srt(transcript([Turn(1, "", words)])))
    assert [[len(line) for line in lines] for *_, lines in cues] == [[21, 21], [18]]


# --- JSON ----------------------------------------------------------------------------------------


@given(transcripts())
def test_json_is_read_back_as_it_was(told: Transcript) -> None:
    assert from_json(to_json(told), "visit.json") == told


def test_every_key_is_documented(visit: Transcript) -> None:
    documented = set(re.findall(r"`(\w+)`", FORMAT.read_text("utf-8")))

    def keys(value: Any) -> Iterator[str]:
        if isinstance(value, list):
            for one in value:
                yield from keys(one)
        if isinstance(value, dict):
            yield from value
            for name, one in value.items():
                if name not in {"settings", "dropped", "attributes"}:
                    yield from keys(one)

    assert set(keys(json.loads(to_json(visit)))) <= documented
    assert set(json.loads(to_findings_jsonl(visit).splitlines()[0])) <= documented
    assert f"`{SCHEMA}`" in FORMAT.read_text("utf-8")


def test_icd10_and_chinese_name_are_read_back(visit: Transcript) -> None:
    data = json.loads(to_json(visit))
    read = from_json(json.dumps(data), "visit.json").findings[0].concept
    assert (read.icd10, read.display_zh) == ("R50.9", "发热")
    for key in ("icd10", "display_zh"):  # as in files written before these keys were
        del data["findings"][0][key]
    older = from_json(json.dumps(data), "visit.json").findings[0].concept
    assert (older, older.icd10, older.display_zh) == (read, "", "")


def test_unknown_keys_are_ignored(visit: Transcript) -> None:
    data = json.loads(to_json(visit))
    data["new"] = data["turns"][0]["new"] = 1
    assert from_json(json.dumps(data), "visit.json") == visit


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON"),
        ('{"schema": "voicemed-transcript/1"', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "the whole is not an object"),
        ("{}", "the whole lacks 'schema'"),
        ('{"schema": "voicemed-transcript/2"}', "its format is 'voicemed-transcript/2'"),
        ('{"schema": "voicemed-transcript/1"}', "the whole lacks 'turns'"),
    ],
)
def test_what_is_no_transcript_is_refused_in_one_line(text: str, problem: str) -> None:
    with pytest.raises(TranscriptError, match=re.escape(f"visit.json: {problem}")) as caught:
        from_json(text, "visit.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (["turns", 1, "words", 0, "start"], "0", "turns[1].words[0].start is not a number"),
        (["turns", 1, "words", 0, "start"], float("nan"), "turns[1].words[0].start is not a"),
        (["turns", 1, "words", 0, "start"], 10**400, "turns[1].words[0].start is not a number"),
        (["turns", 0, "id"], True, "turns[0].id is not a whole number"),
        (["turns", 0, "to_assistant"], 0, "turns[0].to_assistant is not true or false"),
        (["turns"], {}, "turns is not a list"),
        (["created_at"], "yesterday", "created_at is not a date with time"),
        (["findings", 0, "status"], "gone", "findings[0].status is none of present, absent"),
        (["findings", 0, "evidence", 0, "turn"], 9, "findings[0].evidence[0] points at words"),
        (["findings", 0, "evidence", 0, "last"], 99, "findings[0].evidence[0] points at words"),
        (["findings", 0, "evidence", 0, "first"], -1, "findings[0].evidence[0] points at words"),
        (["findings", 0, "attributes"], {"onset": 1}, "findings[0].attributes.onset is not a text"),
    ],
)
def test_a_damaged_value_is_named(
    visit: Transcript, place: list[str | int], value: object, problem: str
) -> None:
    data = json.loads(to_json(visit))
    *parents, last = place
    inner = data
    for key in parents:
        inner = inner[key]
    inner[last] = value
    with pytest.raises(TranscriptError, match=re.escape(f"visit.json: {problem}")):
        from_json(json.dumps(data), "visit.json")


@given(st.data())
def test_damage_is_found_and_never_quoted(data: st.DataObject) -> None:
    turn = Turn(1, "patient", tuple(said("SECRETS hurt.")))
    finding = Finding(Concept("s", "c", "fever"), Assertion(Status.PRESENT), (Span(1, 0, 1),))
    whole = json.loads(to_json(transcript([turn], (finding,))))
    inner = whole
    while True:
        key = data.draw(
            st.sampled_from(list(inner) if isinstance(inner, dict) else [*range(len(inner))])
        )
        if isinstance(inner[key], dict | list) and inner[key] and data.draw(st.booleans()):
            inner = inner[key]
            continue
        inner[key] = data.draw(st.sampled_from([None, "SECRET", -7, 0.5, [], {}, [None], True]))
        break
    message = "visit.json: "
    try:
        from_json(json.dumps(whole), "visit.json")  # raises nothing else
    except TranscriptError as error:
        message = str(error)
    assert message.startswith("visit.json: ")
    assert "SECRETS" not in message


# --- files ---------------------------------------------------------------------------------------


def test_there_is_a_writer_for_each_documented_format(visit: Transcript) -> None:
    rows = re.findall(r"^\| `visit(\.\S+)` \| `(\w+)` \|", FORMAT.read_text("utf-8"), re.M)
    assert {name: suffix for suffix, name in rows} == {
        name: suffix for name, (suffix, _) in WRITERS.items()
    }
    assert all(write(visit).endswith("\n") for _, write in WRITERS.values())


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_said_is_no_error(name: str) -> None:
    text = WRITERS[name][1](transcript([], dropped={}))
    if name in {"txt", "srt", "findings"}:
        assert text == ""
    if name == "vtt":
        assert text.rstrip("\n") == "WEBVTT"


def test_a_text_replaces_the_old_one_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "visit.txt"
    save_text(path, "eins\n")
    save_text(path, "zwei ü 好\n")
    assert path.read_bytes() == "zwei ü 好\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "note.md"
    save_text(path, "old\n")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=r"note\.md: cannot be written: No space left on device"):
        save_text(path, "new\n")
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_the_text_is_synced_before_it_replaces_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "note.md"
    save_text(path, "old\n")
    seen = []
    fsync = os.fsync

    def watch(descriptor: int) -> None:
        seen.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.read_text()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    save_text(path, "new\n")
    assert seen == [(False, "old\n"), (True, "new\n")]


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder or a device: choose another name"):
        save_text(tmp_path, "text")
    with pytest.raises(OutputError, match="/dev/null: is a folder or a device"):
        save_text(Path("/dev/null"), "text")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_text(tmp_path / "file" / "note.md", "text")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "real.md", tmp_path / "link.md"
    target.write_text("old")
    link.symlink_to(target)
    save_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_file_name_that_is_not_utf_8_can_be_written_about(tmp_path: Path) -> None:
    source = os.fsdecode(b"caf\xe9.wav")
    for suffix, write in WRITERS.values():
        save_text(tmp_path / f"visit{suffix}", write(transcript([], source=source)))
    assert "# caf?.wav" in (tmp_path / "visit.md").read_text("utf-8")
