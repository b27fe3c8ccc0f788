"""What each event does. No rule is here: a request becomes a command or a question, an answer a shape."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from gochat.contract import requests, shapes
from gochat.contract.cursor import Cursors
from gochat.contract.decode import (
    add_members_in,
    archive_in,
    ban_in,
    create_in,
    delete_in,
    draft_in,
    mark_in,
    mute_in,
    pin_in,
    pin_message_in,
    remove_member_in,
    set_role_in,
    sync_in,
    update_in,
)
from gochat.contract.encode import (
    conversation_answer,
    delta_out,
    message_answer,
    receipt_out,
    sent_out,
    side_answer,
    status_out,
    sync_out,
    watch_out,
)
from gochat.contract.ids import time_out, uuid_in
from gochat.contract.quit import quit_all, quit_out
from gochat.contract.speech import Speech
from gochat.core.command import Command
from gochat.core.delta import Delta
from gochat.core.errors import ChatError, NotFound, TokenInvalid
from gochat.core.messages import Sent
from gochat.core.model import Conversation, ConversationId, Message
from gochat.core.ports.logins import Authenticator, Identity
from gochat.core.ports.reading import Reader
from gochat.core.ports.writing import Receipts, Writer
from gochat.core.presence import Presence
from gochat.core.queries import ConversationView
from gochat.core.rates import Rates, take_adding
from gochat.core.receipts import Position, Receipt
from gochat.core.values import value
from gochat.events.connection import Connection
from gochat.events.delivery.presence import PresenceWatch
from gochat.events.delivery.typing import Typing
from gochat.events.dispatch import Handler
from gochat.events.sockets import Sockets, conversation_room, screen_room
from gochat.ids import new_id

Viewed: TypeAlias = ConversationView | None
"""A conversation as its member sees it after a change; None: they are in it no more."""


@value(frozen=True, slots=True)
class Handlers:
    """The handlers, over the ports that they need."""

    writer: Writer
    reader: Reader
    receipts: Receipts
    authenticator: Authenticator
    cursors: Cursors
    sockets: Sockets
    typing: Typing
    presence: PresenceWatch
    rates: Rates
    speech: Speech
    refreshed: Callable[[Connection], None]
    """Told when a connection has a fresh token."""

    def table(self) -> dict[str, Handler[Any, Any]]:
        """Every event of the contract."""
        return {
            "message:send": Handler(self._send, sent_out),
            "message:edit": Handler(self._edit, message_answer),
            "message:delete": Handler(self._delete, message_answer),
            "message:react": Handler(self._react, message_answer),
            "message:pin": Handler(self._pin_message, conversation_answer),
            "messages:status": Handler(self._status, status_out),
            "conversation:create": Handler(self._create, conversation_answer),
            "conversation:join": Handler(self._join, delta_out),
            "conversation:leave": Handler(self._leave, _nothing),
            "conversation:quit": Handler(self._quit, quit_out),
            "conversation:update": Handler(self._update, conversation_answer),
            "conversation:mute": Handler(self._mute, side_answer),
            "conversation:archive": Handler(self._archive, side_answer),
            "conversation:pin": Handler(self._pin, side_answer),
            "conversation:mark": Handler(self._mark, side_answer),
            "conversation:draft": Handler(self._draft, side_answer),
            "member:add": Handler(self._add_members, conversation_answer),
            "member:remove": Handler(self._remove_member, conversation_answer),
            "member:role": Handler(self._set_role, conversation_answer),
            "member:ban": Handler(self._ban_member, conversation_answer),
            "receipt:delivered": Handler(self._delivered, receipt_out),
            "receipt:read": Handler(self._read, receipt_out),
            "typing:start": Handler(self._start_typing, _nothing),
            "typing:stop": Handler(self._stop_typing, _nothing),
            "presence:watch": Handler(self._watch, watch_out),
            "sync": Handler(self._sync, _synced),
            "auth:refresh": Handler(self._refresh, _refreshed),
        }

    # ---- messages

    def _send(self, connection: Connection, request: requests.Send) -> Awaitable[Sent]:
        sent = self.speech.send(request, connection.identity)
        self._typed(connection, request.conversation_id)
        return sent

    def _edit(self, connection: Connection, request: requests.Edit) -> Awaitable[Message]:
        return self.speech.edit(request, connection.identity)

    def _delete(self, connection: Connection, request: requests.Delete) -> Awaitable[Message]:
        return self.writer.submit(delete_in(request, connection.user_id))

    def _react(self, connection: Connection, request: requests.React) -> Awaitable[Message]:
        return self.speech.react(request, connection.identity)

    def _pin_message(self, connection: Connection, request: requests.PinMessage) -> Awaitable[Viewed]:
        return self._then_view(connection, pin_message_in(request, connection.user_id))

    async def _status(self, connection: Connection, request: requests.Status) -> Mapping[str, Message | None]:
        keys = {text: uuid_in(text) for text in request.client_message_ids}
        stored = await self.reader.status(connection.user_id, keys.values())
        return {text: stored.get(key) for text, key in keys.items()}

    # ---- conversations and members

    def _create(self, connection: Connection, request: requests.Create) -> Awaitable[Viewed]:
        take_adding(self.rates, connection.user_id, request.member_ids)
        refusal = self.speech.refusal(connection.identity.standing, request.title)
        return self._then_view(connection, create_in(request, connection.user_id, new_id(), refusal))

    def _join(self, connection: Connection, request: requests.Join) -> Awaitable[Delta]:
        connection.screens |= {request.conversation_id}
        return self._show(connection, request)

    async def _show(self, connection: Connection, request: requests.Join) -> Delta:
        """Put it on screen, unless it was left while it was read."""
        conversation_id = request.conversation_id
        await connection.wait_ready()
        try:
            delta = await self.reader.changes(connection.user_id, conversation_id, request.revision)
        except NotFound:
            connection.screens -= {conversation_id}
            raise
        if conversation_id in connection.screens and connection.sid in self.sockets.members(
            conversation_room(conversation_id)
        ):
            self.sockets.enter(connection.sid, screen_room(conversation_id))
        return delta

    def _leave(self, connection: Connection, request: requests.InConversation) -> None:
        conversation_id = request.conversation_id
        connection.screens -= {conversation_id}
        self.sockets.leave(connection.sid, screen_room(conversation_id))
        self._typed(connection, conversation_id)

    def _quit(
        self, connection: Connection, request: requests.Quit
    ) -> Awaitable[Mapping[ConversationId, str | None]]:
        return quit_all(self.writer, connection.user_id, request.conversation_ids)

    def _update(self, connection: Connection, request: requests.Update) -> Awaitable[Viewed]:
        command = update_in(request, connection.user_id)
        return self.speech.show(
            connection.identity, (request.title,), lambda: self._then_view(connection, command)
        )

    def _add_members(self, connection: Connection, request: requests.AddMembers) -> Awaitable[Viewed]:
        take_adding(self.rates, connection.user_id, request.user_ids)
        return self._then_view(connection, add_members_in(request, connection.user_id))

    def _remove_member(self, connection: Connection, request: requests.RemoveMember) -> Awaitable[Viewed]:
        return self._then_view(connection, remove_member_in(request, connection.user_id))

    def _set_role(self, connection: Connection, request: requests.SetRole) -> Awaitable[Viewed]:
        return self._then_view(connection, set_role_in(request, connection.user_id))

    def _ban_member(self, connection: Connection, request: requests.BanMember) -> Awaitable[Viewed]:
        return self._then_view(connection, ban_in(request, connection.user_id))

    def _then_view(self, connection: Connection, command: Command[Conversation]) -> Awaitable[Viewed]:
        """Submit at once; answer with the conversation as it is then, or None if they are in it no more."""
        done = asyncio.ensure_future(self.writer.submit(command))
        return self._view(connection, done)

    async def _view(self, connection: Connection, done: Awaitable[Conversation]) -> ConversationView | None:
        conversation = await done
        try:
            return await self.reader.conversation(connection.user_id, conversation.id)
        except NotFound:
            return None

    # ---- one's own side of a conversation

    def _mute(self, connection: Connection, request: requests.Mute) -> Awaitable[Viewed]:
        return self._then_view(connection, mute_in(request, connection.user_id))

    def _archive(self, connection: Connection, request: requests.Switch) -> Awaitable[Viewed]:
        return self._then_view(connection, archive_in(request, connection.user_id))

    def _pin(self, connection: Connection, request: requests.Switch) -> Awaitable[Viewed]:
        return self._then_view(connection, pin_in(request, connection.user_id))

    def _mark(self, connection: Connection, request: requests.Mark) -> Awaitable[Viewed]:
        return self._then_view(connection, mark_in(request, connection.user_id))

    def _draft(self, connection: Connection, request: requests.SaveDraft) -> Awaitable[Viewed]:
        return self._then_view(connection, draft_in(request, connection.user_id))

    # ---- receipts and typing

    def _delivered(self, connection: Connection, request: requests.Receipt) -> Awaitable[Receipt]:
        position = Position(request.seq, 0, request.private)
        return self.receipts.advance(request.conversation_id, connection.user_id, position)

    def _read(self, connection: Connection, request: requests.Receipt) -> Awaitable[Receipt]:
        position = Position(request.seq, request.seq, request.private)
        return self.receipts.advance(request.conversation_id, connection.user_id, position)

    def _start_typing(self, connection: Connection, request: requests.StartTyping) -> Awaitable[None]:
        connection.typing |= {request.conversation_id}
        return self._type(connection, request.conversation_id, request.kind)

    async def _type(
        self, connection: Connection, conversation_id: ConversationId, kind: shapes.TypingKind
    ) -> None:
        """Tell that the user types, unless they stopped before it was known that they may."""
        try:
            await self._require_member(connection, conversation_id)
        except ChatError:
            connection.typing -= {conversation_id}
            raise
        if conversation_id in connection.typing:
            self.typing.start(conversation_id, connection.user_id, kind)

    def _stop_typing(self, connection: Connection, request: requests.InConversation) -> Awaitable[None]:
        self._typed(connection, request.conversation_id)
        return self._require_member(connection, request.conversation_id)

    def _typed(self, connection: Connection, conversation_id: ConversationId) -> None:
        """The user types no more, if they did on this socket."""
        if conversation_id in connection.typing:
            connection.typing -= {conversation_id}
            self.typing.stop(conversation_id, connection.user_id)

    async def _require_member(self, connection: Connection, conversation_id: ConversationId) -> None:
        await connection.wait_ready()
        if connection.sid not in self.sockets.members(conversation_room(conversation_id)):
            raise NotFound("There is no such conversation.", field="conversation_id")

    # ---- presence, sync and auth

    async def _watch(self, connection: Connection, request: requests.Watch) -> Sequence[Presence]:
        return await self.presence.watch(connection, request.user_ids)

    async def _sync(self, connection: Connection, request: requests.Sync) -> shapes.SyncAnswer:
        await connection.wait_ready()
        user_id = connection.user_id
        page = await self.reader.sync(user_id, sync_in(request, user_id, self.cursors))
        return sync_out(page, user_id, self.cursors)

    async def _refresh(self, connection: Connection, request: requests.Refresh) -> Identity:
        fresh = await self.authenticator.authenticate(request.token)
        if not _same_session(fresh, connection.identity):
            raise TokenInvalid("The token is of another session.", field="token")
        # Of how they stand what was heard meanwhile is newer.
        connection.identity = replace(fresh, standing=connection.identity.standing)
        self.refreshed(connection)
        return fresh


def _same_session(one: Identity, other: Identity) -> bool:
    return (one.user_id, one.session_id) == (other.user_id, other.session_id)


def _nothing(_: None) -> shapes.Empty:
    return {}


def _synced(answer: shapes.SyncAnswer) -> shapes.SyncAnswer:
    return answer


def _refreshed(identity: Identity) -> shapes.RefreshAnswer:
    return {"expires_at": time_out(identity.expires_at)}
