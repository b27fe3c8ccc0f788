"""Every setting with what it may not be: one line that names it, and never what was given for a secret.

Rows of types and bounds are made from the fields themselves, the others stand in WRONG. A new setting without
a row fails `test_every_setting_has_a_row`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Literal, get_args, get_origin

import annotated_types
import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from gochat.config import ConfigError, Settings, variables
from gochat.listening import PortTakenError, listen, listen_for_metrics
from gochat.preflight import look
from tests.services.certificates import Authority
from tests.unit.conftest import Load

SECRET = "hunter2"
WRONG: dict[str, list[str]] = {
    "forwarded_allow_ips": ["nginx", "10.0.0.1/8", "10.0.0.1,*", "0", "99", "\N{FULLWIDTH DIGIT FIVE}"],
    "allowed_origins": ["chat.example.org", "https://*.example.org", "https://a.example/path", "https://"],
    "mysql_url": [
        f"postgres://u:{SECRET}@db/chat",
        f"mysql://u:{SECRET}@db",
        f"mysql://u:{SECRET}@db:port/chat",
        f"mysql://u:{SECRET}@db:99999/chat",
        f"mysql://u:{SECRET}@/chat",
        f"mysql://u:{SECRET}@db/chat?ssl_mod=REQUIRED",
        f"mysql://u:{SECRET}@db/chat?{SECRET}{'=' * 40}",
        f"mysql://u:{SECRET}@db/chat?ssl_mode=STRICT",
        f"mysql://u:{SECRET}@db/chat?ssl_ca=/no/such/file",
        f"mysql://u:{SECRET}@db/chat?ssl_ca={__file__}",
        f"mysql://u:{SECRET}@db/chat?ssl_ca=/etc/ssl/ca.pem&ssl_mode=REQUIRED",
        f"mysql://u:{SECRET}@db/chat?ssl_cert=/no/such/file",
        f"mysql://u:{SECRET}@db/chat?ssl_cert=/no/such/file&ssl-mode=preferred",
        f"mysql://u:{SECRET}@db/chat?ssl_key=/no/such/file",
        SECRET,
    ],
    "mysql_ssl_mode": ["STRICT", "true", "verify-ca"],
    "mysql_ssl_ca": ["/no/such/file", "/", "/dev/zero", __file__],
    "redis_url": [
        f"memcached://:{SECRET}@cache",
        f"redis://:{SECRET}@cache:port",
        f"redis://:{SECRET}@cache/main",
        f"redis://:{SECRET}@cache/\N{FULLWIDTH DIGIT ONE}",
        f"redis://:{SECRET}@cache/0?db=3",
        f"redis://:{SECRET}@cache/0?ssl_ca_certs=/etc/ssl/ca.pem",
        f"rediss://:{SECRET}@cache/0?ssl_ca_certs=/no/such/file",
        f"rediss://:{SECRET}@cache/0?ssl_ca_certs={__file__}",
        f"rediss://:{SECRET}@cache/0?ssl_cert_reqs=maybe",
        f"rediss://:{SECRET}@cache/0?ssl_check_hostname=0",
        SECRET,
    ],
    "redis_ssl_ca": ["/no/such/file", "/", "/dev/zero", __file__],
    "redis_prefix": ["go chat", "gochat:1", "x" * 65, "ü"],
    "roles": ["server", "search", "serve,index"],
    "jwt_secret": [SECRET],
    "jwt_secrets_old": [SECRET, f"{'k' * 16}3f9d2c81a7b64e05,{SECRET}"],
    "jwt_issuers": [
        "https://login.example.com",
        "{}",
        "[" * 100_000,
        '[{"issuer": "a", "audience": "b"}]',
        '[{"issuer": "a", "audience": "b", "jwks_url": "ftp://a/b"}]',
        '[{"issuer": "a", "audience": "b", "jwks_url": "https://a", "max_age_s": 1}]',
        '[{"issuer": "a", "audience": "b", "jwks_url": "https://a", "no_such": 1}]',
    ],
    "rates": ["message:send", "message:send=often", "message:sent=1/1", "all=on", "message:send=0/1"],
    "login_rate": ["often", "10", "10/week", "0/minute", "10/60"],
    "metrics_token": [SECRET, f" {SECRET}{SECRET}{SECRET}"],
    "otel_exporter_otlp_endpoint": ["otel:4318", "grpc://otel:4317", "http://", "http://user@otel:4318"],
    "terms_version": ["two words", "x" * 33, "ü"],
    "terms_url": ["example.com/terms", "ftp://example.com", "https://", "https://a.example/the terms"],
    "contact": ["ask us", "@example.com", "https://"],
    "sqlite_path": [":memory:"],
}
LATER: dict[str, list[str]] = {
    "host": ["no-such-name.invalid", "192.0.2.1", "a..b", "x" * 64],
    "metrics_host": ["no-such-name.invalid", "192.0.2.1", "a..b", "x" * 64],
    "sqlite_path": ["no/such/folder/chat.db", "/", "/dev/zero", __file__],
    "run_dir": ["/dev/null/run", "/"],
    "filters_path": ["/no/such/file", "/", "/dev/zero", __file__],
}
"""What only the machine can tell: refused when it is looked at, before anything is served."""
ANYTHING = {"railway_environment"}
"""What the host sets, and what is only looked at for being there."""
TOGETHER: list[tuple[str, dict[str, str]]] = [
    ("MYSQL_SSL_MODE", {"MYSQL_SSL_MODE": "REQUIRED"}),
    ("MYSQL_SSL_MODE", {"MYSQL_SSL_MODE": "REQUIRED", "MYSQL_URL": "mysql://u:p@db/c?ssl_mode=REQUIRED"}),
    ("MYSQL_SSL_CA", {"MYSQL_SSL_CA": "CA"}),
    ("MYSQL_SSL_CA", {"MYSQL_SSL_CA": "CA", "MYSQL_URL": "mysql://u:p@db/c?ssl_mode=REQUIRED"}),
    ("MYSQL_SSL_CA", {"MYSQL_SSL_CA": "CA", "MYSQL_URL": "mysql://u:p@db/c", "MYSQL_SSL_MODE": "PREFERRED"}),
    ("MYSQL_SSL_CA", {"MYSQL_SSL_CA": "CA", "MYSQL_URL": "mysql://u:p@db/c?ssl_ca=CA"}),
    ("MYSQL_SSL_MODE", {"MYSQL_SSL_MODE": "REQUIRED", "MYSQL_URL": "mysql://u:p@db/c?ssl_ca=CA"}),
    ("REDIS_SSL_CA", {"REDIS_SSL_CA": "CA"}),
    ("REDIS_SSL_CA", {"REDIS_SSL_CA": "CA", "REDIS_URL": "redis://cache"}),
    ("REDIS_SSL_CA", {"REDIS_SSL_CA": "CA", "REDIS_URL": "rediss://cache?ssl_ca_certs=CA"}),
    ("REDIS_URL", {"WORKERS": "2", "MYSQL_URL": "mysql://u:p@db/c"}),
    ("REDIS_URL", {"REPLICAS": "2", "MYSQL_URL": "mysql://u:p@db/c"}),
    ("MYSQL_URL", {"WORKERS": "2", "REDIS_URL": "redis://cache"}),
    ("METRICS_PORT", {"METRICS_PORT": "8001", "PORT": "8001"}),
    ("REFRESH_TOKEN_TTL_S", {"REFRESH_TOKEN_TTL_S": "3600", "ACCESS_TOKEN_TTL_S": "3600"}),
    ("JWT_SECRET", {"GOCHAT_ENV": "production", "SQLITE_PATH": "/data/chat.db"}),
]
"""What each of them may be, but not beside the others; `CA` is the file of an authority."""

Refuse = Callable[[dict[str, str]], str]


@pytest.fixture
def refused(load: Load) -> Refuse:
    """Load the settings from exactly this environment; return the one line of the refusal."""

    def refuse(environment: dict[str, str]) -> str:
        with pytest.raises(ConfigError) as caught:
            load(environment)
        (line,) = str(caught.value).splitlines()
        return line

    return refuse


def rows(name: str) -> list[str]:
    """What a setting may not be."""
    field = Settings.model_fields[name]
    return [*WRONG.get(name, ()), *of_type(field), *of_bounds(field)]


def of_type(field: FieldInfo) -> Iterator[str]:
    kinds = {field.annotation, *get_args(field.annotation)} - {NoneType}
    if int in kinds:
        yield from ("x", "1.5", "0x10", "1e3")
    elif float in kinds:
        yield from ("x", "nan", "inf", "1;2")
    elif bool in kinds:
        yield from ("maybe", "2")
    elif get_origin(field.annotation) is Literal or any(map(is_enum, kinds)):
        yield from ("no-such-word", "0", "none of them")


def is_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def of_bounds(field: FieldInfo) -> Iterator[str]:
    for bound in field.metadata:
        match bound:
            case annotated_types.Ge(ge=lowest):
                yield str(lowest - 1)  # type: ignore[operator]
            case annotated_types.Gt(gt=lowest):
                yield str(lowest)
            case annotated_types.Le(le=highest):
                yield str(highest + 1)  # type: ignore[operator]
            case _:
                pass


TABLE = [(name, value) for name in Settings.model_fields for value in rows(name)]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a certificate authority."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    path.write_bytes(Authority().certificate)
    return path


def test_every_setting_has_a_row() -> None:
    without = {name for name in Settings.model_fields if not rows(name)}
    assert without == (ANYTHING | LATER.keys()) - WRONG.keys()
    assert WRONG.keys() <= Settings.model_fields.keys()


@pytest.mark.parametrize(("name", "value"), TABLE, ids=[f"{name}-{n}" for n, (name, _) in enumerate(TABLE)])
def test_what_a_setting_may_not_be(refused: Refuse, name: str, value: str) -> None:
    for variable in variables(name):
        line = refused({variable: value})
        assert variable in line.partition(": ")[0].split(" or "), line
        assert SECRET not in line
        if SecretStr in get_args(Settings.model_fields[name].annotation):
            assert value not in line


ODD = {
    "a line break": "a\nb",
    "a line break at the end": "chat.db\r\n",
    "an escape": "a\x1b[2Jb",
    "a separator of lines": "a\u2028b",
    "bytes that are not UTF-8": "a\udcff" * 16,
}
FREE = {"jwt_secret", "jwt_secrets_old"}
"""What may hold any text that can be encoded."""


@pytest.mark.parametrize("name", sorted(Settings.model_fields.keys() - ANYTHING))
def test_what_no_setting_may_be(refused: Refuse, name: str) -> None:
    several = get_origin(Settings.model_fields[name].annotation) is tuple
    for what, value in ODD.items():
        if name in FREE and "UTF-8" not in what:
            continue
        for variable in variables(name):
            line = refused({variable: f"{value},b" if several else value})
            assert variable in line.partition(": ")[0].split(" or "), (what, line)
            assert line.isprintable(), what


@pytest.mark.parametrize("name", sorted(Settings.model_fields.keys() - ANYTHING - FREE))
def test_a_url_of_another_setting_is_not_repeated(refused: Refuse, name: str) -> None:
    kinds = get_args(Settings.model_fields[name].annotation)
    for value in (f"https://ann:{SECRET}@db/chat", f"mysql://{SECRET}@db"):
        if name == "metrics_token" or (SecretStr in kinds and value.startswith("mysql")):
            continue
        line = refused({variables(name)[0]: value})
        assert variables(name)[0] in line.partition(": ")[0]
        assert SECRET not in line


def start(settings: Settings) -> None:
    """What a start looks at."""
    with ExitStack() as listening:
        for it in listen(settings.host, 0):
            listening.enter_context(it)
        for it in listen_for_metrics(settings):
            listening.enter_context(it)
    look(settings)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in LATER for value in LATER[name]])
def test_what_a_machine_has_not(tmp_path: Path, name: str, value: str) -> None:
    given = {"jwt_secret": "k" * 32, "sqlite_path": tmp_path / "chat.db", "metrics_port": 0, name: value}
    with pytest.raises((ConfigError, PortTakenError)) as caught:
        start(Settings(**given))  # type: ignore[arg-type]
    (line,) = str(caught.value).splitlines()
    assert line.partition(": ")[0] in {name.upper(), name.upper().replace("HOST", "PORT")}


@pytest.mark.parametrize(("named", "environment"), TOGETHER)
def test_what_contradicts_itself(
    refused: Refuse, authority: Path, named: str, environment: dict[str, str]
) -> None:
    given = {name: value.replace("CA", str(authority)) for name, value in environment.items()}
    assert refused(given).startswith(f"{named}: ")


def mistyped(variable: str) -> set[str]:
    middle = len(variable) // 2
    return {
        variable[:-1],
        f"{variable}S",
        f"{variable[:middle]}{variable[middle]}{variable[middle:]}",
        variable[:middle] + variable[middle + 1 :],
    }


def all_names() -> list[str]:
    return [variable for name in Settings.model_fields for variable in variables(name)]


@pytest.mark.parametrize("variable", all_names())
def test_a_name_that_is_nearly_one(refused: Refuse, variable: str) -> None:
    for name in mistyped(variable) - set(all_names()):
        if len(name) >= 4 and not name.startswith("RAILWAY_"):
            assert refused({name: SECRET}).startswith(f"{name}: there is no such setting; is ")
