"""The record of a live encounter: what the loop hands to the store while it is captured.

Sound comes from the speech thread, all else from main. A disk that fails ends the recording, never
the consultation: the loop reads `failure` and `warning` here and tells the doctor.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from voicemed.audio import SAMPLE_RATE, Samples, Seconds
from voicemed.encounter import Consent
from voicemed.errors import StoreError
from voicemed.findings import Finding
from voicemed.transcript import Turn


class Recorder(Protocol):
    """One encounter being written (voicemed.store.Recorder); raises StoreError or OSError."""

    @property
    def id(self) -> str:
        """Of the encounter."""
        ...

    def audio(self, samples: Samples) -> None:
        """Sound, 16 kHz; on disk at the latest when half a second more has come, or at `sync`."""
        ...

    def sync(self) -> None:
        """All sound so far is on disk when it returns."""
        ...

    def turn(self, turn: Turn, language: str = "") -> None:
        """A turn; on disk when it returns, as with all that follow."""
        ...

    def findings(self, findings: Sequence[Finding]) -> None:
        """All findings as they stand."""
        ...

    def note(self, markdown: str) -> None:
        """All of the note as it stands."""
        ...

    def consent(self, consent: Consent) -> None:
        """That the patient agreed, or did not."""
        ...

    def event(self, action: str, details: str = "") -> None:
        """A line for the audit log; nothing that was said."""
        ...

    def finish(self, *, model: str = "", dropped: Mapping[str, int] = ...) -> None:
        """The encounter is complete."""
        ...

    def free_space(self) -> int:
        """Bytes left on the disk of the store."""
        ...


_MEGABYTE = 1_000_000
_MINUTE_OF_SOUND = 60 * SAMPLE_RATE * 2
"Bytes."
_LOOK: Seconds = 10.0
"Of sound between two looks at the free space."
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Recording:
    """Hands everything to a recorder, as long as that works; without one, to nobody."""

    def __init__(self, begin: Callable[[], Recorder] | None, *, warn_free: int) -> None:
        """`begin` makes the recorder; warn_free: megabytes of free space below which to warn."""
        self._begin = begin
        self._recorder: Recorder | None = None
        self._warn_below = self._warn_free = warn_free * _MEGABYTE
        self._sound = self._text = False  # whether they can still be written
        self._unchecked = 0  # samples since the last look at the free space
        self._findings: tuple[Finding, ...] = ()
        self._failing = threading.Lock()
        self.failure = ""
        'Why recording has stopped, such as "the disk is full"; empty while it works.'
        self.warning = ""
        "That the disk is nearly full; empty if it is not."

    @property
    def id(self) -> str:
        """Of the encounter; empty where none is recorded."""
        return self._recorder.id if self._recorder else ""

    @property
    def storing(self) -> bool:
        """Sound that is captured now is stored."""
        return self._sound

    def begin(self) -> None:
        """Open the record, if there is to be one; raises StoreError where that is impossible."""
        if self._begin is None:
            return
        try:
            self._recorder = self._begin()
            self._look_at_disk(self._recorder)
        except OSError as error:
            raise StoreError(f"the record cannot be begun: {error.strerror}") from error
        self._sound = self._text = True

    def audio(self, samples: Samples) -> None:
        """Captured sound, in the speech thread, before anything is done with it."""
        if self._recorder is None or not self._sound:
            return
        try:
            self._recorder.audio(samples)
            self._unchecked += len(samples)
            if self._unchecked >= _LOOK * SAMPLE_RATE:
                self._look_at_disk(self._recorder)
        except Exception as error:
            self._sound = False
            self._fail(error)

    def sync(self) -> None:
        """The sound so far is on disk; before it is recognised."""
        if self._recorder is None or not self._sound:
            return
        try:
            self._recorder.sync()
        except Exception as error:
            self._sound = False
            self._fail(error)

    def turn(self, turn: Turn, language: str) -> None:
        """A final turn, in main as all that follows; it is on disk on return, if that works."""
        self._write(lambda recorder: recorder.turn(turn, language))

    def findings(self, findings: Sequence[Finding]) -> None:
        """The findings as they stand, written if they have changed."""
        if tuple(findings) != self._findings:
            self._findings = tuple(findings)
            self._write(lambda recorder: recorder.findings(self._findings))

    def note(self, markdown: str) -> None:
        """The note as it stands."""
        self._write(lambda recorder: recorder.note(markdown))

    def consent(self, consent: Consent) -> bool:
        """What the patient said to being recorded; whether it is on disk."""
        return self._write(lambda recorder: recorder.consent(consent))

    def stop(self) -> None:
        """Store no more sound; text still is."""
        self._sound = False

    def finish(self, *, model: str, dropped: Mapping[str, int]) -> None:
        """The end of the record, also where something failed before; never raises."""
        self._write(lambda recorder: recorder.finish(model=model, dropped=dropped))
        self._sound = self._text = False

    def _write(self, write: Callable[[Recorder], None]) -> bool:
        """Text is still tried where sound has failed: there may be room for so much."""
        if self._recorder is None or not self._text:
            return False
        try:
            write(self._recorder)
        except Exception as error:
            self._text = self._sound = False
            self._fail(error)
            return False
        return True

    def _fail(self, error: Exception) -> None:
        """Whatever went wrong: a consultation cannot be had again, so it goes on."""
        with self._failing:
            self.failure = self.failure or _reason(error)

    def _look_at_disk(self, recorder: Recorder) -> None:
        """Warn when space runs short, and again each time it has halved."""
        self._unchecked = 0
        free = recorder.free_space()
        if free >= self._warn_free:
            self._warn_below, self.warning = self._warn_free, ""
        elif free < self._warn_below:
            self._warn_below = free // 2
            minutes = free // _MINUTE_OF_SOUND
            self.warning = (
                f"the disk of the record is nearly full ({free // _MEGABYTE} MB, {minutes} minutes "
                "of sound): make room on it"
            )


def _reason(error: BaseException) -> str:
    """Why recording has stopped, to be said aloud; nothing of the error's own text but its kind."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return "the disk is full" if cause.errno in _FULL else "the disk cannot be written"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, StoreError):
        return "the record cannot be written"
    return f"an unexpected {type(error).__name__}"
