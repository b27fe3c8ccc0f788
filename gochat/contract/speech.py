"""What users say, as events and by REST: through the operator's rules to the writer."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar
from weakref import WeakValueDictionary

from gochat.contract import requests
from gochat.contract.decode import edit_in, react_in, send_in
from gochat.core.errors import ChatError, Unavailable
from gochat.core.lateness import RETRY_MS
from gochat.core.messages import Sent
from gochat.core.model import Message, Millis, Standing, UserId
from gochat.core.ports.logins import Identity
from gochat.core.ports.reading import Reader
from gochat.core.ports.writing import Reactions, Writer
from gochat.core.rates import SLOW_MODE, Key, Rates
from gochat.core.speech import Rules

TURN_S = 10.0
"""How long a message waits for those before it of which more has to be read."""

T = TypeVar("T")


class Speech:
    """What users say, on its way to the writer."""

    def __init__(
        self,
        writer: Writer,
        reactions: Reactions,
        reader: Reader,
        rules: Rules,
        rates: Rates,
        clock: Callable[[], Millis],
    ) -> None:
        self._writer = writer
        self._reactions = reactions
        self._reader = reader
        self._rules = rules
        self._rates = rates
        self._clock = clock
        self._lines: WeakValueDictionary[UserId, asyncio.Lock] = WeakValueDictionary()
        """Of users for whose messages more has to be read: those keep their order, and those behind them."""

    def send(self, request: requests.Send, identity: Identity) -> Awaitable[Sent]:
        """Submit a message at once, or refuse it; what was stored under its key is answered as ever.

        Raises:
            ChatError: from the awaitable.
        """
        line = self._lines.get(identity.user_id)
        if line is None:
            try:
                self._check_message(request, identity.user_id, identity.standing)
            except ChatError:
                line = self._lines[identity.user_id] = asyncio.Lock()
            else:
                return self._writer.submit(send_in(request, identity.user_id))
        return self._send_after_all(request, identity, line)

    def edit(self, request: requests.Edit, identity: Identity) -> Awaitable[Message]:
        """Submit an edit at once, or refuse it.

        Raises:
            ChatError: from the awaitable.
        """
        return self._say(
            identity, request.body, lambda: self._writer.submit(edit_in(request, identity.user_id))
        )

    def react(self, request: requests.React, identity: Identity) -> Awaitable[Message]:
        """Pass a reaction on, or refuse it; those of others at the same time go with it.

        Raises:
            ChatError: from the awaitable.
        """
        return self._say(
            identity, request.emoji, lambda: self._reactions.react(react_in(request, identity.user_id))
        )

    def refusal(self, standing: Standing, *texts: str | None) -> ChatError | None:
        """Why others may not be shown these names and texts, if there are any and they may not."""
        text = "\n".join(filter(None, texts))
        try:
            if text:
                self._rules.check_shown(standing, text, (), self._clock())
        except ChatError as refusal:
            return refusal
        return None

    def show(
        self, identity: Identity, texts: Iterable[str | None], submit: Callable[[], Awaitable[T]]
    ) -> Awaitable[T]:
        """Submit at once what others are shown beside messages, such as a title, or refuse it.

        Raises:
            ChatError: from the awaitable.
        """
        refusal = self.refusal(identity.standing, *(texts := tuple(texts)))
        return submit() if refusal is None else self._show_after_all(identity, texts, submit, refusal)

    async def _show_after_all(
        self,
        identity: Identity,
        texts: Iterable[str | None],
        submit: Callable[[], Awaitable[T]],
        refusal: ChatError,
    ) -> T:
        if still := self.refusal(await self._standing_now(identity, refusal), *texts):
            raise still
        return await submit()

    def _check_message(self, request: requests.Send, user_id: UserId, standing: Standing) -> None:
        links = [attachment.url for attachment in request.attachments] if request.attachments else ()
        self._rules.check(standing, request.body, links, self._clock())
        if self._rules.slow_mode_s:
            self._rates.take(SLOW_MODE, Key.CONVERSATION, (request.conversation_id, user_id))

    async def _send_after_all(self, request: requests.Send, identity: Identity, line: asyncio.Lock) -> Sent:
        try:
            async with asyncio.timeout(TURN_S):
                await line.acquire()
        except TimeoutError:
            raise Unavailable(retry_after_ms=RETRY_MS) from None
        try:
            await self._check_message_now(request, identity)
            submitted = self._writer.submit(send_in(request, identity.user_id))
        finally:
            line.release()
        return await submitted

    async def _check_message_now(self, request: requests.Send, identity: Identity) -> None:
        try:
            self._check_message(request, identity.user_id, identity.standing)
        except ChatError as refusal:
            if not await self._reader.status(identity.user_id, [request.client_message_id]):
                standing = await self._standing_now(identity, refusal)
                self._check_message(request, identity.user_id, standing)

    def _say(self, identity: Identity, text: str, submit: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        try:
            self._rules.check(identity.standing, text, (), self._clock())
        except ChatError as refusal:
            return self._say_after_all(identity, text, submit, refusal)
        return submit()

    async def _say_after_all(
        self, identity: Identity, text: str, submit: Callable[[], Awaitable[T]], refusal: ChatError
    ) -> T:
        self._rules.check(await self._standing_now(identity, refusal), text, (), self._clock())
        return await submit()

    async def _standing_now(self, identity: Identity, refusal: ChatError) -> Standing:
        """What a socket knows of its user is a moment old: they may have accepted the terms just now.

        Raises:
            ChatError: the refusal, if nothing has changed.
        """
        standing = await self._reader.standing(identity.user_id)
        if standing == identity.standing:
            raise refusal
        return standing
