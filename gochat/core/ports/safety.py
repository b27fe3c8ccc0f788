"""Reports, and what operators do."""

from typing import Protocol

from gochat.core.model import Millis, UserId
from gochat.core.reports import Report


class Reports(Protocol):
    """Raises `Unavailable` if the database does not answer in time."""

    async def file(self, report: Report, now: Millis) -> UserId | None:
        """Keep a report, with what it is about as it is now; the answer is who it is about.

        The same key again changes nothing. None: the reporter can't see that, and nothing is kept.
        """
        ...
