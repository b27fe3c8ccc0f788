"""The URLs of MySQL and Redis, as hosts give them: what may stand in them.

The errors are ValueErrors for whoever set the URL; they name parts of it, and show none of its values.
"""

import difflib
from collections.abc import Collection, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit


class Kind(NamedTuple):
    """What a URL of this kind looks like."""

    schemes: tuple[str, ...]
    example: str
    parameters: Collection[str]
    """What may be asked for behind its `?`."""


MYSQL = Kind(
    ("mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql"),
    "mysql://user:password@host:3306/database",
    ("charset", "ssl_ca", "ssl_cert", "ssl_key", "ssl_mode", "unix_socket"),
)
REDIS = Kind(
    ("redis", "rediss"),
    "redis://:password@host:6379/0",
    ("ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"),
)


def check(url: str, kind: Kind) -> None:
    """Raise ValueError if a URL is not of that kind."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in kind.schemes and parts.hostname and (parts.port or True)
        usable = usable and _place_is_usable(parts.path.strip("/"), kind)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"must be a URL such as {kind.example}")
    if parts.scheme == "redis" and parts.query:
        raise ValueError("has parameters of TLS, and has to begin with rediss://")
    for name in parameters(url):
        if name not in kind.parameters:
            # What is like none of them may be part of a password.
            shown = name if difflib.get_close_matches(name, kind.parameters, n=1) else "a parameter"
            raise ValueError(f"{shown} is none of {', '.join(kind.parameters)}")


def parameters(url: str) -> Mapping[str, str]:
    """What stands behind the `?`; some hosts write `ssl-mode` for `ssl_mode`."""
    given = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return {name.replace("-", "_"): value for name, value in given}


def with_parameters(url: str, added: Mapping[str, str]) -> str:
    """Return the URL with these parameters beside its own, or in their place."""
    merged = {**parameters(url), **added}
    return urlunsplit(urlsplit(url)._replace(query=urlencode(merged, quote_via=quote, safe="/:")))


def _place_is_usable(path: str, kind: Kind) -> bool:
    """MySQL's is the name of a database, and has to be there; Redis' is a number."""
    return bool(path) if kind is MYSQL else not path or (path.isascii() and path.isdecimal())
