"""How many bytes a message or a delta takes on the wire: counted, never less than it is, and little more.

JSON makes six bytes of a control character and two of a quotation mark, so the length of a text says little.
"""

import json
from dataclasses import astuple

from gochat.core.delta import Delta
from gochat.core.model import Attachment, Conversation, Extras, Message

MESSAGE = 595
"""Of a message without its texts: names, numbers and times, each as long as it may be."""
ATTACHMENT = 150
MENTION = 20
FORWARDED = 70
READ_UP_TO = 30
REACTION = 60
REACTOR = 19
CONVERSATION = 930
"""With `me`, but for its draft."""
MEMBER = 190
DELTA = 160
SHORT = 200
"""Characters of a text whose size is not worth to be counted where a bound will do."""
MOST_EACH = 6
"""Of one character: what JSON makes of a control character."""

_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def json_size(value: object) -> int:
    """Bytes of a text with its quotation marks, or of any other value, as JSON."""
    return len(_json(value).encode(errors="surrogatepass"))


def json_bound(text: str) -> int:
    """At most so many bytes a text takes as JSON: counted, if it is not so short that to count costs more."""
    return json_size(text) if len(text) > SHORT else 2 + MOST_EACH * len(text)


def message_size(message: Message) -> int:
    """Bytes of one message."""
    size = MESSAGE + json_size(message.body) + sum(map(_attachment_size, message.attachments))
    return size if message.extras is None else size + _extras_size(message.extras)


def delta_size(delta: Delta) -> int:
    """Bytes of a delta."""
    return bare_size(delta) + sum(map(message_size, delta.messages))


def bare_size(delta: Delta) -> int:
    """Bytes of a delta without its messages."""
    size = DELTA + MEMBER * len(delta.members)
    if delta.conversation is not None:
        size += _conversation_size(delta.conversation) + json_size(delta.private.draft)
    if delta.last_message is not None:
        size += message_size(delta.last_message)
    return size


def _extras_size(it: Extras) -> int:
    size = json_size(it.kind)
    if it.data is not None:
        size += json_size(json.loads(it.data))
    if it.mentions is not None:
        size += 40 + MENTION * len(it.mentions.user_ids)
    if it.read_up_to is not None:
        size += READ_UP_TO
    size += sum(REACTION + json_size(one.emoji) + REACTOR * len(one.user_ids) for one in it.reactions)
    return size if it.forwarded_from is None else size + FORWARDED


def _attachment_size(it: Attachment) -> int:
    return ATTACHMENT + json_size(it.url) + json_size(it.mime_type) + json_size(it.name)


def _conversation_size(it: Conversation) -> int:
    size = CONVERSATION + json_size(it.title)
    return size if it.extras is None else size + json_size(astuple(it.extras))
