"""What users say, as events and by REST: through the operator's rules to the writer."""

from collections.abc import Awaitable, Callable

from gochat.contract import requests
from gochat.contract.decode import edit_in, react_in, send_in
from gochat.core.errors import ChatError
from gochat.core.messages import Sent
from gochat.core.model import Message, Millis
from gochat.core.ports.logins import Identity
from gochat.core.ports.reading import Reader
from gochat.core.ports.writing import Reactions, Writer
from gochat.core.rates import SLOW_MODE, Key, Rates
from gochat.core.speech import Rules


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

    def send(self, request: requests.Send, identity: Identity) -> Awaitable[Sent]:
        """Submit a message at once, or refuse it; what was stored under its key is answered as ever.

        Raises:
            ChatError: from the awaitable.
        """
        try:
            links = [attachment.url for attachment in request.attachments]
            self._rules.check(identity.standing, request.body, links, self._clock())
            if self._rules.slow_mode_s:
                self._rates.take(SLOW_MODE, Key.CONVERSATION, (request.conversation_id, identity.user_id))
        except ChatError as refusal:
            return self._stored(request, identity, refusal)
        return self._writer.submit(send_in(request, identity.user_id))

    def edit(self, request: requests.Edit, identity: Identity) -> Awaitable[Message]:
        """Submit an edit at once.

        Raises:
            ChatError: at once, where the rules refuse it; or from the awaitable.
        """
        self._rules.check(identity.standing, request.body, (), self._clock())
        return self._writer.submit(edit_in(request, identity.user_id))

    def react(self, request: requests.React, identity: Identity) -> Awaitable[Message]:
        """Pass a reaction on; those of others at the same time go with it.

        Raises:
            ChatError: at once, where the rules refuse it; or from the awaitable.
        """
        self._rules.check(identity.standing, request.emoji, (), self._clock())
        return self._reactions.react(react_in(request, identity.user_id))

    async def _stored(self, request: requests.Send, identity: Identity, refusal: ChatError) -> Sent:
        if not await self._reader.status(identity.user_id, [request.client_message_id]):
            raise refusal
        return await self._writer.submit(send_in(request, identity.user_id))
