"""Values of core in which no field has its default, or what another field has."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import EnumType
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def filled(of: type[T], **given: object) -> T:
    """A value of a dataclass, by the types of its fields; `given` are taken as they are."""
    value: T = _filled(of, itertools.count(11), given)
    return value


def variants(value: T) -> Iterator[tuple[str, T]]:
    """The same with another value in one field, for each: its name, and the value."""
    numbers = itertools.count(1_001)
    hints = get_type_hints(type(value))
    for field in fields(value):  # type: ignore[arg-type]
        before = getattr(value, field.name)
        yield field.name, _with(value, field.name, _value(hints[field.name], field, numbers, before))


def changed(one: object, other: object) -> set[str]:
    """The fields in which two values of a dataclass differ."""
    assert type(one) is type(other)
    return {it.name for it in fields(one) if getattr(one, it.name) != getattr(other, it.name)}  # type: ignore[arg-type]


def _with(value: Any, name: str, other: object) -> Any:
    return type(value)(**{it.name: getattr(value, it.name) for it in fields(value)} | {name: other})


def _filled(of: type[Any], numbers: Iterator[int], given: dict[str, object]) -> Any:
    hints = get_type_hints(of)
    missing = [it for it in fields(of) if it.name not in given]
    return of(**{it.name: _value(hints[it.name], it, numbers) for it in missing}, **given)


def _value(type_: Any, field: Field[Any], numbers: Iterator[int], unlike: object = None) -> Any:
    if get_origin(type_) is UnionType:
        type_ = next(it for it in get_args(type_) if it is not type(None))
    if isinstance(type_, EnumType):
        return next(it for it in type_ if it not in (field.default, unlike))  # type: ignore[var-annotated]
    if type_ is bool:
        return not (field.default if unlike is None and field.default is not MISSING else unlike)
    if get_origin(type_) is tuple:
        return (_item(get_args(type_)[0], numbers), _item(get_args(type_)[0], numbers))
    if get_origin(type_) is Mapping:
        return {f"key {next(numbers)}": next(numbers)}
    return _item(type_, numbers)


def _item(type_: Any, numbers: Iterator[int]) -> Any:
    number = next(numbers)
    if is_dataclass(type_):
        assert isinstance(type_, type)
        return _filled(type_, numbers, {})
    if type_ is int:
        return number
    if type_ is str:
        return f"text {number}"
    if type_ is bytes:
        return number.to_bytes(16, "big")
    if isinstance(type_, type) and issubclass(type_, Exception):
        return type_(f"text {number}")
    raise TypeError(f"no value is known for {type_}")
