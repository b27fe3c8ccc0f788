"""The words of each dialect."""

import re
from dataclasses import fields

from gochat.storage.dialects import SQLite
from gochat.storage.statements import statements


def test_no_value_has_a_number_or_a_name() -> None:
    """Rows are sequences, which Python 3.14 binds to plain `?` alone; 3.12 warns, and 3.11 says nothing."""
    sql = statements(SQLite())
    texts = [getattr(sql, it.name) for it in fields(sql) if it.name != "dialect"]
    assert any("?" in text for text in texts)
    assert [text for text in texts if re.search(r"\?\d|[:@$]\w", text)] == []
