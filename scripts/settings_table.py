"""Write the README's table of settings from gochat/config.py, or check with --check that it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import SecretStr

from gochat.config import Settings, variables

README = Path(__file__).resolve().parent.parent / "README.md"
START, END = "<!-- settings: written by `make contract` -->\n", "<!-- end of settings -->\n"


def _default(value: object) -> str:
    shown = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(shown, tuple):
        shown = ",".join(map(str, shown))
    return "" if shown in (None, "") else f"`{shown}`"


def table() -> str:
    """Return the Markdown table of all settings: variable, default, meaning."""
    rows = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        names = ", ".join(f"`{variable}`" for variable in variables(name))
        rows.append(f"| {names} | {_default(field.default)} | {field.description} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Rewrite the part of the README between the markers, or exit 1 if it is stale."""
    text = README.read_text()
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    fresh = f"{before}{START}{table()}{END}{after}"
    if sys.argv[1:] != ["--check"]:
        README.write_text(fresh)
    elif text != fresh:
        sys.exit("README.md: the table of settings is stale. Run `make contract`.")


if __name__ == "__main__":
    main()
