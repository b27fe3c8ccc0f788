"""JSON Schemas of the wire models (draft 2020-12), as both documents need them."""

from collections.abc import Iterable, Mapping
from inspect import cleandoc
from typing import Any, Literal, TypeAlias

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

Json: TypeAlias = dict[str, Any]
"""A JSON object."""

Definitions: TypeAlias = tuple[Mapping[type[Any], Json], Json]
"""A reference for each type, and what stands at `#/components/schemas/` for them, by name."""


class _Plain(GenerateJsonSchema):
    """Without titles for fields: they would only repeat the fields' names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def request_definitions(models: Iterable[type[Any]]) -> Definitions:
    """What clients send; `Send` becomes `SendRequest`, as some requests share a name with an answer."""
    return _definitions(models, "validation", "Request")


def answer_definitions(shapes: Iterable[type[Any]]) -> Definitions:
    """What the server sends, under the shapes' own names."""
    return _definitions(shapes, "serialization", "")


def _definitions(
    types: Iterable[type[Any]], mode: Literal["validation", "serialization"], suffix: str
) -> Definitions:
    distinct = list(dict.fromkeys(types))
    references, generated = TypeAdapter.json_schemas(
        [(index, mode, TypeAdapter[Any](type_)) for index, type_ in enumerate(distinct)],
        ref_template=f"#/components/schemas/{{model}}{suffix}",
        schema_generator=_Plain,
    )
    definitions = {name + suffix: schema for name, schema in sorted(generated["$defs"].items())}
    for name, schema in definitions.items():
        schema["title"] = name
    return {type_: references[index, mode] for index, type_ in enumerate(distinct)}, definitions


def description(type_: type[Any]) -> str:
    """What a model's docstring says."""
    return cleandoc(type_.__doc__ or "")


def inline(type_: Any) -> Json:
    """The schema of what clients send where it refers to nothing else: an id, query parameters."""
    return TypeAdapter[Any](type_).json_schema(schema_generator=_Plain)
