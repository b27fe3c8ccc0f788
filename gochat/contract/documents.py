"""The generated documents as files."""

import json
from pathlib import Path

from gochat.contract import asyncapi, openapi
from gochat.contract.schemas import Json


def documents() -> dict[str, str]:
    """By file name: the text, the same on every machine."""
    return {"asyncapi.json": _text(asyncapi.document()), "openapi.json": _text(openapi.document())}


def write(directory: Path) -> None:
    """Write the documents into a directory, which is made if it is not there."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (directory / name).write_text(text, encoding="utf-8")


def _text(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
