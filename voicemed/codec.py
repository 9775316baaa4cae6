"""Dataclasses as JSON and back, losing nothing: how the store keeps turns, findings and the rest.

The forms of docs/transcript-format.md round times and probabilities, for readers; these do not.
A field that an older version did not write takes its default; one that is not known is left out.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from datetime import date
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints


def encode(value: object) -> str:
    """A value as JSON on one line: dataclasses, tuples, mappings of texts, enums, dates."""
    return json.dumps(to_plain(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def decode(kind: Any, text: str | bytes) -> Any:
    """What `encode` wrote of a value of that type; ValueError for what it did not write."""
    try:
        return from_plain(kind, json.loads(text))
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"no {kind}") from error


def to_plain(value: Any) -> Any:
    """A value in terms of JSON."""
    match value:
        case Enum():
            return value.value
        case str() | int() | float() | None:
            return value
        case date():  # datetime is one
            return value.isoformat()
        case Mapping():
            return {str(key): to_plain(item) for key, item in value.items()}
        case list() | tuple():
            return [to_plain(item) for item in value]
    fields = dataclasses.fields(value)
    return {field.name: to_plain(getattr(value, field.name)) for field in fields}


def from_plain(kind: Any, value: Any) -> Any:
    """The reverse of `to_plain`, checked against the type; ValueError, TypeError, KeyError."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):  # all of ours are "X | None"
        return None if value is None else from_plain(arguments[0], value)
    if origin is tuple:
        _check(isinstance(value, list))
        if arguments[-1] is Ellipsis:
            return tuple(from_plain(arguments[0], item) for item in value)
        return tuple(from_plain(one, item) for one, item in zip(arguments, value, strict=True))
    if origin is not None:
        _check(isinstance(value, dict))
        return {key: from_plain(arguments[1], item) for key, item in value.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        _check(isinstance(value, dict))
        hints = _hints(kind)
        return kind(**{k: from_plain(hints[k], v) for k, v in value.items() if k in hints})
    if issubclass(kind, date):
        return kind.fromisoformat(value)
    if kind is float:
        _check(type(value) in (int, float))
        return float(value)
    if issubclass(kind, Enum):
        return kind(value)
    _check(type(value) is kind)
    return value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _check(holds: bool) -> None:
    if not holds:
        raise ValueError("not of the type that it should be")
