"""Recordings to transcripts: packing, what is done already, what goes wrong, real samples."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLES
from fakes import FakeRecognizer, FakeRecorder, FakeVad, Voice, silence
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scores import f1, word_error_rate

from voicemed import batch
from voicemed.asr import GuardedRecognizer, Recognizer
from voicemed.audio import SAMPLE_RATE, Samples, WavWriter
from voicemed.batch import FORMATS, BatchProgress, BatchReport, transcribe_files
from voicemed.config import RecognitionSettings, Settings
from voicemed.endpointing import Utterance
from voicemed.errors import EngineError, StoreError
from voicemed.transcript import Word

# ---- Packing -------------------------------------------------------------------------------------

PAUSES_AND_LENGTHS = st.lists(st.tuples(st.floats(0, 5), st.integers(1, 1600)), max_size=30)


def utterances(pauses_and_lengths: Sequence[tuple[float, int]]) -> list[Utterance]:
    """Utterances of some hundredths of a second after pauses."""
    made: list[Utterance] = []
    end = 0.0
    for pause, length in pauses_and_lengths:
        start, end = end + pause, end + pause + length / 100
        made.append(Utterance(np.full(length * 160, len(made), np.float32), start, end))
    return made


@given(PAUSES_AND_LENGTHS)
def test_every_utterance_is_in_one_pack_in_order(given_: list[tuple[float, int]]) -> None:
    spoken = utterances(given_)
    packs = list(batch._packed(spoken, 16.0))
    assert [id(u) for pack in packs for u in pack.utterances] == [id(u) for u in spoken]
    lengths = [pack.joined().samples.size / SAMPLE_RATE for pack in packs]
    assert all(length <= 16.0 + 1e-6 for length in lengths)
    for (pack, following), length in zip(pairwise(packs), lengths, strict=False):
        first = following.utterances[0]
        assert length + first.samples.size / SAMPLE_RATE > 16.0 - 1e-6  # no pack is cut early
        assert pack.joined().end == pytest.approx(length)


@given(PAUSES_AND_LENGTHS.filter(bool), st.lists(st.floats(0.001, 0.999), min_size=1, max_size=9))
@example([(1.0, 1), (1.0, 1)], [0.5])  # exactly where one ends and the next begins
def test_words_get_their_place_in_the_recording(
    given_: list[tuple[float, int]], places: list[float]
) -> None:
    """A word somewhere in the sound of an utterance is put there, whatever lies before."""
    for pack in batch._packed(utterances(given_), 16.0):
        joined = pack.joined().samples
        words = [
            Word(" w", place * joined.size / SAMPLE_RATE, place * joined.size / SAMPLE_RATE, 1.0)
            for place in sorted(places)
        ]
        placed = list(pack.placed(words))
        for word, before in zip(placed, words, strict=True):
            number = joined[int(before.start * SAMPLE_RATE)]
            (home,) = [u for u in pack.utterances if u.samples[0] == number]
            into = int(before.start * SAMPLE_RATE) - int(np.argmax(joined == number))
            assert word.start == pytest.approx(home.start + into / SAMPLE_RATE, abs=1e-3)
        assert [w.start for w in placed] == sorted(w.start for w in placed)


@given(PAUSES_AND_LENGTHS, st.integers(1, 4), st.integers(1, 4))
def test_packs_are_batched_with_their_like_and_each_worker_gets_some(
    given_: list[tuple[float, int]], size: int, workers: int
) -> None:
    packs = list(batch._packed(utterances(given_), 4.0))
    batches = list(batch._batches(iter(packs), size, workers))
    assert sorted(id(pack) for one in batches for pack in one) == sorted(map(id, packs))
    assert all(1 <= len(one) <= size for one in batches)
    assert len(batches) >= min(workers, len(packs))
    first = [pack.duration for one in batches[:workers] for pack in one]
    assert first == sorted(first, reverse=True)
    if len(packs) >= size * workers:
        assert {len(one) for one in batches[:workers]} == {size}


def test_a_word_over_a_border_stays_within_one_utterance() -> None:
    (pack,) = batch._packed(utterances([(1.0, 100), (10.0, 100)]), 16.0)
    early, late = pack.placed([Word("a", 0.5, 1.2, 1.0), Word("b", 0.9, 1.5, 1.0)])
    assert (early.start, early.end) == (1.5, 2.0)
    assert (late.start, late.end) == (12.0, 12.5)


# ---- Files, with a fake recogniser ---------------------------------------------------------------


@pytest.fixture
def voice() -> Voice:
    return Voice()


@pytest.fixture
def recognizer(voice: Voice, monkeypatch: pytest.MonkeyPatch) -> FakeRecognizer:
    fake = FakeRecognizer(voice, language="de", noise=["rattle"])

    def create(settings: RecognitionSettings, *, workers: int) -> Recognizer:
        return fake

    monkeypatch.setattr(batch, "create_recognizer", create)
    monkeypatch.setattr(batch, "create_vad", lambda name: FakeVad())
    return fake


def record(path: Path, *channels: Samples) -> Path:
    """A recording at 16 kHz."""
    import av

    if len(channels) == 1:
        with WavWriter(path) as writer:
            writer.write(channels[0])
        return path
    size = max(samples.size for samples in channels)
    planes: NDArray[np.float32] = np.stack([np.pad(s, (0, size - s.size)) for s in channels])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="stereo")
        pcm = (planes.T * 32767).astype("<i2").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="stereo")
        frame.sample_rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def run(
    *paths: Path,
    output: Path | None = None,
    formats: Sequence[str] = ("txt",),
    settings: Settings | None = None,
    force: bool = False,
    told: list[BatchProgress] | None = None,
    recorder: Callable[[Path], FakeRecorder] | None = None,
) -> BatchReport:
    return transcribe_files(
        paths,
        output=output,
        formats=formats,
        settings=settings or Settings(),
        force=force,
        progress=(told if told is not None else []).append,
        recorder=recorder,
    )


SPEECH = "I have a headache since three days"


@pytest.fixture
def recording(voice: Voice, tmp_path: Path) -> Path:
    return record(tmp_path / "visit.wav", voice.say(SPEECH, pause=1.0))


def test_a_recording_becomes_text_beside_it(
    recording: Path, recognizer: FakeRecognizer, tmp_path: Path
) -> None:
    assert run(recording) == BatchReport([recording], [], [])
    assert (tmp_path / "visit.txt").read_text("utf-8") == f"{SPEECH}\n"
    (call,) = recognizer.calls
    assert (call.language, call.prompt, call.draft) == ("en", "", False)


def test_what_is_done_is_skipped_until_something_changes(
    recording: Path, recognizer: FakeRecognizer, voice: Voice, tmp_path: Path
) -> None:
    german = Settings(recognition=RecognitionSettings(language="de"))
    done, skipped = BatchReport([recording], [], []), BatchReport([], [recording], [])
    assert run(recording) == done
    assert run(recording) == skipped
    assert run(recording, settings=Settings(recognition=RecognitionSettings(threads=1))) == skipped
    assert run(recording, force=True) == done
    assert run(recording, formats=["txt", "srt"]) == done
    assert run(recording, formats=["srt"]) == skipped
    assert run(recording, settings=german) == done
    assert run(recording) == done  # that of German was in its place
    (tmp_path / "visit.txt").unlink()
    assert run(recording) == done
    record(recording, voice.say("something else", pause=1.0))
    assert run(recording) == done
    assert (tmp_path / "visit.txt").read_text("utf-8") == "something else\n"


@pytest.mark.parametrize(
    "ledger", ["", "[]", '{"visit": 1}', '{"visit": {"key": "KEY"}}', '{"visit": {"formats": 1}}']
)
def test_a_damaged_list_of_what_is_done_costs_nothing_but_time(
    ledger: str, recording: Path, recognizer: FakeRecognizer, tmp_path: Path
) -> None:
    key = batch._key(recording, Settings())
    (tmp_path / ".voicemed-done.json").write_text(ledger.replace("KEY", key), "utf-8")
    assert run(recording).done == [recording]
    assert run(recording).skipped == [recording]


def test_a_recording_is_kept_with_its_sound_when_it_is_transcribed(
    recording: Path, recognizer: FakeRecognizer, voice: Voice, tmp_path: Path
) -> None:
    kept: list[tuple[Path, FakeRecorder]] = []

    def begin(path: Path) -> FakeRecorder:
        kept.append((path, FakeRecorder()))
        return kept[-1][1]

    assert run(recording, recorder=begin) == BatchReport([recording], [], [])
    assert run(recording, recorder=begin).skipped == [recording]
    ((path, record_),) = kept
    assert path == recording
    expected = voice.say(SPEECH, pause=1.0)
    assert record_.samples == pytest.approx(expected, abs=1e-4)
    assert [turn.text for turn in record_.turns] == [SPEECH]
    assert [finding.concept.display for finding in record_.found[-1]] == ["headache"]
    assert record_.finished == ("fake recogniser", {})


def test_a_recording_that_is_kept_twice_is_told_of(
    recording: Path, recognizer: FakeRecognizer, voice: Voice
) -> None:
    ids = iter(["first", "second", "third"])

    def begin(path: Path) -> FakeRecorder:
        recorder = FakeRecorder()
        recorder.id = next(ids)
        return recorder

    assert run(recording, recorder=begin).kept_again == []
    assert run(recording, force=True).kept_again == []  # with --no-store
    again = run(recording, recorder=begin, force=True)
    assert again.kept_again == [(recording, "first", "second")]
    record(recording, voice.say("another visit", pause=1.0))
    assert run(recording, recorder=begin).kept_again == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreError("store: the disk is full"), "store: the disk is full"),
        (OSError(28, "No space left on device"), "not kept in the store: No space left on device"),
    ],
)
def test_where_the_store_fails_results_are_still_written(
    recording: Path, recognizer: FakeRecognizer, tmp_path: Path, error: Exception, reason: str
) -> None:
    def begin(path: Path) -> FakeRecorder:
        recorder = FakeRecorder()
        recorder.sound_error = error
        return recorder

    report = run(recording, recorder=begin)
    assert (report.done, report.failed) == ([recording], [])
    assert run(recording, recorder=begin).skipped == []  # it is tried again
    ((path, said),) = report.not_kept
    assert path == recording
    assert said.endswith(reason)
    assert (tmp_path / "visit.txt").read_text("utf-8") == f"{SPEECH}\n"


def test_recordings_of_the_same_name_keep_their_results_apart(
    recognizer: FakeRecognizer, voice: Voice, tmp_path: Path
) -> None:
    for folder in ("monday", "tuesday"):
        (tmp_path / folder).mkdir()
        record(tmp_path / folder / "visit.wav", voice.say(f"on {folder}", pause=1.0))
    record(tmp_path / "tuesday" / "call.wav", voice.say("a call", pause=1.0))
    (tmp_path / "tuesday" / "call.mp3").write_bytes(
        record(tmp_path / "other.wav", voice.say("another call", pause=1.0)).read_bytes()
    )
    output = tmp_path / "new" / "results"
    report = run(tmp_path / "monday", tmp_path / "tuesday", output=output)
    assert (len(report.done), report.failed) == (4, [])
    texts = {path.name: path.read_text("utf-8").strip() for path in output.glob("*.txt")}
    assert texts == {
        "monday-visit.wav.txt": "on monday",
        "tuesday-visit.wav.txt": "on tuesday",
        "call.wav.txt": "a call",
        "call.mp3.txt": "another call",
    }


def test_a_bad_recording_does_not_stop_the_others(
    recording: Path, recognizer: FakeRecognizer, voice: Voice, tmp_path: Path
) -> None:
    bad = tmp_path / "a.wav"
    bad.write_bytes(b"RIFF, but no sound")
    empty, missing = tmp_path / "empty", tmp_path / "missing.wav"
    (empty / "folder.wav").mkdir(parents=True)
    (empty / "notes.txt").write_text("no sound")
    report = run(bad, empty, missing, recording, recording)
    assert report.done == [recording]
    assert [path for path, _ in report.failed] == [empty, bad, missing]
    assert all(str(path) in reason and "\n" not in reason for path, reason in report.failed)
    assert not (tmp_path / "a.txt").exists()


def test_results_that_cannot_be_written_are_no_lost_hour(
    recording: Path, recognizer: FakeRecognizer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    report = run(recording, output=tmp_path / "file" / "results")
    assert [path for path, _ in report.failed] == [recording]
    assert recognizer.calls == []


def test_an_engine_that_fails_ends_it(recording: Path, recognizer: FakeRecognizer) -> None:
    recognizer.error = EngineError("out of memory")
    with pytest.raises(EngineError, match="out of memory"):
        run(recording)
    assert run(recording).done == [recording]


def test_progress_goes_up_to_the_end(
    recognizer: FakeRecognizer, voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_BATCH", 1)
    long = record(tmp_path / "long.wav", *[np.tile(voice.say("one two three", pause=0.5), 60)])
    short = record(tmp_path / "short.wav", voice.say("one", pause=1.0))
    told: list[BatchProgress] = []
    run(long, short, told=told)
    first = [p for p in told if p.file == long]
    assert len(first) > 4
    assert [p.position for p in first] == sorted(p.position for p in first)
    assert first[-1].position == pytest.approx(first[-1].duration, abs=1.0)
    assert {(p.file, p.index, p.count) for p in told} == {(long, 1, 2), (short, 2, 2)}
    assert all(p.speed > 0 and p.remaining is not None and p.remaining >= 0 for p in told)


def test_what_was_rejected_and_damaged_is_said(
    recognizer: FakeRecognizer, voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "PACK", 2.0)
    sound = [voice.say("rattle", pause=1.5), voice.say("it hurts here", pause=3.0), silence(5.0)]
    path = record(tmp_path / "cut.wav", np.concatenate(sound))
    path.write_bytes(path.read_bytes()[:-80_000])
    run(path, formats=["json", "txt"])
    written = json.loads((tmp_path / "cut.json").read_text("utf-8"))
    assert (tmp_path / "cut.txt").read_text("utf-8") == "it hurts here\n"
    assert written["dropped"] == {"repetition": 1}
    assert "cut short" in written["damage"]


def test_two_channels_are_two_speakers(
    recognizer: FakeRecognizer, voice: Voice, tmp_path: Path
) -> None:
    doctor = ["how can I help you?", "do you have a fever?", "I will examine you now."]
    patient = ["I've had a cough since monday", "no", "thank you, doctor"]
    lines: list[tuple[Samples, Samples]] = []
    for question, answer in zip(doctor, patient, strict=True):
        asked, answered = voice.say(question, pause=0.8), voice.say(answer, pause=0.8)
        lines += [
            (asked, silence(asked.size / 16_000)),
            (silence(answered.size / 16_000), answered),
        ]
    left, right = (np.concatenate(channel) for channel in zip(*lines, strict=True))
    path = record(tmp_path / "call.wav", left, right)
    run(path, formats=["json"])
    written = json.loads((tmp_path / "call.json").read_text("utf-8"))
    said = [
        (t["speaker"], "".join(w["text"] for w in t["words"]).strip()) for t in written["turns"]
    ]
    expected = [(who, line) for pair in zip(doctor, patient, strict=True)
                for who, line in zip(("doctor", "patient"), pair, strict=True)]  # fmt: skip
    assert said == expected
    assert written["duration"] == pytest.approx(left.size / SAMPLE_RATE, abs=0.01)


def test_the_language_is_that_of_the_beginning(
    recognizer: FakeRecognizer, voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_BATCH", 1)
    monkeypatch.setattr(batch, "PACK", 3.0)
    sound = [voice.say("rattle", pause=3.0)] + [voice.say("ich habe angst", pause=2.8)] * 4
    path = record(tmp_path / "visit.wav", np.concatenate(sound))
    run(path, settings=Settings(recognition=RecognitionSettings(language="auto")), formats=["json"])
    asked = [call.language for call in recognizer.calls]
    assert asked[0] is None
    assert asked[-1] == "de"
    assert asked == sorted(asked, key=lambda code: code is not None)
    assert json.loads((tmp_path / "visit.json").read_text("utf-8"))["language"] == "de"


def test_a_recording_without_speech(recognizer: FakeRecognizer, tmp_path: Path) -> None:
    path = record(tmp_path / "silent.wav", silence(3.0))
    assert run(path, formats=FORMATS).done == [path]
    assert (tmp_path / "silent.txt").read_text("utf-8") == ""
    assert recognizer.calls == []


# ---- Files, for real -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(whisper_base: GuardedRecognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of all formats for some samples."""
    output = tmp_path_factory.mktemp("results")
    names = ["consultation", "phone_call", "noise", "silence"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "create_recognizer", lambda settings, *, workers: whisper_base)
        report = run(*(SAMPLES / f"{n}.wav" for n in names), output=output, formats=FORMATS)
    assert len(report.done) == 4
    return output


@pytest.mark.models
@pytest.mark.parametrize("name", ["consultation", "phone_call"])
def test_samples_are_transcribed(name: str, results: Path) -> None:
    expected = (SAMPLES / f"{name}.txt").read_text("utf-8")
    assert word_error_rate(expected, (results / f"{name}.txt").read_text("utf-8")) < 0.1

    def findings(folder: Path) -> set[tuple[str, str, str]]:
        lines = (folder / f"{name}.findings.jsonl").read_text("utf-8").splitlines()
        rows = map(json.loads, lines)
        return {(row["symptom"], row["status"], row["experiencer"]) for row in rows}

    assert f1(findings(SAMPLES), findings(results)) >= 0.8


@pytest.mark.models
def test_channels_of_the_call_are_doctor_and_patient(results: Path) -> None:
    written = json.loads((results / "phone_call.json").read_text("utf-8"))
    assert {turn["speaker"] for turn in written["turns"]} == {"doctor", "patient"}


@pytest.mark.models
@pytest.mark.parametrize("name", ["noise", "silence"])
def test_nothing_is_written_about_noise_and_silence(name: str, results: Path) -> None:
    assert (results / f"{name}.txt").read_text("utf-8") == ""
    assert (results / f"{name}.findings.jsonl").read_text("utf-8") == ""


@pytest.mark.models
def test_every_format_is_written_and_can_be_read(results: Path) -> None:
    call = {path.name.removeprefix("phone_call"): path for path in results.glob("phone_call.*")}
    assert call.keys() == {".txt", ".json", ".srt", ".vtt", ".md", ".findings.jsonl"}
    text = {suffix: path.read_text("utf-8") for suffix, path in call.items()}
    written = json.loads(text[".json"])
    times = [(w["start"], w["end"]) for turn in written["turns"] for w in turn["words"]]
    assert all(0 <= start <= end <= written["duration"] for start, end in times)
    assert text[".srt"].startswith("1\n00:00:0")
    assert text[".vtt"].startswith("WEBVTT\n\n00:00:0")
    assert text[".srt"].count(" --> ") == text[".vtt"].count(" --> ") >= len(written["turns"])
    assert text[".md"].startswith("# phone\\_call.wav\n")
    assert "sore throat" in text[".md"]
