"""Ids of encounters, as files, people and messages write them."""

from __future__ import annotations

from uuid import UUID

_SHORT = 8


def shortened(id_: str) -> str:
    """The beginning, which tells encounters apart in lists and messages."""
    return id_[:_SHORT]


def is_id(name: str) -> bool:
    """Whether a name is a whole id."""
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
