"""The streaming loop: the only module that starts threads.

    source -> [speech] -> utterances -> [recognition] -> turns, findings -> main
                  |                                      main -> replies -> [playback]
                  +-> sound, before all else -> record <- turns, findings <- main

speech: voice detection and endpointing. recognition: partial hypotheses while somebody speaks, the
final text, symptoms. playback: the assistant's voice. Main owns the Encounter and the status; the
threads tell it what happened through one queue, and it alone changes them, so nothing is locked.

The record, if there is one, gets each captured sound before anything is done with it, and each turn
before it is shown. Where the record is too slow the microphone's queue holds the sound.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import accumulate, islice
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from voicemed import dialog
from voicemed.asr import Agreement, Recognizer, create_recognizer
from voicemed.audio import SAMPLE_RATE, SILENCE_DBFS, AudioChunk, Framer, Seconds, level_dbfs
from voicemed.config import Settings, clinician_of
from voicemed.encounter import Consent, Encounter
from voicemed.endpointing import Discarded, Ended, Endpointer, EndpointEvent, Paused, Utterance
from voicemed.errors import AudioError, EngineError, ModelError, StoreError
from voicemed.extraction import create_extractor
from voicemed.findings import Extractor, Finding
from voicemed.microphone import (
    DeviceLost,
    DeviceRestored,
    FileSource,
    HearingAgain,
    Microphone,
    NothingHeard,
    Source,
    SourceEvent,
)
from voicemed.playback import LateSpeaker, Sink, create_sink
from voicemed.recording import Recorder, Recording
from voicemed.transcript import Segment, Turn, Word, split_turns
from voicemed.tts import Synthesizer, create_synthesizer
from voicemed.vad import Vad, create_vad


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """What the screen shows besides the encounter; replaced, never changed."""

    input_name: str = ""
    model: str = ""
    device: str = ""
    "cpu or cuda."
    elapsed: Seconds = 0.0
    level: float = SILENCE_DBFS
    "Of the input, dBFS (RMS of the last 100 ms); -100 is digital silence."
    listening: bool = False
    "Sound is captured."
    recording: bool = False
    "Sound is captured and stored."
    speaking: bool = False
    "The assistant is talking."
    addressed: bool = False
    "The next utterance is for the assistant."
    committed: str = ""
    "Words of the growing utterance that will not change any more."
    tentative: str = ""
    "Words of the growing utterance that may still change."
    latency: Seconds | None = None
    "From the last speech sample to the final text, of the last turn."
    overflows: int = 0
    "Chunks that the microphone lost because the machine was too slow."
    backlog: Seconds = 0.0
    "Sound captured but not yet recognised."
    warning: str = ""
    "Such as a lost microphone; empty when all is well."
    alarm: str = ""
    "That recording has stopped or soon must; it stays until it is over."
    reply: str = ""
    "What the assistant said last."
    lockable: bool = False
    "There is a passphrase to unlock the screen with."
    locked: bool = False
    "Nothing of the encounter is to be shown or said until the passphrase is given."
    lock_note: str = ""
    "What came of the passphrase, such as that it was wrong."


@dataclass(frozen=True, slots=True)
class TurnAdded:
    """A turn is final; findings are up to date with it."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class Replied:
    """The assistant has an answer and begins to say it."""

    text: str


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """Something in the status changed (level, partial words, warning, ...)."""


Event = TurnAdded | Replied | StatusChanged


@dataclass(frozen=True, slots=True)
class _Heard:
    """From recognition: a turn, and the findings if it may have changed them."""

    turn: Turn
    findings: tuple[Finding, ...] | None
    language: str
    request: str | None
    "What the assistant is asked."
    speech_end: float | None
    "Wall clock of its last speech sample; None where nobody waits for the text."


@dataclass(frozen=True, slots=True)
class _Told:
    """From any thread: fields of the status that changed."""

    changes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Dropped:
    reason: str


@dataclass(frozen=True, slots=True)
class _Tried:
    """From the thread that checks a passphrase: why it is not the right one, or nothing."""

    problem: str


@dataclass(frozen=True, slots=True)
class _Ended:
    """From a thread: its last message."""

    stage: str
    error: Exception | None


_Message = _Heard | _Told | _Dropped | _Tried | _Ended

_TICK: Seconds = 0.1
"The screen is looked after at least that often."
_PARTIAL_STEP: Seconds = 0.25
"New sound that makes another partial hypothesis worth while."
_FIRST_PARTIAL: Seconds = 0.3
"Speech before the first partial hypothesis."
_ADDRESSED: Seconds = 10.0
"After the wake word alone, or the space key, for so long the next utterance is a request."
_REVERBERATION: Seconds = 0.3
"The microphone stays deaf for so long after the assistant's last word."
_PATIENCE = 64
"""Utterances of a microphone that may wait to be recognised; then its own queue fills, or, where
the sound is stored anyway, they are left out of the transcript."""
_AHEAD = 4
"The same of a recording that is read as fast as it can be: more would only fill memory."
_QUEUED = 1024
"Messages to main that may wait; those that only make the screen livelier take half of that."
_CONTEXT_WORDS = 40
"Of what was said before, given to the recogniser: an utterance alone is short of context."


class LiveLoop:
    """Source -> speech -> words -> findings -> replies. One run for each encounter."""

    def __init__(
        self,
        source: Source,
        sink: Sink,
        *,
        vad: Callable[[], Vad],
        recognizer: Callable[[], Recognizer],
        extractor: Callable[[], Extractor] | None,
        synthesizer: Callable[[], Synthesizer] | None,
        settings: Settings,
        interactive: bool = True,
        recorder: Callable[[], Recorder] | None = None,
        unlock: Callable[[str], None] | None = None,
    ) -> None:
        """Put the stages together; what loads weights is made in its thread, while sound comes in.

        extractor: None for dictation, where each utterance is one turn and nobody is addressed.
        synthesizer: None for an assistant without a voice; dictation has one only to say that
            recording has stopped, and makes it when that comes.
        interactive: give partial hypotheses and work ahead in pauses; without, only throughput
            counts.
        recorder: begins the record when the loop runs; None keeps nothing.
        unlock: checks a passphrase, and raises StoreError for a wrong one; None never locks.
        """
        self.encounter = Encounter()
        self.status = LiveStatus(input_name=source.name, lockable=unlock is not None)
        self._source = source
        self._sink = sink
        self._make_vad = vad
        self._make_recognizer = recognizer
        self._make_extractor = extractor
        self._make_synthesizer = synthesizer
        self._settings = settings
        self._interactive = interactive
        self._recording = Recording(recorder, warn_free=settings.store.warn_free)
        self._unlock = unlock

        self._messages: queue.Queue[_Message] = queue.Queue(maxsize=_QUEUED)
        self._work = _Work(_PATIENCE if source.paced else _AHEAD)
        self._replies: queue.Queue[str | None] = queue.Queue(maxsize=16)
        self._addressed_at: Seconds | None = None  # written by main and recognition, atomically
        self._turns_heard = 0
        self._now: Seconds = 0.0  # captured sound; written by speech only
        self._captured_at = 0.0  # wall clock of that
        self._deaf_until = 0.0  # wall clock; the assistant can be heard until then
        self._closing = threading.Event()
        self._aborting = threading.Event()
        self._alarmed = False
        self._checking = False  # a passphrase
        self._active_at = time.monotonic()  # last key or speech
        self._writing = self._interrupted = False  # a Ctrl-C waits for what is being written

    # what main calls

    def run(self, observe: Callable[[Event], None]) -> None:
        """Work until the source has ended and all of it is recognised.

        `observe` is called in this thread for each event, and at least every 0.1 s with
        StatusChanged. The first Ctrl-C closes the source and drains to the last word; a second one
        aborts with KeyboardInterrupt. An exception of a stage is raised here, after what was
        captured before it has been recognised as far as it can be. However it ends, the record is
        completed. Raises StoreError where the record cannot be begun.
        """
        stages = {
            "speech": self._hear,
            "recognition": self._recognize,
            "playback": self._speak,
        }
        threads = [
            threading.Thread(target=self._stage, args=(name, work), name=name, daemon=True)
            for name, work in stages.items()
        ]
        with self._interrupts():
            try:
                self._recording.begin()
                for thread in threads:
                    thread.start()
                error = self._follow(observe, len(threads))
            finally:
                self._end([thread for thread in threads if thread.ident is not None])
        if error is not None:
            raise error

    @property
    def record_id(self) -> str:
        """Of the encounter in the store; empty where nothing is kept."""
        return self._recording.id

    @property
    def record_failure(self) -> str:
        """Why recording has stopped before the end; empty if it has not."""
        return self._recording.failure

    def write_note(self, markdown: str) -> None:
        """Keep the dictated note, as it stands, in the record."""
        with self._whole():
            self._recording.note(markdown)

    def address(self) -> None:
        """Take the next utterance as addressed to the assistant (the space key)."""
        self._addressed_at = self._now
        self.status = replace(self.status, addressed=True)

    def stop_speaking(self) -> None:
        """Silence the assistant at once, and drop what it had still to say."""
        while True:
            try:
                self._replies.get_nowait()
            except queue.Empty:
                break
        self._sink.stop()

    def touch(self) -> None:
        """Somebody is at the keyboard."""
        self._active_at = time.monotonic()

    def lock(self) -> None:
        """Hide the encounter and keep it from being read aloud; recording goes on."""
        if self.status.lockable and not self.status.locked:
            self.stop_speaking()
            self.status = replace(self.status, locked=True, lock_note="")

    def unlock(self, passphrase: str) -> None:
        """Check a passphrase, which takes a while; the status tells what came of it."""
        if not self.status.locked or self._checking:
            return
        self._checking = True
        self.status = replace(self.status, lock_note="checking")
        threading.Thread(target=self._try, args=(passphrase,), name="unlock", daemon=True).start()

    def close(self) -> None:
        """End the source; `run` returns when all that was captured is recognised."""
        self._closing.set()
        self._source.close()
        if self._sink.audible:
            self.stop_speaking()

    # main

    def _follow(self, observe: Callable[[Event], None], stages: int) -> Exception | None:
        """Apply the threads' messages until all of them have ended; the first error."""
        error: Exception | None = None
        while stages:
            for event in self._look_after():
                observe(event)
            try:
                message = self._messages.get(timeout=_TICK)
            except queue.Empty:
                observe(StatusChanged())
                continue
            if isinstance(message, _Ended):
                stages -= 1
                error = error or message.error
                if message.stage == "recognition":
                    self._replies.put(None)
                if message.error is not None:
                    self._source.close()
            for event in self._apply(message):
                observe(event)
        return error

    def _apply(self, message: _Message) -> Iterator[Event]:
        match message:
            case _Heard():
                yield from self._add(message)
            case _Told(changes):
                self.status = replace(self.status, **changes)
                yield StatusChanged()
            case _Dropped(reason):
                self.encounter.dropped[reason] += 1
                yield StatusChanged()
            case _Tried(problem):
                self._checking = False
                self.touch()
                self.status = replace(self.status, locked=bool(problem), lock_note=problem)
                yield StatusChanged()
            case _Ended(stage, _):
                if stage == "speech":
                    self.status = replace(
                        self.status, listening=False, recording=False, level=SILENCE_DBFS
                    )
                yield StatusChanged()

    def _look_after(self) -> Iterator[Event]:
        """What no message tells: how the record is, and whether anybody is there."""
        failed, warned = self._recording.failure, self._recording.warning
        if failed and not self._alarmed:
            self._alarmed = True
            self.status = replace(
                self.status,
                recording=False,
                alarm=f"RECORDING HAS STOPPED: {failed}; what was said before is kept",
            )
            self.stop_speaking()
            self._replies.put(said := f"I have stopped recording: {failed}.")
            yield Replied(said)
        elif not failed and warned != self.status.alarm:
            self.status = replace(self.status, alarm=warned)
            yield StatusChanged()
        after = self._settings.store.lock_after
        if after and not self.status.speaking and time.monotonic() - self._active_at >= after:
            self.lock()

    def _add(self, heard: _Heard) -> Iterator[Event]:
        """Write down a turn; answer if the assistant was asked."""
        self._keep(heard)
        self.touch()
        self.status = replace(
            self.status,
            latency=time.monotonic() - heard.speech_end
            if heard.speech_end is not None
            else self.status.latency,
            backlog=max(0.0, self._now - heard.turn.end),
            addressed=self._addressed_at is not None,
            committed="",
            tentative="",
        )
        yield TurnAdded(heard.turn)
        if heard.request:
            yield from self._answer(heard.request, heard.turn)

    def _keep(self, heard: _Heard) -> None:
        """A turn and what was found goes to the encounter, and to the record before it is shown."""
        self.encounter.turns.append(heard.turn)
        self.encounter.language = heard.language or self.encounter.language
        if heard.findings is not None:
            self.encounter.findings[:] = heard.findings
        with self._whole():
            self._recording.turn(heard.turn, heard.language)
            self._recording.findings(self.encounter.findings)

    def _answer(self, request: str, turn: Turn) -> Iterator[Event]:
        reply = dialog.respond(request, self.encounter, self.status.reply)
        if reply.kind == "stop":
            self.stop_speaking()
            return
        if self._recording.id and (consent := dialog.consent_in(request)) is not None:
            text = self._consented(*consent, turn)
        elif self.status.locked:
            text = _LOCKED
        else:
            text = reply.text
            if reply.kind != "repeat":
                self.status = replace(self.status, reply=text)
        self._replies.put(text)
        yield Replied(text)

    def _consented(self, given: bool, by: str, turn: Turn) -> str:
        """Record what was said to the recording, with the place where; and what to answer.

        Where the patient does not agree (any more) the consultation is not listened to any longer.
        """
        said = Consent(
            given, datetime.now(UTC), by, clinician_of(self._settings.store), (turn.start, turn.end)
        )
        with self._whole():
            written = self._recording.consent(said)
        if given:
            noted = "I have noted" if written else "I could not write down"
            return f"{noted} that the {by} agrees to the recording."
        self._recording.stop()
        self.close()
        return f"I have stopped, as the {by} does not agree to the recording."

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """What main writes to the record is written whole: a second Ctrl-C waits for that."""
        self._writing = True
        try:
            yield
        finally:
            self._writing = False
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt

    @contextmanager
    def _interrupts(self) -> Iterator[None]:
        """Ctrl-C (and SIGTERM) as a request to end, so that it cannot strike between two steps."""

        def interrupt(_number: int, _frame: FrameType | None) -> None:
            if not self._closing.is_set():
                self.close()
            elif self._writing:
                self._interrupted = True
            else:
                raise KeyboardInterrupt

        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may handle signals; elsewhere the caller has `close`
            return
        before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, threads: list[threading.Thread]) -> None:
        """End the threads, and complete the record with what they had already found."""
        try:
            self._abort()
            for thread in threads:
                thread.join(timeout=10)
        finally:
            try:
                while not self._messages.empty():
                    message = self._messages.get_nowait()
                    if isinstance(message, _Heard):
                        self._keep(message)
            finally:
                with self._whole():
                    self._recording.finish(model=self.status.model, dropped=self.encounter.dropped)
                    self._sink.close()

    def _abort(self) -> None:
        """Make every thread end soon, whatever it was doing."""
        self._aborting.set()
        self._source.close()
        self._work.close()
        self._sink.stop()
        while True:  # a full queue would keep a thread in `put`
            try:
                self._replies.put_nowait(None)
            except queue.Full:
                self._replies.get_nowait()
            else:
                return

    # what the threads share

    def _stage(self, name: str, work: Callable[[], None]) -> None:
        """A thread's life: an exception is handed to main, and what comes after it is closed."""
        error: Exception | None = None
        try:
            work()
        except Exception as raised:
            error = raised
        if name != "playback":  # nothing more to recognise, or nobody who does
            self._work.close()
        self._tell(_Ended(name, error))

    def _tell(self, message: _Message) -> None:
        while True:
            try:
                self._messages.put(message, timeout=_TICK)
            except queue.Full:
                if self._aborting.is_set():
                    return
            else:
                return

    def _hint(self, message: _Message) -> None:
        """Tell main what the screen can do without, where main is slow: capture must not wait."""
        if self._messages.qsize() < _QUEUED // 2:
            self._tell(message)

    def _try(self, passphrase: str) -> None:
        """A thread of its own: is the passphrase the right one?"""
        assert self._unlock is not None
        problem = ""
        try:
            self._unlock(passphrase)
        except StoreError as error:
            problem = str(error)
        except Exception as error:  # stay locked, whatever it is
            problem = f"the passphrase cannot be checked: unexpected {type(error).__name__}"
        self._tell(_Tried(problem))

    # speech

    def _hear(self) -> None:
        endpointer: Endpointer | None = None
        try:
            vad = self._make_vad()
            probability = vad.stream()
            framer = Framer(vad.window)
            endpointer = Endpointer(self._settings.endpointing, vad.window)
            meter = _Meter(self._hint)
            for event in self._source.events():
                if not isinstance(event, AudioChunk):
                    self._notice(event, endpointer)
                    continue
                self._captured_at = time.monotonic()
                self._recording.audio(event.samples)
                self._now = event.start + len(event.samples) / event.sample_rate
                meter.show(event, self._source.overflows, self._recording.storing)
                samples = np.zeros_like(event.samples) if self._is_deaf() else event.samples
                for frame in framer.frames(samples):
                    self._endpoint(endpointer.push(frame.samples, probability(frame.samples)))
                    if self._interactive and self._work.wants_partial(self._now):
                        self._work.offer(endpointer.pending(), self._now)
            for frame in framer.rest():
                self._endpoint(endpointer.push(frame.samples, 0.0))
        finally:
            # Also after an exception: what was captured before it is recognised.
            if endpointer is not None and not self._aborting.is_set():
                self._endpoint(endpointer.flush())

    def _is_deaf(self) -> bool:
        """Half-duplex: the assistant must not hear itself."""
        return self._sink.audible and self._source.paced and time.monotonic() < self._deaf_until

    def _notice(self, event: SourceEvent, endpointer: Endpointer) -> None:
        match event:
            case DeviceLost(_, reason):
                self._endpoint(endpointer.flush())
                warning = f"the microphone is gone ({reason}); waiting for it to come back"
                quiet = {"listening": False, "recording": False, "level": SILENCE_DBFS}
                self._tell(_Told({"warning": warning, **quiet}))
            case NothingHeard():
                self._tell(_Told({"warning": "I can't hear anything: is the microphone muted?"}))
            case DeviceRestored(_, name):
                self._tell(_Told({"warning": "", "input_name": name}))
            case HearingAgain():
                self._tell(_Told({"warning": ""}))

    def _endpoint(self, events: list[EndpointEvent]) -> None:
        for event in events:
            match event:
                case Paused(utterance) if self._interactive:
                    self._work.add(_Item(utterance, final=False))
                case Ended(utterance, cut):
                    self._recording.sync()
                    waited_for = self._interactive and not cut
                    speech_end = self._wall(utterance) if waited_for else None
                    item = _Item(utterance, final=True, speech_end=speech_end)
                    # Capture must go on, and what is stored can be transcribed later.
                    wait = not (self._source.paced and self._recording.storing)
                    if not self._work.add(item, wait=wait):
                        self._tell(_Dropped("not recognised in time; its sound is kept"))
                case Discarded():
                    self._tell(_Dropped("noise too short for speech"))
                case _:
                    pass

    def _wall(self, utterance: Utterance) -> float:
        """The wall clock when the last speech sample was captured."""
        tail = min(Endpointer.TAIL, self._settings.endpointing.pause)
        return self._captured_at - (self._now - (utterance.end - tail))

    # recognition

    def _recognize(self) -> None:
        recognizer = self._make_recognizer()
        self._tell(_Told({"model": recognizer.name, "device": recognizer.device}))
        scribe = _Scribe(recognizer, self._settings)
        extractor = self._make_extractor() if self._make_extractor else None
        while item := self._work.take():
            if self._aborting.is_set():
                return
            if item.final:
                self._finish(item, scribe.final(item), extractor)
            else:
                partial = scribe.speculate(item) if item.paused else scribe.grow(item)
                self._tell(_Told({"committed": partial[0], "tentative": partial[1]}))

    def _finish(self, item: _Item, segments: list[Segment], extractor: Extractor | None) -> None:
        """Turns and findings of a final utterance, told to main."""
        words: list[Word] = []
        language = ""
        for segment in segments:
            language = segment.language
            if segment.rejected:
                self._tell(_Dropped(segment.rejected))
            else:
                words += segment.words
        if not words:
            self._tell(_Told({"committed": "", "tentative": ""}))
            return
        for turn, request in self._turns(words, item.utterance, extractor is not None):
            findings: tuple[Finding, ...] | None = None
            try:
                if extractor is not None and not turn.to_assistant:
                    findings = extractor.update(turn)
            finally:  # whatever the extractor does, the words are kept
                self._tell(_Heard(turn, findings, language, request, item.speech_end))

    def _turns(
        self, words: list[Word], utterance: Utterance, conversation: bool
    ) -> list[tuple[Turn, str | None]]:
        """The turns of an utterance, the one to the assistant with its request."""
        first_id = self._turns_heard + 1
        turns: list[tuple[Turn, str | None]]
        if not conversation:
            turns = [(Turn(first_id, "", tuple(words)), None)]
        else:
            start, request = self._request(words, utterance)
            spoken = split_turns(words[:start], first_id=first_id)
            turns = [(turn, None) for turn in spoken]
            if request is not None:
                asked = Turn(first_id + len(spoken), "doctor", tuple(words[start:]), True)
                turns.append((asked, request))
        self._turns_heard += len(turns)
        return turns

    def _request(self, words: list[Word], utterance: Utterance) -> tuple[int, str | None]:
        """From which word on the assistant is addressed, and what it is asked.

        The request is empty for the wake word alone, None if nobody addresses the assistant.
        """
        text = "".join(word.text for word in words)
        wake_word = self._settings.dialog.wake_word
        asked_at = self._addressed_at
        if asked_at is not None and utterance.end > asked_at:
            self._addressed_at = None  # it counts for one utterance
        request = dialog.request_of(text, wake_word)
        at = dialog.addressed_at(text, wake_word)
        if request is None or at is None:
            if asked_at is not None and utterance.end > asked_at >= utterance.start - _ADDRESSED:
                return 0, text.strip()
            return len(words), None
        if not request:
            self._addressed_at = utterance.end  # the next utterance is the request
        ends = list(accumulate(len(word.text) for word in words))
        return bisect_right(ends, at), request

    # playback

    def _speak(self) -> None:
        answers = self._make_extractor is not None
        synthesizer = self._make_synthesizer() if self._make_synthesizer and answers else None
        while (text := self._replies.get()) is not None:
            if self._make_synthesizer is None or self._aborting.is_set():
                continue
            self._deaf_until = float("inf")
            try:
                synthesizer = synthesizer or self._voice(self._make_synthesizer)
                self._sink.play(
                    synthesizer.synthesize(text),
                    started=lambda: self._tell(_Told({"speaking": True})),
                )
            except AudioError as error:
                # The consultation goes on without a voice: replies are on the screen.
                self._tell(_Told({"warning": str(error)}))
            finally:
                self._deaf_until = time.monotonic() + _REVERBERATION
                self._tell(_Told({"speaking": False}))

    @staticmethod
    def _voice(make: Callable[[], Synthesizer]) -> Synthesizer:
        """A voice for dictation, which works without one too."""
        try:
            return make()
        except (ModelError, EngineError) as error:
            raise AudioError(str(error)) from error


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOCKED = "I am locked. Please unlock the screen first."


def build(
    settings: Settings,
    *,
    input: str,  # noqa: A002 - the command line's own word
    output: str,
    pace: str,
    dictation: bool = False,
    recorder: Callable[[], Recorder] | None = None,
    unlock: Callable[[str], None] | None = None,
) -> LiveLoop:
    """The loop for the command line.

    input: "mic" or the path of a recording; output: "speaker", "none" or the path of a .wav file;
    pace: "realtime" or "fast", of a recording; dictation: only says that recording has stopped, and
    needs no speaker; recorder, unlock: those of LiveLoop.

    Raises DeviceError, AudioFileError or OutputError where input or output cannot be used. Weights
    load in the threads, so that the first words are captured meanwhile; their errors come from
    `run`.
    """
    speaker = settings.audio.output_device
    late = dictation and output == "speaker"
    sink: Sink = LateSpeaker(speaker) if late else create_sink(output, speaker)
    source: Source
    if input == "mic":
        source = Microphone(
            settings.audio.input_device, may_restart_portaudio=lambda: not sink.audible
        )
    else:
        source = FileSource(Path(input), pace="fast" if pace == "fast" else "realtime")
    visit = date.today() if input == "mic" else None  # nobody knows when a recording was made
    return LiveLoop(
        source,
        sink,
        vad=lambda: create_vad(settings.endpointing.vad),
        recognizer=lambda: create_recognizer(settings.recognition),
        extractor=None
        if dictation
        else lambda: create_extractor(
            settings.recognition.language, settings.extraction.heads, visit
        ),
        synthesizer=None if dictation and not late else lambda: create_synthesizer(settings.speech),
        settings=settings,
        interactive=input == "mic" or pace != "fast",
        recorder=recorder,
        unlock=unlock,
    )


@dataclass(frozen=True, slots=True)
class _Item:
    """Work for recognition."""

    utterance: Utterance
    final: bool
    speech_end: float | None = None
    "Wall clock of the last speech sample, of a final utterance; None if it was cut."
    paused: bool = True
    "Not final, but would be if the silence goes on; otherwise still growing."


class _Work:
    """What recognition has to do next: final utterances first, then pauses, then growing ones."""

    def __init__(self, capacity: int) -> None:
        """capacity: final utterances that wait at most."""
        self._capacity = capacity
        self._changed = threading.Condition()
        self._finals: deque[_Item] = deque()
        self._paused: _Item | None = None
        self._growing: _Item | None = None
        self._idle = False
        self._closed = False
        self._next_partial: Seconds = 0.0

    def add(self, item: _Item, *, wait: bool = True) -> bool:
        """A final utterance, or one that may be; waits while too many are waiting.

        Without waiting it is not added where too many are; returns whether it was.
        """
        with self._changed:
            self._growing = None
            if not item.final:
                self._paused = item
            else:
                self._paused = None
                while len(self._finals) >= self._capacity and not self._closed:
                    if not wait:
                        return False
                    self._changed.wait()
                self._finals.append(item)
            self._changed.notify_all()
            return True

    def wants_partial(self, now: Seconds) -> bool:
        """Recognition has nothing to do, and enough sound is new."""
        return self._idle and now >= self._next_partial

    def offer(self, utterance: Utterance | None, now: Seconds) -> None:
        """The growing utterance, if there is one."""
        if utterance is None or utterance.end - utterance.start < _FIRST_PARTIAL:
            return
        with self._changed:
            self._next_partial = now + _PARTIAL_STEP
            self._growing = _Item(utterance, final=False, paused=False)
            self._changed.notify_all()

    def take(self) -> _Item | None:
        """The next work, waiting for it; None at the end."""
        with self._changed:
            self._idle = not (self._finals or self._paused or self._growing)
            while not (self._finals or self._paused or self._growing or self._closed):
                self._changed.wait()
            self._idle = False
            if self._finals:
                item: _Item | None = self._finals.popleft()
            else:
                item = self._paused or self._growing
                self._paused = self._growing = None
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """No more work comes; `take` gives what is there and then nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class _Scribe:
    """The growing utterance's partial hypotheses, and final texts, prepared in pauses."""

    def __init__(self, recognizer: Recognizer, settings: Settings) -> None:
        self._recognizer = recognizer
        language = settings.recognition.language
        self._language = None if language == "auto" else language
        self._vocabulary = settings.recognition.vocabulary
        self._said: deque[str] = deque(maxlen=_CONTEXT_WORDS)
        self._agreement = Agreement()
        self._start: Seconds | None = None  # of the utterance that is growing
        self._ready: tuple[Utterance, list[Segment]] | None = None

    def grow(self, item: _Item) -> tuple[str, str]:
        """Committed and tentative words of an utterance that is still growing."""
        return self._partial(item.utterance, self._transcribe(item.utterance, draft=True))

    def speculate(self, item: _Item) -> tuple[str, str]:
        """The same in a pause; the text is kept, as it is the final one if the silence lasts."""
        segments = self._transcribe(item.utterance)
        self._ready = (item.utterance, segments)
        return self._partial(item.utterance, segments)

    def final(self, item: _Item) -> list[Segment]:
        """The segments of a final utterance; the committed words stay as they were shown."""
        if self._ready is not None and self._ready[0] is item.utterance:
            segments = self._ready[1]
        else:
            segments = self._transcribe(item.utterance)
        self._ready = None
        if self._start == item.utterance.start:
            segments = self._settle(item.utterance, segments)
        for segment in segments:
            if not segment.rejected:
                self._said.extend(segment.text.split())
        return segments

    def _settle(self, utterance: Utterance, segments: list[Segment]) -> list[Segment]:
        if not self._agreement.committed or any(segment.rejected for segment in segments):
            return segments
        words = [word for segment in segments for word in segment.words]
        settled = self._agreement.settled(words)
        if settled is None:
            return self._transcribe(utterance, prefix=self._agreement.committed)
        kept = iter(settled)
        return [replace(s, words=tuple(islice(kept, len(s.words)))) for s in segments]

    def _transcribe(
        self, utterance: Utterance, *, prefix: str = "", draft: bool = False
    ) -> list[Segment]:
        (segments,) = self._recognizer.transcribe(
            [utterance],
            language=self._language,
            prompt=f"{self._vocabulary} {' '.join(self._said)}".strip(),
            prefix=prefix,
            draft=draft,
        )
        return segments

    def _partial(self, utterance: Utterance, segments: list[Segment]) -> tuple[str, str]:
        if self._start != utterance.start:
            self._start = utterance.start
            self._agreement = Agreement()
        if not any(segment.rejected for segment in segments):
            words = [word for segment in segments for word in segment.words]
            self._agreement.update(words, utterance.end)
        return self._agreement.committed, self._agreement.tentative


class _Meter:
    """Tells main the input's level and the time, ten times a second of sound."""

    def __init__(self, tell: Callable[[_Message], None]) -> None:
        self._tell = tell
        self._recent: list[np.ndarray[Any, np.dtype[np.float32]]] = []
        self._length = 0

    def show(self, chunk: AudioChunk, overflows: int, recording: bool) -> None:
        self._recent.append(chunk.samples)
        self._length += len(chunk.samples)
        if self._length < SAMPLE_RATE // 10:
            return
        self._tell(
            _Told(
                {
                    "listening": True,
                    "recording": recording,
                    "level": level_dbfs(np.concatenate(self._recent)),
                    "elapsed": chunk.start + len(chunk.samples) / chunk.sample_rate,
                    "overflows": overflows,
                }
            )
        )
        self._recent.clear()
        self._length = 0
