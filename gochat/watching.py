"""Which levels of a running server are read when somebody looks at its measures."""

from collections import Counter
from collections.abc import Mapping, Sequence

from gochat.core.measures import Labels, Measures
from gochat.events.connection import Roster
from gochat.events.engine import COMPILED, EngineServer
from gochat.metrics.process import watch_process
from gochat.storage.database import Database
from gochat.storage.followers import Follower
from gochat.storage.writer import ConversationWriter


def watch(
    measures: Measures,
    roster: Roster,
    engine: EngineServer,
    writer: ConversationWriter,
    database: Database,
    followers: Sequence[Follower],
) -> None:
    """Have each part's levels read whenever somebody asks. Cheap enough for ten thousand sockets."""
    watch_process(measures, COMPILED)
    _watch_sockets(measures, roster, engine)
    measures.watch("gochat_writer_queue", "Commands that wait for the writer.", lambda: float(writer.waiting))
    measures.watch(
        "gochat_writer_oldest_seconds", "How long the oldest of them has waited.", lambda: writer.oldest_s
    )
    measures.watch(
        "gochat_follower_lag_seconds",
        "How long a follower has not caught up with the log, where it runs.",
        lambda: {(it.name,): it.lag_s for it in followers if it.is_here},
        "follower",
    )
    measures.watch(
        "gochat_read_pool", "Reads that run or wait, and how many can run.", lambda: _pool(database), "what"
    )


def _watch_sockets(measures: Measures, roster: Roster, engine: EngineServer) -> None:
    eio = engine.eio
    measures.watch(
        "gochat_connections",
        "Sockets that were let in.",
        lambda: _count(it.client for it in roster),
        "client",
    )
    measures.watch(
        "gochat_sessions",
        "Engine.IO sessions.",
        lambda: _count(it.transport.name for it in tuple(eio.sessions.values())),
        "transport",
    )
    measures.watch(
        "gochat_sessions_opened",
        "Engine.IO sessions that were opened.",
        lambda: {(transport,): float(n) for transport, n in eio.opens.items()},
        "transport",
        counted=True,
    )
    measures.watch(
        "gochat_sessions_closed",
        "Engine.IO sessions that ended.",
        lambda: {key: float(n) for key, n in eio.closes.items()},
        "reason",
        "transport",
        counted=True,
    )


def _pool(database: Database) -> Mapping[Labels, float]:
    return {("busy",): float(database.busy), ("size",): float(database.size)}


def _count(words: object) -> Mapping[Labels, float]:
    return {(word,): float(n) for word, n in Counter(words).items()}  # type: ignore[call-overload]
