"""`sync`, the same as an event and as `POST sync`."""

from gochat.contract import requests, shapes
from gochat.contract.cursor import Cursors
from gochat.contract.encode import delta_out, me_delta_out
from gochat.contract.ids import time_out
from gochat.contract.requests import known_in
from gochat.core.model import UserId
from gochat.core.queries import SyncPage, SyncRequest


def sync_in(request: requests.Sync, user_id: UserId, cursors: Cursors) -> SyncRequest:
    """What is asked of the reader.

    Raises:
        CursorInvalid
    """
    return SyncRequest(
        known=known_in(request.known),
        me=request.me,
        epoch=request.epoch,
        position=None if request.cursor is None else cursors.read_sync(user_id, request.cursor),
        limit=request.limit,
    )


def sync_out(page: SyncPage, user_id: UserId, cursors: Cursors) -> shapes.SyncAnswer:
    """What the phone is told."""
    answer: shapes.SyncAnswer = {
        "conversations": [delta_out(delta) for delta in page.conversations],
        "more": page.position is not None,
        "cursor": None if page.position is None else cursors.write_sync(user_id, page.position),
        "epoch": page.epoch,
        "server_time": time_out(page.server_time),
        "max_payload": requests.MAX_BYTES,
    }
    if page.me is not None:
        answer["me"] = me_delta_out(page.me)
    return answer
