"""The note: the doctor's dictated words, with spoken commands carried out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from voicemed.audio import Seconds
from voicemed.transcript import Turn, Word, save_text

_PAUSE: Seconds = 0.2
"A gap between words that sets a command off from the text like punctuation."
_COMMANDS = {
    ("new", "line"): "\n",
    ("newline",): "\n",
    ("new", "paragraph"): "\n\n",
    ("scratch", "that"): "scratch",
}
_LONGEST = max(map(len, _COMMANDS))
_SENTENCE_END = re.compile(r"[.!?…。！？](?=\s|$)|\n")
_ABBREVIATION = re.compile(r"(?:\b(?:dr|mr|mrs|ms|st|vs|approx|no|e\.g|i\.e)|\b[a-z])\.$", re.I)
"An end with a full stop that ends no sentence."


class Dictation:
    """A note that grows with each utterance.

    "New line", "new paragraph" and "scratch that" are carried out where they stand apart, between
    pauses or punctuation; inside a sentence ("we placed a new line") they are words. "Scratch that"
    takes back the sentence before it, and said again the one before that.
    """

    def __init__(self) -> None:
        self.text = ""
        "Without white space at the end, except for a line that was begun."

    def feed(self, turn: Turn) -> None:
        """Add the words of an utterance."""
        for part in _parts(turn.words):
            if part == "scratch":
                self._scratch()
            elif part.isspace():
                self._break(part)
            else:
                self._add(part)

    def save(self, path: Path) -> None:
        """Write the note, atomically; it is on disk on return. Raises OutputError."""
        save_text(path, self.text.rstrip() + "\n" if self.text.strip() else "")

    def _add(self, part: str) -> None:
        text = part.strip()
        if not self.text or self.text.endswith("\n"):
            # What follows a command begins a line, and Whisper took it for the middle of one.
            text = text.lstrip(",;:. ")
            text = text[:1].upper() + text[1:]
            self.text += text
        elif part.startswith(" ") or not part[0].isascii():
            space = " " if part.startswith(" ") else ""
            self.text += space + text
        else:
            self.text += " " + text

    def _break(self, newlines: str) -> None:
        self.text = self.text.rstrip(" ,;")
        if self.text:
            self.text = self.text.rstrip("\n") + max(newlines, _trailing_newlines(self.text))

    def _scratch(self) -> None:
        """Take back the last sentence; a line that was begun stays begun."""
        kept = self.text.rstrip()
        ends = [
            m.end()
            for m in _SENTENCE_END.finditer(kept)
            if m.end() < len(kept) and not _ABBREVIATION.search(kept[: m.end()])
        ]
        self.text = kept[: ends[-1]] if ends else ""


def _trailing_newlines(text: str) -> str:
    return text[len(text.rstrip("\n")) :]


def _parts(words: Sequence[Word]) -> Iterator[str]:
    """Stretches of text, and between them commands: newlines, or "scratch"."""
    text = ""
    i = 0
    while i < len(words):
        length = _command_at(words, i)
        if length:
            if text.strip():
                yield text
            text = ""
            yield _COMMANDS[tuple(_plain(w.text) for w in words[i : i + length])]
            i += length
        else:
            text += words[i].text
            i += 1
    if text.strip():
        yield text


def _command_at(words: Sequence[Word], i: int) -> int:
    """How many words from there are a command that stands apart; 0 if none."""
    for length in range(min(_LONGEST, len(words) - i), 0, -1):
        spoken = tuple(_plain(w.text) for w in words[i : i + length])
        inside = words[i : i + length - 1]
        if (
            spoken in _COMMANDS
            and not any(_ends_clause(w) for w in inside)
            and (i == 0 or _apart(words[i - 1], words[i]))
            and (i + length == len(words) or _apart(words[i + length - 1], words[i + length]))
        ):
            return length
    return 0


def _apart(word: Word, following: Word) -> bool:
    return _ends_clause(word) or following.start - word.end >= _PAUSE


def _ends_clause(word: Word) -> bool:
    return word.text.rstrip()[-1:] in ".,;:!?…。，！？"


def _plain(word: str) -> str:
    return re.sub(r"\W", "", word).casefold()
