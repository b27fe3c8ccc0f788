"""Write gochat/core/emoji_sequences.py anew, for a new version of Unicode.

    uv run --no-project --with emoji scripts/emoji_sequences.py

It takes what the package `emoji` knows, which is no dependency: that holds the names of all emoji in a dozen
languages, some megabytes in every process, of which nothing is needed here.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import emoji  # type: ignore[import-not-found]

PATH = Path(__file__).resolve().parent.parent / "gochat" / "core" / "emoji_sequences.py"
HEAD = '''"""All emoji of Unicode {version} that are recommended for general interchange.

Written by `scripts/emoji_sequences.py`. Source: emoji-test.txt of Unicode Technical Standard 51, those of the
status fully-qualified.
"""
# ruff: noqa

SEQUENCES = """
{sequences}
"""
'''


def main() -> None:
    """Write the module."""
    fully_qualified = emoji.STATUS["fully_qualified"]
    known = [text for text, about in emoji.EMOJI_DATA.items() if about["status"] == fully_qualified]
    newest = max(float(about["E"]) for about in emoji.EMOJI_DATA.values())
    lines = textwrap.wrap(" ".join(sorted(known)), 90, break_long_words=False, break_on_hyphens=False)
    PATH.write_text(HEAD.format(version=newest, sequences="\n".join(lines)), encoding="utf-8")


if __name__ == "__main__":
    main()
