"""Where traces come in: by parts in the place of those that the composition root made.

Without traces the parts are handed back as they are, so that nothing is asked of them; OpenTelemetry is
imported only with them.
"""

from typing import Protocol

from starlette.types import ASGIApp

from gochat.config import ConfigError, Settings
from gochat.core.ports.writing import Publisher, Writer
from gochat.events.cluster.seam import Doorbell
from gochat.events.sockets import Handling, Sockets


class Traces(Protocol):
    """What stands in a part's place, each the same to whoever uses it."""

    def dispatcher(self, inner: Handling) -> Handling:
        """Events: a trace for each."""
        ...

    def requests(self, inner: ASGIApp) -> ASGIApp:
        """Requests: a trace for each."""
        ...

    def writer(self, inner: Writer) -> Writer:
        """What waits for its commit."""
        ...

    def publisher(self, inner: Publisher) -> Publisher:
        """What was committed."""
        ...

    def doorbell(self, inner: Doorbell) -> Doorbell:
        """What other processes are told, and what they tell."""
        ...

    def sockets(self, inner: Sockets) -> Sockets:
        """What goes to sockets."""
        ...

    async def close(self) -> None:
        """Send what is left."""
        ...


class NoTraces:
    """`Traces` that are off: nothing stands between."""

    def dispatcher(self, inner: Handling) -> Handling:
        """Itself."""
        return inner

    def requests(self, inner: ASGIApp) -> ASGIApp:
        """Itself."""
        return inner

    def writer(self, inner: Writer) -> Writer:
        """Itself."""
        return inner

    def publisher(self, inner: Publisher) -> Publisher:
        """Itself."""
        return inner

    def doorbell(self, inner: Doorbell) -> Doorbell:
        """Itself."""
        return inner

    def sockets(self, inner: Sockets) -> Sockets:
        """Itself."""
        return inner

    async def close(self) -> None:
        """Nothing."""


def open_traces(settings: Settings) -> Traces:
    """Those that the settings ask for.

    Raises:
        ConfigError: they do, and OpenTelemetry is not installed.
    """
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None:
        return NoTraces()
    try:
        from gochat.traced import OpenTelemetry
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT: {error.name} is not installed; requirements/tracing.txt has it"
        ) from None
    return OpenTelemetry(endpoint, settings.otel_traces_sampler_arg)
