"""`conversation:quit`, the same as an event and as `POST conversations/quit`."""

import asyncio
from collections.abc import Iterable, Mapping

from gochat.contract import shapes
from gochat.contract.ids import id_out
from gochat.core.errors import Forbidden, NotFound
from gochat.core.members import RemoveMember
from gochat.core.model import ConversationId, UserId
from gochat.core.ports.writing import Writer


async def quit_all(
    writer: Writer, user_id: UserId, conversation_ids: Iterable[ConversationId]
) -> Mapping[ConversationId, str | None]:
    """Quit them all; the answer says of each whether one is in it no more, or the code of why not.

    Raises:
        ChatError: not all of them are decided; the same again goes on with the rest.
    """
    wanted = list(dict.fromkeys(conversation_ids))
    answers = await asyncio.gather(
        *(_quit(writer, user_id, conversation_id) for conversation_id in wanted), return_exceptions=True
    )
    settled: dict[ConversationId, str | None] = {}
    for conversation_id, answer in zip(wanted, answers, strict=True):
        if isinstance(answer, BaseException):
            raise answer
        settled[conversation_id] = answer
    return settled


async def _quit(writer: Writer, user_id: UserId, conversation_id: ConversationId) -> str | None:
    try:
        await writer.submit(RemoveMember(conversation_id, user_id, user_id))
    except NotFound:
        return None
    except Forbidden as error:
        return error.code
    return None


def quit_out(answers: Mapping[ConversationId, str | None]) -> shapes.QuitAnswer:
    """What became of each."""
    return {
        "quit": [id_out(conversation_id) for conversation_id, code in answers.items() if code is None],
        "refused": [
            {"conversation_id": id_out(conversation_id), "code": code}
            for conversation_id, code in answers.items()
            if code is not None
        ],
    }
