"""What is said about a symptom: since when, how bad, which side, what it is like."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from voicemed.lexicon import PhraseMatcher, Token


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
        """The attribute after which a question asks ('how long ...': duration); else empty."""
        return next((match.label for match in self._asked.find(tokens)), "")

    def read(self, tokens: Sequence[Token], asked: str = "") -> dict[str, str]:
        """Attributes in the words said; a bare amount of time answers the attribute asked after."""
        found: dict[str, tuple[int, str]] = {}
        for match in self._said.find(tokens):
            name = match.label
            if name == "time":
                if asked not in ("onset", "duration"):
                    continue
                name = asked
            first, last = match.tokens[0], match.tokens[-1]
            value = " ".join(token.text for token in tokens[first : last + 1])
            if name not in found or len(value) > len(found[name][1]):
                found[name] = match.weight, value
        return {name: value for name, (_, value) in found.items()}


@cache
def load_attributes() -> AttributeReader:
    """The reader of the package; loaded once."""
    text = files("voicemed.data").joinpath("attributes.toml").read_text(encoding="utf-8")
    return AttributeReader(tomllib.loads(text))
