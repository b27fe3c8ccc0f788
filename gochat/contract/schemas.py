"""JSON Schemas of the wire models (draft 2020-12), as both documents need them.

They are written so that generators of clients make plain types of them: what is optional in a request is left
out and never null, unless null says something of its own; what may be null in an answer has two types;
integers have bounds and a format; an enum of an answer is open, since values may be added; no constant is a
boolean.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from inspect import cleandoc
from typing import Any, Final, Literal, TypeAlias

from pydantic import Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from gochat.core.limits import Limits

MAX_INTEGER: Final = 2**53 - 1
"""What every JSON library reads exactly (RFC 8259, section 6)."""

Json: TypeAlias = dict[str, Any]
"""A JSON object."""

Mode: TypeAlias = Literal["validation", "serialization"]
"""What clients send, and what the server sends."""

NULL_SAYS: Final = Field(json_schema_extra={"x-null-says": True})
"""Of a field of a request: null is not the same as leaving it out."""


def either(one: str, *others: str) -> Json:
    """Of a request: it has `one`, or else all of the others, and not both.

    By `if`, which generators leave alone: from `oneOf` most make classes that have no fields at all.
    """
    without: Json = {"properties": {name: {"not": {}} for name in others}}
    return {"if": _has(one), "then": without, "else": _has(*others)}


def _has(*names: str) -> Json:
    return {"properties": {name: {} for name in names}, "required": list(names)}


def limited(name: str) -> Any:
    """Of a field of a request: its bound in the document is a limit of the product, not the parser's."""
    return Field(json_schema_extra={"x-limit": name})


Definitions: TypeAlias = tuple[Mapping[type[Any], Json], Json]
"""A reference for each type, and what stands at `#/components/schemas/` for them, by name."""


class _Plain(GenerateJsonSchema):
    """Without titles for fields: they would only repeat the fields' names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def request_definitions(models: Iterable[type[Any]], limits: Limits) -> Definitions:
    """What clients send; `Send` becomes `SendRequest`, as some requests share a name with an answer."""
    return _definitions(models, "validation", "Request", limits)


def answer_definitions(shapes: Iterable[type[Any]]) -> Definitions:
    """What the server sends, under the shapes' own names."""
    return _definitions(shapes, "serialization", "", Limits())


def _definitions(types: Iterable[type[Any]], mode: Mode, suffix: str, limits: Limits) -> Definitions:
    distinct = list(dict.fromkeys(types))
    references, generated = TypeAdapter.json_schemas(
        [(index, mode, TypeAdapter[Any](type_)) for index, type_ in enumerate(distinct)],
        ref_template=f"#/components/schemas/{{model}}{suffix}",
        schema_generator=_Plain,
    )
    definitions = {
        name + suffix: _plain(schema, mode, limits) | {"title": name + suffix}
        for name, schema in sorted(generated["$defs"].items())
    }
    return {type_: references[index, mode] for index, type_ in enumerate(distinct)}, definitions


def description(type_: type[Any]) -> str:
    """What a model's docstring says."""
    return cleandoc(type_.__doc__ or "")


def inline(type_: Any) -> Json:
    """The schema of what clients send where it refers to nothing else: an id, query parameters."""
    schema = TypeAdapter[Any](type_).json_schema(schema_generator=_Plain)
    return dict(_plain(schema, "validation", Limits()))


_KEYWORDS: Final[Mapping[str, str]] = {"ge": "minimum", "le": "maximum"}
"""What pydantic writes for a bound that is checked after a validator of one's own."""


def _plain(schema: Any, mode: Mode, limits: Limits) -> Any:
    """A schema as generators take it, with all that is in it."""
    if isinstance(schema, list):
        return [_plain(part, mode, limits) for part in schema]
    if not isinstance(schema, dict):
        return schema
    names: dict[str, str] = {key: _KEYWORDS.get(key, key) for key in schema}
    plain: Json = {names[key]: _plain(part, mode, limits) for key, part in schema.items()}
    if "properties" in plain and mode == "validation":
        plain["properties"] = {name: _never_null(part) for name, part in plain["properties"].items()}
    if "x-limit" in plain:
        bound = "maxItems" if plain["type"] == "array" else "maxLength"
        plain[bound] = asdict(limits)[plain.pop("x-limit")]
    if isinstance(plain.get("const"), bool):
        # A constant makes a class of its own in most generators, for a field that is there or not.
        only = f"Only ever {str(plain.pop('const')).lower()}."
        plain["description"] = " ".join(filter(None, (plain.get("description"), only)))
    elif isinstance(plain.get("const"), str):
        plain["enum"] = [plain.pop("const")]
    if plain.get("type") == "integer" and "enum" not in plain:
        plain["maximum"] = plain.get("maximum", MAX_INTEGER)
        plain["format"] = "int32" if plain["maximum"] < 2**31 else "int64"
    if mode == "serialization" and "enum" in plain:
        # A choice of an enum and a string is a class without fields in generated Kotlin; this is a string.
        plain["anyOf"] = [*({"const": value} for value in plain.pop("enum")), {"type": "string"}]
    return _two_types(plain)


def _never_null(field: Json) -> Json:
    """What is optional is left out; null is not offered where it says the same."""
    says = field.pop("x-null-says", False)
    if field.get("default", ...) is not None:
        return field
    del field["default"]
    if says:
        return field
    if isinstance(field.get("type"), list):
        return field | {"type": next(kind for kind in field["type"] if kind != "null")}
    (kind,) = (kind for kind in field.pop("anyOf") if kind != {"type": "null"})
    return {**kind, **field}


def _two_types(schema: Json) -> Json:
    """`anyOf` of one type and null is that type or null; a reference keeps its `anyOf`."""
    kinds = schema.get("anyOf", ())
    if len(kinds) != 2 or kinds[1] != {"type": "null"} or not isinstance(kinds[0].get("type"), str):
        return schema
    rest = {key: part for key, part in schema.items() if key != "anyOf"}
    return {**kinds[0], **rest, "type": [kinds[0]["type"], "null"]}
