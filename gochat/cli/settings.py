"""The settings as the command line reads them, and `gochat config`, which shows them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gochat.config import Settings


def read(workers: int | None = None) -> Settings:
    """The settings of the environment. From then on logs go to standard error: the other one is for answers.

    Raises:
        ConfigError: they do not allow a start.
    """
    import structlog

    from gochat.config import load_settings

    if not structlog.is_configured():
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    return load_settings(**({} if workers is None else {"workers": workers}))


def config(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show the settings in force, and which are defaults. Secrets are hidden, and passwords in URLs."""
    import orjson

    from gochat.config import effective

    shown = list(effective(read()))
    if as_json:
        lines = {it.variable: {"value": it.value, "given": it.given} for it in shown}
        typer.echo(orjson.dumps(lines, option=orjson.OPT_INDENT_2))
        return
    width = max(len(it.variable) for it in shown)
    for it in shown:
        typer.echo(f"{it.variable:{width}}  {'' if it.given else '(default) '}{it.value}")
