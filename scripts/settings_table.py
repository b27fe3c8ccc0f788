"""Write the README's table of settings and compose.yaml's list of them from gochat/config.py.

With --check: change nothing, and exit 1 if one of them is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import SecretStr

from gochat.config import Settings, variables

ROOT = Path(__file__).resolve().parent.parent
README, COMPOSE = ROOT / "README.md", ROOT / "compose.yaml"
START, END = "settings: written by `make contract`", "end of settings"

GIVEN_BY_COMPOSE = {"HOST", "PORT", "MYSQL_URL", "REDIS_URL", "JWT_SECRET", "ALLOWED_ORIGINS"}
OF_OTHERS = {"RAILWAY_ENVIRONMENT", "SQLITE_PATH"}
"""What says nothing in a container beside MySQL."""


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


def passed_through() -> str:
    """Return the lines of compose.yaml that hand on the settings which it does not give itself."""
    names = [variables(name)[0] for name in Settings.model_fields]
    return "".join(f"      {name}:\n" for name in names if name not in GIVEN_BY_COMPOSE | OF_OTHERS)


def rewritten(path: Path, fresh: str) -> str:
    """Return the text of `path` with the lines between its two markers replaced."""
    text = path.read_text()
    before, _, rest = text.partition(START)
    rest_of_line = rest.partition("\n")[0]
    _, _, after = rest.partition(END)
    indent = text[: text.index(END)].rpartition("\n")[2]
    return f"{before}{START}{rest_of_line}\n{fresh}{indent}{END}{after}"


def main() -> None:
    """Rewrite what lies between the markers of both files, or exit 1 if one is stale."""
    check = sys.argv[1:] == ["--check"]
    for path, lines in ((README, table()), (COMPOSE, passed_through())):
        fresh = rewritten(path, lines)
        if not check:
            path.write_text(fresh)
        elif path.read_text() != fresh:
            sys.exit(f"{path.name}: the list of settings is stale. Run `make contract`.")


if __name__ == "__main__":
    main()
