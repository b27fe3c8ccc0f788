"""The words of each dialect."""

import re
from dataclasses import fields, replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from gochat.core.messages import SendMessage
from gochat.core.model import Attachment, Message
from gochat.storage.dialects import FEW, KeyLast, MySQL, SQLite
from gochat.storage.rows import MESSAGES
from gochat.storage.statements import statements
from tests.unit.core.filled import filled


def test_no_value_has_a_number_or_a_name() -> None:
    """Rows are sequences, which Python 3.14 binds to plain `?` alone; 3.12 warns, and 3.11 says nothing."""
    sql = statements(SQLite())
    found = [getattr(sql, it.name) for it in fields(sql) if it.name != "dialect"]
    texts = [it.text if isinstance(it, KeyLast) else it for it in found]
    assert any("?" in text for text in texts)
    assert [text for text in texts if re.search(r"\?\d|[:@$]\w", text)] == []


letters = st.characters(exclude_categories=["Cs"]) | st.sampled_from('\x00\x01"\\\n/é👍')
texts = st.text(letters, max_size=60)
links = st.builds(
    Attachment,
    url=texts,
    mime_type=texts,
    size=st.none() | st.integers(1, 2**53 - 1),
    width=st.none() | st.integers(1, 2**53 - 1),
    height=st.none() | st.integers(1, 2**53 - 1),
    name=st.none() | texts,
)


@pytest.mark.parametrize("many", [1, FEW + 1])
@given(body=texts, attachments=st.lists(links, max_size=4).map(tuple))
def test_a_message_takes_no_more_of_a_statement_than_is_counted(
    many: int, body: str, attachments: tuple[Attachment, ...]
) -> None:
    command = SendMessage(1 << 62, 1 << 62, bytes(16), body, attachments=attachments)
    stored = replace(filled(Message), body=body, attachments=attachments, extras=None)
    sql = MySQL()
    alone, together = (
        len(sql._with(sql.insert(MESSAGES), [MESSAGES.write(stored)] * count)) for count in (many, 2 * many)
    )
    assert together - alone <= many * command.size
