"""Which pages of browsers and of app frameworks may come in, without I/O.

No cookie is ever read, so an origin guards only what a script could ride on: a page can do here what anyone
can who is on the network, and no more. Browsers say where a page is from in Origin (RFC 6454); so do native
libraries, which send the root of the address that they connect to.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from .errors import Refused
from .handshake import Request

Origins = str | Iterable[str] | Callable[[str, dict[str, Any]], bool] | None
"""`"*"`, the origins of pages that are let in, or a function of (origin, environ); None and empty: no
foreign page."""

_LOCALHOST: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_DEFAULT_PORTS: Final = {"http": "80", "ws": "80", "https": "443", "wss": "443"}


class OriginPolicy:
    """Lets in who sends no Origin, the listed pages, and whoever names the server's own host.

    Args:
        origins: the pages. apps: whether origins that are no web page's are let in, too:
        `capacitor://localhost`, `ionic://localhost`,
            `file://`, `null`.
        localhost: whether pages of this machine are, at any port: for development.
    """

    def __init__(self, origins: Origins, *, apps: bool = True, localhost: bool = False) -> None:
        self._allow = origins if callable(origins) else None
        self._apps = apps
        self._localhost = localhost
        if origins is None or callable(origins):
            self._origins: frozenset[str] = frozenset()
        else:
            self._origins = frozenset({origins} if isinstance(origins, str) else origins)

    def check(self, request: Request) -> str | None:
        """Return the request's origin, None if it has none. Raises Refused for one that is not allowed."""
        header = request.header(b"origin")
        if header is None:
            return None
        origin = header.decode("latin-1")
        host = request.header(b"host") or b""
        if self.allows(origin) or is_own(origin, host.decode("latin-1")):
            return origin
        if self._allow is not None and self._allow(origin, request.environ()):
            return origin
        raise Refused(403, 4, "Forbidden")

    def allows(self, origin: str) -> bool:
        """Whether an origin is let in whatever host it came to."""
        if "*" in self._origins or origin in self._origins:
            return True
        scheme, _, authority = origin.partition("://")
        if scheme.lower() not in _DEFAULT_PORTS:
            return self._apps
        return self._localhost and _split(authority)[0] in _LOCALHOST


def is_own(origin: str, host: str) -> bool:
    """Whether an origin of the web names the host that the request came to.

    A host without a port says nothing of it: proxies leave it out.
    """
    scheme, separator, authority = origin.lower().partition("://")
    if scheme not in _DEFAULT_PORTS or not separator or not authority:
        return False
    name, port = _split(authority)
    own_name, own_port = _split(host.lower())
    return name == own_name and own_port in ("", port or _DEFAULT_PORTS[scheme])


def _split(authority: str) -> tuple[str, str]:
    """Split `host:port`; the port is empty if there is none. An IPv6 address stands in brackets."""
    name, _, port = authority.rpartition(":")
    return (name, port) if port.isdecimal() else (authority, "")
