"""`gochat`, killed by itself between the COMMIT of a message that asks for it and its publication."""

import os
import signal

from gochat.cli import app
from gochat.core.delta import Committed
from gochat.events.delivery.fanout import Fanout

LAST_WORDS = "These are my last words."

publish = Fanout.publish


def publish_or_die(self: Fanout, committed: Committed) -> None:
    for change in committed.changes:
        if any(message.body == LAST_WORDS for message in change.delta.messages):
            os.kill(os.getpid(), signal.SIGKILL)
    publish(self, committed)


if __name__ == "__main__":
    Fanout.publish = publish_or_die  # type: ignore[method-assign]
    app()
