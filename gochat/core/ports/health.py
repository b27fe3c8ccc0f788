"""Whether the server can serve."""

from collections.abc import Mapping
from typing import Protocol


class Health(Protocol):
    """What `ready` asks."""

    async def check(self) -> Mapping[str, str]:
        """Name of each part to `ok` or what is wrong with it, within 2 s."""
        ...
