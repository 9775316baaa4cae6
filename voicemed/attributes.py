"""What is said about a symptom: since when, how bad, which side, what it is like."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from voicemed.lexicon import PhraseMatcher, Token

_TIMES = ("onset", "duration")


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute in the words of a sentence."""

    name: str
    "onset, duration, severity, side, character, frequency or trend."
    value: str
    "Nearly as said, in lower case: 'two days ago', '7 out of 10'."
    first: int
    "Index of its first token in the sentence."
    last: int
    "Index of its last token, included."

    def distance(self, first: int, last: int) -> int:
        """Tokens between it and those from first to last; 0 if they touch or overlap."""
        return max(self.first - last, first - self.last, 0)


class AttributeReader:
    """Finds attributes by the patterns of voicemed/data/attributes.toml."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        classes: Mapping[str, Sequence[str]] = data["classes"]

        def matcher(section: str) -> PhraseMatcher[str]:
            return PhraseMatcher(
                ((name, pattern) for name, said in data[section].items() for pattern in said),
                classes,
            )

        self._said, self._asked = matcher("said"), matcher("asked")

    def asked(self, tokens: Sequence[Token]) -> str:
        """The attribute after which a question asks ('how long': duration); else empty."""
        labels = [match.label for match in self._asked.find(tokens)]
        return "" if "elsewhere" in labels or not labels else labels[0]

    def read(self, tokens: Sequence[Token], asked: str = "") -> list[Attribute]:
        """Attributes in the words said, the longest of each name.

        A bare time ('three days', 'yesterday') counts only as the answer to a question after the
        onset or the duration, whose name is then given in `asked`.
        """
        found: dict[str, Attribute] = {}
        for match in self._said.find(tokens):
            name = match.label
            if name == "time":
                if asked not in _TIMES:
                    continue
                name = asked
            first, last = match.tokens[0], match.tokens[-1]
            value = " ".join(token.text for token in tokens[first : last + 1])
            if name not in found or len(value) > len(found[name].value):
                found[name] = Attribute(name, value, first, last)
        return list(found.values())


@cache
def load_attributes() -> AttributeReader:
    """The reader of the package; loaded once."""
    text = files("voicemed.data").joinpath("attributes.toml").read_text(encoding="utf-8")
    return AttributeReader(tomllib.loads(text))
