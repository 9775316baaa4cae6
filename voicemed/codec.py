"""Dataclasses as JSON and back, losing nothing: how the store keeps turns, findings and the rest.

The forms of docs/transcript-format.md round times and probabilities, for readers; these do not.
A field that an older version did not write takes its default; one that is not known is left out.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Callable, Mapping
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
        return _reader(kind)(json.loads(text))
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
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
    return {name: to_plain(getattr(value, name)) for name in _names(value.__class__)}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


Read = Callable[[Any], Any]
"From terms of JSON to a value; raises ValueError, TypeError, KeyError, AttributeError."


@cache
def _reader(kind: Any) -> Read:
    """The reverse of `to_plain` for one type, made once: a long consultation has 10,000 words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):  # all of ours are "X | None"
        some = _reader(arguments[0])
        return lambda value: None if value is None else some(value)
    if origin is tuple:
        return _reader_of_tuple(arguments)
    if origin is not None:
        item = _reader(arguments[1])
        return lambda value: {key: item(one) for key, one in value.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _reader_of_dataclass(kind)
    if issubclass(kind, date):
        made: Read = kind.fromisoformat
        return made
    if issubclass(kind, Enum):
        return lambda value: kind(value)
    return _reader_of_float if kind is float else _reader_of_plain(kind)


def _reader_of_tuple(arguments: tuple[Any, ...]) -> Read:
    items = [_reader(one) for one in arguments if one is not Ellipsis]
    if arguments[-1] is Ellipsis:
        (item,) = items
        return lambda value: tuple([item(one) for one in _checked(value, list)])
    return lambda value: tuple(
        item(one) for item, one in zip(items, _checked(value, list), strict=True)
    )


def _reader_of_dataclass(kind: Any) -> Read:
    readers = {name: _reader(hint) for name, hint in get_type_hints(kind).items()}

    def read(value: Any) -> Any:
        known = {key: readers[key](one) for key, one in value.items() if key in readers}
        return kind(**known)

    return read


def _reader_of_float(value: Any) -> float:
    return float(value if type(value) is int else _checked(value, float))


def _reader_of_plain(kind: type) -> Read:
    return lambda value: _checked(value, kind)


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind:  # not isinstance: true is no number
        raise ValueError("not of the type that it should be")
    return value
