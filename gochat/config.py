"""The settings: one frozen object, and the only reader of the environment.

`load_settings` is what a program calls. The names are those that Railway and most hosts give as they are
(`PORT`, `MYSQL_URL`, `REDIS_URL`), so none has a prefix. URLs and secrets are `SecretStr`: no repr, no log
and no error here shows them.
"""

import difflib
import errno
import ipaddress
import json
import os
import re
import secrets
import ssl
import stat
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args, get_origin
from urllib.parse import quote, urlsplit

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gochat import urls
from gochat.address import Proxies
from gochat.core.limits import Limits
from gochat.core.ports.backend import SERVER
from gochat.core.rates import LOGIN, LOGIN_HERE, LOGIN_KNOWN, REGISTER, SLOW_MODE, Key, Rate, table
from gochat.core.registration import Mode
from gochat.core.speech import Rules

SECRET_MIN_BYTES = 32
_EXAMPLE_SECRET = re.compile(
    r"change.?me|example|replace|placeholder|your.?(jwt.?)?secret|^(.{1,8})\2+$", re.I
)
_PORTS = {"http": 80, "https": 443}
_ORIGIN_PORTS = _PORTS | {"ws": 80, "wss": 443}
_SSL_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_VERIFYING = _SSL_MODES[3:]
_REDIS_WORDS = {"ssl_cert_reqs": ("required", "optional", "none"), "ssl_check_hostname": ("true", "false")}

RAILWAY_EDGE = "100.64.0.0/10"
"""Where Railway's edge connects from: shared address space (RFC 6598), which nobody outside can come from."""

_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_LOGIN_RATE = re.compile(rf"([1-9]\d{{0,8}})/({'|'.join(_SECONDS)})")
ROLES = ("serve", "search")

Csv = Annotated[tuple[str, ...], NoDecode]


class ConfigError(Exception):
    """The settings do not allow a start. The text names each setting to change, and no secret value."""


class JwtIssuer(BaseModel):
    """One of JWT_ISSUERS: who may vouch for users by tokens of their own, and how these say who they are."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    issuer: str = Field(pattern=r"^[\x21-\x7e]{1,200}$")
    jwks_url: str = Field(max_length=2_000)
    audience: str = Field(min_length=1, max_length=500)
    id_claim: str = Field("sub", min_length=1, max_length=200)
    name_claim: str = Field("name", min_length=1, max_length=200)
    avatar_claim: str = Field("picture", min_length=1, max_length=200)
    max_age_s: int = Field(86_400, ge=60, le=31_536_000)

    @field_validator("issuer")
    @classmethod
    def _check_issuer(cls, issuer: str) -> str:
        if issuer == SERVER:
            raise ValueError(f"{SERVER!r} is the name of your own backend")
        return issuer

    @field_validator("jwks_url")
    @classmethod
    def _check_jwks_url(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in _PORTS and parts.hostname and (parts.port or True)
        except ValueError:
            usable = False
        if not usable or "@" in parts.netloc or not re.fullmatch(r"[\x21-\x7e]+", url):
            raise ValueError("must be a URL such as https://login.example.com/.well-known/jwks.json")
        return url

    def __str__(self) -> str:
        return self.issuer


class Settings(BaseSettings):
    """Everything that the environment decides. Durations are in seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        loc_by_alias=False,
    )

    gochat_env: Literal["development", "production"] = Field(
        "development",
        description="`development` or `production`. `production` if RAILWAY_ENVIRONMENT is set.",
    )
    railway_environment: str | None = Field(
        None,
        validation_alias=AliasChoices("RAILWAY_ENVIRONMENT", "RAILWAY_ENVIRONMENT_NAME"),
        description="Set by Railway.",
    )

    host: str = Field("127.0.0.1", description="Address to listen on. `0.0.0.0` lets other machines in.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(
        1, ge=1, le=256, description="Processes of this server. Several need Redis and MySQL."
    )
    replicas: int = Field(
        1,
        ge=1,
        le=10_000,
        description="Servers like this one on the same database. Several need Redis and MySQL.",
    )
    keep_alive_s: float = Field(
        75,
        gt=0,
        le=3_600,
        description="How long an idle HTTP connection is kept: longer than proxies do (nginx: 60).",
    )
    ping_interval_s: float = Field(
        25, ge=1, le=300, description="From one ping of a socket to the next. Shorter than proxies' patience."
    )
    ping_timeout_s: float = Field(
        20, ge=1, le=300, description="How long a socket's pong may take before it is closed."
    )
    forwarded_allow_ips: Csv = Field(
        ("127.0.0.1",),
        description="Proxies whose X-Forwarded-For is believed: addresses or networks, by commas; or how many"
        " there are before any peer, `*` being one. On Railway, its edge.",
    )
    forwarded_real_ip: bool = Field(
        False,
        description="Whether X-Real-IP of such a proxy goes before X-Forwarded-For. On Railway `true`.",
    )
    allowed_origins: Csv = Field(
        (),
        description="Other websites whose pages are let in, by commas: `https://app.example.com`; or `*`."
        " Native apps, and pages of this server's own host, need not stand here.",
    )
    allow_app_origins: bool = Field(
        True,
        description="Whether apps of web pages are let in: `capacitor://`, `ionic://`, `file://`, `null`.",
    )
    sockets_per_user: int = Field(
        20,
        ge=1,
        le=10_000,
        description="Most sockets of one user at each process; one more closes the oldest.",
    )
    sockets_per_address: int = Field(
        0,
        ge=0,
        description="Most sockets of one network address at each process; 0: any number, since many phones"
        " share the address of their carrier.",
    )
    socket_backlog_max_bytes: int = Field(
        900_000,
        ge=65_536,
        le=1 << 30,
        description="What may wait to be sent to one socket; who reads more slowly has to connect again.",
    )
    io_uring: bool = Field(
        False,
        description="Whether large rooms are sent to by one system call, if the kernel lets it (Linux 5.17).",
    )
    lame_duck_seconds: float = Field(
        0,
        ge=0,
        le=600,
        description="Time between SIGTERM and the end of listening, in which `health/ready` answers 503: what"
        " a balancer that asks it needs to send nobody here any more.",
    )
    drain_seconds: float = Field(
        10, ge=0, le=600, description="Time over which sockets are closed on SIGTERM."
    )

    mysql_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("MYSQL_URL", "DATABASE_URL"),
        description="`mysql://user:password@host:port/database`. Without it, SQLite.",
    )
    mysql_ssl_mode: str | None = Field(
        None,
        description="How connections to MySQL are encrypted, as `?ssl_mode=` of MYSQL_URL says it too:"
        " `DISABLED`, `PREFERRED` (if the server can), `REQUIRED`, `VERIFY_CA` (only to a server of that"
        " authority) or `VERIFY_IDENTITY` (and of that name). With a CA the last, else PREFERRED.",
    )
    mysql_ssl_ca: Path | None = Field(
        None,
        description="The PEM file of MySQL's certificate authority, as `?ssl_ca=`; else those that the system"
        " trusts.",
    )
    sqlite_path: Path = Field(Path("gochat.db"), description="The SQLite file, used without MYSQL_URL.")
    redis_url: SecretStr | None = Field(
        None,
        description="`redis://:password@host:port/number`, or `rediss://...` for TLS: joins processes.",
    )
    redis_ssl_ca: Path | None = Field(
        None,
        description="The PEM file of Redis' certificate authority, as `?ssl_ca_certs=` of a `rediss://` URL;"
        " else those that the system trusts.",
    )
    redis_prefix: str = Field(
        "gochat",
        pattern=r"^[A-Za-z0-9_.-]{1,64}$",
        description="Begins the names of channels and keys in Redis; another one for each deployment on it.",
    )
    db_pool_size: int = Field(8, ge=1, le=256, description="Threads that read, each with its own connection.")
    writer_queue_max: int = Field(10_000, ge=1, description="Commands that may wait; then `overloaded`.")
    writer_batch_max_rows: int = Field(256, ge=1, le=10_000, description="Most commands in one transaction.")
    writer_batch_max_bytes: int = Field(
        1_048_576, ge=65_536, le=16_777_216, description="Most bytes in one transaction."
    )

    roles: Csv = Field(
        ROLES,
        description="What these processes do, by commas: `serve`, which is needed, and `search`, which keeps"
        " the index of search up to date; or `all`. At least one process has to have each.",
    )

    jwt_secret: SecretStr = Field(
        SecretStr(""),
        description="Signs tokens; 32 random bytes or more. In development, kept in `.gochat/secret`.",
    )
    jwt_secrets_old: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Former values of JWT_SECRET that still verify, by commas, while one is exchanged."
    )
    access_token_ttl_s: int = Field(900, ge=30, le=86_400, description="Life of an access token.")
    refresh_token_ttl_s: int = Field(
        5_184_000, ge=3_600, le=31_536_000, description="Life of an unused login."
    )
    jwt_issuers: Annotated[tuple[JwtIssuer, ...], NoDecode] = Field(
        (),
        description="Your own login: a JSON list of `{issuer, jwks_url, audience}`, whose tokens"
        " `POST auth/exchange` takes; see docs/own-login.md.",
    )
    rates: Csv = Field(
        (),
        description="Changes of how often a user may do what, by commas, such as"
        " `message:send=600/60,typing:start=off` (uses at once, and again in every so many seconds);"
        " `all=off` lets everything through. The table is in docs/protocol.md.",
    )
    registration: Mode = Field(
        Mode.OPEN,
        description="Who may make an account by `POST auth/register`: `open`, anybody; `invite`, who has a"
        " code of `gochat user invite`; `closed`, nobody but `gochat user create`.",
    )
    login_rate: str | None = Field(
        None,
        description="Logins that fail, and registrations, for each account and address, such as `10/minute`:"
        " in place of RATES' rows for them.",
    )
    argon2_time_cost: int = Field(2, ge=1, le=20, description="Argon2id passes.")
    argon2_memory_kib: int = Field(19_456, ge=8_192, le=1_048_576, description="Argon2id memory for a hash.")
    argon2_parallelism: int = Field(1, ge=1, le=16, description="Argon2id lanes.")
    argon2_threads: int = Field(2, ge=1, le=64, description="Passwords hashed at the same time.")

    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port of `/metrics` for Prometheus, on METRICS_HOST: of all workers, and without a"
        " token. Let nobody else reach it.",
    )
    metrics_host: str = Field("127.0.0.1", description="Address to listen on for METRICS_PORT.")
    metrics_token: SecretStr | None = Field(
        None,
        description="With it `/metrics` is answered on PORT too, to `Authorization: Bearer` and this; 16"
        " bytes or more.",
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        None,
        description="Base URL of a collector of OpenTelemetry, such as `http://otel:4318`: there traces go,"
        " by OTLP over HTTP. Needs requirements/tracing.txt. Without it nothing is traced.",
    )
    otel_traces_sampler_arg: float = Field(
        0.01, ge=0, le=1, description="Which part of the events and requests is traced, of 1."
    )
    slow_ms: int = Field(
        1_000,
        ge=0,
        description="Milliseconds from which on an event, a request, a batch or a read is logged as slow,"
        " with its parts; 0: never.",
    )
    run_dir: Path | None = Field(
        None,
        description="Folder of the sockets by which `gochat` asks running processes; else `gochat-<uid>`"
        " in the system's folder for temporary files. Nobody else may enter it.",
    )

    terms_version: str | None = Field(
        None,
        pattern=r"^[\x21-\x7e]{1,32}$",
        description="Version of the terms that users have to accept before they write; a new one, anew.",
    )
    terms_url: str | None = Field(None, description="Where the terms are to be read, for `GET terms`.")
    contact: str | None = Field(
        None, description="Whom users turn to, for `GET terms`: an address of mail or a page."
    )
    delete_grace_s: int = Field(
        2_592_000,
        ge=0,
        le=31_536_000,
        description="How long after `DELETE me` logging in takes it back, in seconds; 0: nothing does.",
    )
    deleted_messages: Literal["keep", "erase"] = Field(
        "keep", description="What becomes of messages of deleted accounts: `keep` them under a neutral name."
    )
    filters_path: Path | None = Field(
        None,
        description="A TOML file of what may not be said: `words`, `patterns`, `domains` (lists),"
        " `links_after_hours`, `slow_mode_seconds`; see docs/operations.md.",
    )
    body_max_chars: int = Field(8_000, ge=1, le=65_535, description="Longest message body, in characters.")
    system_messages: bool = Field(
        True,
        description="Whether what happens to a group (who came and went, roles, title, picture) is told by"
        " messages of the kind `system` in it, too.",
    )
    edit_within_s: int = Field(
        0,
        ge=0,
        description="How long after sending a message may be edited, in seconds; 0: for ever.",
    )
    delete_within_s: int = Field(
        0, ge=0, description="The same of deleting it. Admins and owners may always delete in a group."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="`debug`, `info`, `warning`, `error`."
    )
    log_format: Literal["console", "json"] = Field(
        "console", description="`console` for people, `json` for machines, which is production's default."
    )

    @model_validator(mode="before")
    @classmethod
    def _follow_the_environment(cls, given: dict[str, Any]) -> dict[str, Any]:
        on_railway = any(given.get(name) for name in ("RAILWAY_ENVIRONMENT", "RAILWAY_ENVIRONMENT_NAME"))
        environment = given.setdefault("gochat_env", "production" if on_railway else "development")
        if environment == "production":
            given.setdefault("log_format", "json")
        if on_railway:
            given.setdefault("forwarded_allow_ips", RAILWAY_EDGE)
            given.setdefault("forwarded_real_ip", True)
        return given

    @field_validator(
        "allowed_origins", "forwarded_allow_ips", "jwt_secrets_old", "rates", "roles", mode="before"
    )
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("jwt_issuers", mode="before")
    @classmethod
    def _read_issuers(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError("must be a JSON list of {issuer, jwks_url, audience}") from None

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(origin if origin in {"*", "null"} else _normal_origin(origin) for origin in origins)

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _check_proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        Proxies(proxies)
        return proxies

    @field_validator("rates")
    @classmethod
    def _check_rates(cls, changes: tuple[str, ...]) -> tuple[str, ...]:
        table(changes)
        return changes

    @field_validator("roles")
    @classmethod
    def _check_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(roles) - {"all", *ROLES}:
            raise ValueError(f"{min(unknown)!r} is none of all, {', '.join(ROLES)}")
        if not {"all", "serve"} & set(roles):
            raise ValueError("needs serve, or all")
        return ROLES if "all" in roles else roles

    @field_validator("login_rate")
    @classmethod
    def _check_login_rate(cls, rate: str | None) -> str | None:
        if rate is not None and not _LOGIN_RATE.fullmatch(rate):
            raise ValueError("must be a rate such as 10/minute")
        return rate

    @field_validator("sqlite_path")
    @classmethod
    def _check_sqlite_path(cls, path: Path) -> Path:
        if str(path) == ":memory:":
            raise ValueError("must be a file: what is in memory is not shared by connections")
        return path

    @field_validator("mysql_url")
    @classmethod
    def _check_mysql_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            urls.check(url.get_secret_value(), urls.MYSQL)
            _check_tls(urls.parameters(url.get_secret_value()))
        return url

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            urls.check(url.get_secret_value(), urls.REDIS)
            said = urls.parameters(url.get_secret_value())
            _check_authority(said.get("ssl_ca_certs"))
            for name, words in _REDIS_WORDS.items():
                if said.get(name, words[0]).lower() not in words:
                    raise ValueError(f"{name} must be one of {', '.join(words)}")
        return url

    @field_validator("mysql_ssl_mode")
    @classmethod
    def _check_ssl_mode(cls, mode: str | None) -> str | None:
        return None if mode is None else _ssl_mode(mode)

    @field_validator("mysql_ssl_ca", "redis_ssl_ca")
    @classmethod
    def _check_ssl_ca(cls, path: Path | None) -> Path | None:
        _check_authority(path)
        return path

    @field_validator("terms_url", "otel_exporter_otlp_endpoint")
    @classmethod
    def _check_http_url(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"https?://[^\s/?#@]+(/\S*)?", url):
            raise ValueError("must be an address such as https://example.com")
        return url

    @field_validator("contact")
    @classmethod
    def _check_contact(cls, contact: str | None) -> str | None:
        if contact is not None and not re.fullmatch(r"https?://\S+|[^\s@]+@[^\s@]+", contact):
            raise ValueError("must be an address of mail, or of a page")
        return contact

    # Before the others: these may repeat the text, in an error or in a file's name.
    @field_validator("*", mode="before")
    @classmethod
    def _check_text(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str) and info.field_name is not None:
            _check_text(value, info.field_name)
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if problems := list(self._problems()):
            raise ValueError("\n".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        if self.workers * self.replicas > 1:
            several = "WORKERS" if self.workers > 1 else "REPLICAS"
            if self.redis_url is None:
                yield f"REDIS_URL: several processes ({several}) need Redis to reach each other's phones"
            if self.mysql_url is None:
                yield f"MYSQL_URL: several processes ({several}) need MySQL; SQLite serves one"
        yield from self._problems_of_tls()
        if self.refresh_token_ttl_s <= self.access_token_ttl_s:
            yield "REFRESH_TOKEN_TTL_S: is no longer than ACCESS_TOKEN_TTL_S: nobody would stay logged in"
        if 0 < len(self.jwt_secret.get_secret_value().encode()) < SECRET_MIN_BYTES:
            yield f"JWT_SECRET: is shorter than {SECRET_MIN_BYTES} bytes. {_HOW_TO_MAKE_ONE}"
        if any(len(old.get_secret_value().encode()) < SECRET_MIN_BYTES for old in self.jwt_secrets_old):
            yield f"JWT_SECRETS_OLD: one of them is shorter than {SECRET_MIN_BYTES} bytes"
        if len({it.issuer for it in self.jwt_issuers}) < len(self.jwt_issuers):
            yield "JWT_ISSUERS: two of them have one name"
        if self.metrics_token is not None and len(self.metrics_token.get_secret_value().encode()) < 16:
            yield "METRICS_TOKEN: is shorter than 16 bytes"
        elif self.metrics_token is not None and self.metrics_token.get_secret_value().strip() != (
            self.metrics_token.get_secret_value()
        ):
            yield "METRICS_TOKEN: begins or ends with a blank, which no header keeps"
        if self.metrics_port is not None and self.metrics_port == self.port != 0:
            yield "METRICS_PORT: is PORT; it needs one of its own, or METRICS_TOKEN instead"
        if self.is_production:
            yield from self._problems_of_production()

    def _problems_of_tls(self) -> Iterator[str]:
        given = {"ssl_mode": self.mysql_ssl_mode, "ssl_ca": self.mysql_ssl_ca}
        said = {} if self.mysql_url is None else urls.parameters(self.mysql_url.get_secret_value())
        for name, value in given.items():
            if value is None:
                continue
            if self.mysql_url is None:
                yield f"MYSQL_{name.upper()}: there is no MYSQL_URL"
            elif name in said:
                yield f"MYSQL_{name.upper()}: MYSQL_URL has an {name} of its own"
        mode = self.mysql_ssl_mode or said.get("ssl_mode", "").upper()
        if self.mysql_ssl_ca is not None and mode and mode not in _VERIFYING:
            yield f"MYSQL_SSL_CA: no certificate is looked at with {mode}; take {' or '.join(_VERIFYING)}"
        elif "ssl_ca" in said and self.mysql_ssl_mode and mode not in _VERIFYING:
            yield f"MYSQL_SSL_MODE: with the ssl_ca of MYSQL_URL it has to be {' or '.join(_VERIFYING)}"
        if self.redis_ssl_ca is not None:
            url = "" if self.redis_url is None else self.redis_url.get_secret_value()
            if not url.startswith("rediss://"):
                yield "REDIS_SSL_CA: REDIS_URL has to begin with rediss://"
            elif "ssl_ca_certs" in urls.parameters(url):
                yield "REDIS_SSL_CA: REDIS_URL has ssl_ca_certs of its own"

    def _problems_of_production(self) -> Iterator[str]:
        secret = self.jwt_secret.get_secret_value()
        if not secret:
            yield f"JWT_SECRET: must be set in production. {_HOW_TO_MAKE_ONE}"
        elif _EXAMPLE_SECRET.search(secret):
            yield f"JWT_SECRET: is an example, not a secret. {_HOW_TO_MAKE_ONE}"
        if any(_EXAMPLE_SECRET.search(old.get_secret_value()) for old in self.jwt_secrets_old):
            yield "JWT_SECRETS_OLD: one of them is an example, not a secret"
        if any(not it.jwks_url.startswith("https://") for it in self.jwt_issuers):
            yield "JWT_ISSUERS: a jwks_url must begin with https:// in production"
        if self.mysql_url is None and "sqlite_path" not in self.model_fields_set:
            yield "MYSQL_URL: must be set in production, or SQLITE_PATH to a file on a disk that is kept"

    @property
    def is_production(self) -> bool:
        """Whether mistakes that a developer may make stop the start."""
        return self.gochat_env == "production"

    @cached_property
    def speech(self) -> Rules:
        """Who may speak, and what is not said.

        Raises:
            ConfigError: the file of FILTERS_PATH is not as it has to be.
        """
        return Rules(
            terms_version=self.terms_version, most=self.body_max_chars, **_filters(self.filters_path)
        )

    @property
    def rate_table(self) -> tuple[Rate, ...]:
        """How often who may do what."""
        changes = list(self.rates)
        if self.login_rate is not None and (match := _LOGIN_RATE.fullmatch(self.login_rate)):
            row = f"{match[1]}/{_SECONDS[match[2]]}"
            rows = (
                (LOGIN_HERE, Key.ADDRESS),
                (LOGIN, Key.ACCOUNT),
                (LOGIN, Key.ADDRESS),
                (LOGIN_KNOWN, Key.ACCOUNT),
                (REGISTER, Key.ADDRESS),
            )
            changes += [f"{name}@{key}={row}" for name, key in rows]
        slow = self.speech.slow_mode_s
        return (*table(changes), *([Rate(SLOW_MODE, 1, slow, Key.CONVERSATION)] if slow else []))

    @property
    def limits(self) -> Limits:
        """Those of the rules that are for the operator to set."""
        return Limits(
            body=self.body_max_chars,
            system_messages=self.system_messages,
            edit_within_s=self.edit_within_s,
            delete_within_s=self.delete_within_s,
        )

    @property
    def keys(self) -> list[bytes]:
        """What tokens, cursors and words between processes are signed with; the first one signs."""
        secrets = (self.jwt_secret, *self.jwt_secrets_old)
        return [secret.get_secret_value().encode() for secret in secrets]

    @property
    def database_url(self) -> SecretStr:
        """The SQLAlchemy URL of the database: `mysql+pymysql://...`, or `sqlite:///...`.

        Its parameters say how it is encrypted, as `storage.tls` takes them.
        """
        if self.mysql_url is None:
            return SecretStr(f"sqlite:///{quote(os.fsencode(self.sqlite_path))}")
        _, _, rest = self.mysql_url.get_secret_value().partition("://")
        url = f"mysql+pymysql://{rest}"
        said = urls.parameters(url)
        mode, ca = self.mysql_ssl_mode or said.get("ssl_mode"), self.mysql_ssl_ca or said.get("ssl_ca")
        mode = mode or ("VERIFY_IDENTITY" if ca else "REQUIRED" if "ssl_cert" in said else None)
        added = {"ssl_mode": _ssl_mode(mode)} if mode else {}
        added |= {"ssl_ca": str(ca)} if ca else {}
        return SecretStr(urls.with_parameters(url, added) if added else url)

    @property
    def redis_url_with_ca(self) -> SecretStr | None:
        """The URL of Redis, as redis-py takes it, with REDIS_SSL_CA; None: there is none."""
        if self.redis_url is None or self.redis_ssl_ca is None:
            return self.redis_url
        added = {"ssl_ca_certs": str(self.redis_ssl_ca)}
        return SecretStr(urls.with_parameters(self.redis_url.get_secret_value(), added))


_HOW_TO_MAKE_ONE = "Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment; `overrides` (by field name) go before it.

    In development without JWT_SECRET, one is made and kept in `.gochat/secret` beside the SQLite file, so
    that logins outlive a restart. Raises ConfigError, naming every setting that is wrong.
    """
    if mistyped := list(_mistyped(os.environ)):
        raise ConfigError("\n".join(mistyped))
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(error))) from None
    if not settings.jwt_secret.get_secret_value():
        path = settings.sqlite_path.parent / ".gochat" / "secret"
        try:
            secret = _development_secret(path)
        except OSError as error:
            raise ConfigError(
                f"SQLITE_PATH or JWT_SECRET: a secret can't be kept in {path}: {error.strerror}"
            ) from None
        settings = settings.model_copy(update={"jwt_secret": secret})
    return settings


def _mistyped(environment: Iterable[str]) -> Iterator[str]:
    """Name variables that are no settings, but nearly: what somebody meant to set would be the default."""
    known = [variable for name in Settings.model_fields for variable in variables(name)]
    for name in environment:
        if name in known or name.startswith(_OF_HOSTS) or len(name) < 4:
            continue
        if meant := difflib.get_close_matches(name, known, n=1, cutoff=_NEAR):
            yield f"{name}: there is no such setting; is {meant[0]} meant?"


_NEAR = 0.88
"""How alike two names are, of 1, for one to be taken for the other mistyped: one letter of eight."""
_OF_HOSTS = ("RAILWAY_",)
"""What hosts set by themselves."""


class Shown(NamedTuple):
    """One setting as an operator may see it."""

    variable: str
    value: str
    given: bool
    """Whether it was given, or is the default."""


def effective(settings: Settings) -> Iterator[Shown]:
    """Every setting in force, without a secret: of URLs, the password is hidden."""
    for name in Settings.model_fields:
        value = getattr(settings, name)
        given = name in settings.model_fields_set
        yield Shown(variables(name)[0], _hidden(value) if _is_secret(value) else _plain(value), given)


def _is_secret(value: object) -> bool:
    return isinstance(value, SecretStr) or (isinstance(value, tuple) and any(map(_is_secret, value)))


def _hidden(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_hidden, value))
    text = value.get_secret_value() if isinstance(value, SecretStr) else ""
    parts = urlsplit(text)
    if not parts.hostname:
        return "(hidden)" if text else ""
    user = f"{parts.username or ''}:(hidden)@" if parts.password else ""
    # Nothing of the query: it may hold keys.
    return f"{parts.scheme}://{user}{parts.netloc.rpartition('@')[2]}{parts.path}"


def _plain(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)


def variables(name: str) -> tuple[str, ...]:
    """Return the environment variables that set the field `name`, the one that goes first first."""
    field = Settings.model_fields.get(name)
    alias = field.validation_alias if field else None
    return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (name.upper(),)


def _explain(error: ValidationError) -> Iterator[str]:
    """Turn pydantic's errors into lines `VARIABLE: what is wrong`, without the values."""
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        message = problem["msg"].removeprefix("Value error, ")
        names = variables(str(problem["loc"][0])) if problem["loc"] else ()
        if within := [str(it) for it in problem["loc"][1:] if isinstance(it, str)]:
            message = f"{'.'.join(within)}: {message}"
        yield f"{' or '.join(names)}: {message}" if names else message


_ANY_BYTES = {"jwt_secret", "jwt_secrets_old"}
_NUMBERS = {int, float, bool}
_USER_OF_URL = re.compile(r"://[^\s/?#]*@")


def _check_text(text: str, name: str) -> None:
    """Refuse what nobody means: what can't be shown in a line, or a secret where it would be shown."""
    annotation = Settings.model_fields[name].annotation
    kinds = {annotation, *get_args(annotation)}
    several = any(get_origin(kind) is tuple for kind in kinds)
    shown = "".join(text.split()) if several else text
    fit = _is_unicode(text) if name in _ANY_BYTES else shown.isprintable()
    if not fit and not kinds & _NUMBERS:
        raise ValueError("holds a line break, another control character, or bytes that are not UTF-8")
    if SecretStr not in kinds and _USER_OF_URL.search(text):
        raise ValueError("holds a URL with a user or password, which is for another setting")


def _is_unicode(text: str) -> bool:
    """Bytes of the environment that are not UTF-8 become lone surrogates, which nothing can encode."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _ssl_mode(text: str) -> str:
    mode = text.upper()
    if mode not in _SSL_MODES:
        raise ValueError(f"must be one of {', '.join(_SSL_MODES)}")
    return mode


def _check_tls(said: Mapping[str, str]) -> None:
    """What the URL of MySQL says of TLS."""
    mode = _ssl_mode(said["ssl_mode"]) if "ssl_mode" in said else None
    if "ssl_ca" in said and mode is not None and mode not in _VERIFYING:
        raise ValueError(f"no certificate is looked at with {mode}: ssl_ca needs {' or '.join(_VERIFYING)}")
    if "ssl_cert" in said and mode in _SSL_MODES[:2]:
        raise ValueError(f"a client's certificate needs {', '.join(_SSL_MODES[2:])}")
    if "ssl_key" in said and "ssl_cert" not in said:
        raise ValueError("ssl_key is there without ssl_cert")
    _check_authority(said.get("ssl_ca"))
    if "ssl_cert" in said:
        try:
            for name in said.keys() & {"ssl_cert", "ssl_key"}:
                _check_file(said[name])
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(said["ssl_cert"], said.get("ssl_key"))
        except (OSError, ValueError):
            raise ValueError("ssl_cert and ssl_key are no PEM files of a certificate and its key") from None


def _check_authority(path: Path | str | None) -> None:
    if path is None:
        return
    try:
        _check_file(path)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        why = "holds no PEM certificates" if isinstance(error, ssl.SSLError) else error.strerror
        raise ValueError(f"the file of the certificate authority: {why}") from None


def _check_file(path: Path | str) -> None:
    """Raise OSError unless it is a plain file of sane size: a pipe or a device may never come to an end."""
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "Not a plain file")
    if found.st_size > _FILE_MAX:
        raise OSError(errno.EFBIG, f"Longer than {_FILE_MAX >> 20} MiB")


_FILE_MAX = 16 << 20
"""Bytes. All authorities of a system take less than 1 MiB."""


def _normal_origin(text: str) -> str:
    """Return an origin as browsers send it: in lower case, without a port that goes without saying."""
    if re.fullmatch("file:///?", text.lower()):
        return "file://"
    parts = urlsplit(text.lower().removesuffix("/"))
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{text!r} has no such port") from None
    host = parts.netloc.rpartition(":")[0] if port is not None else parts.netloc
    plain = re.fullmatch(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", host)
    if not parts.scheme or not plain or text.lower().removesuffix("/") != f"{parts.scheme}://{parts.netloc}":
        raise ValueError(
            f"{text!r} is not an origin such as https://chat.example.com, or *. Browsers send no path,"
            " and names in ASCII; there are no wildcards."
        )
    if parts.scheme in _ORIGIN_PORTS:
        host = _normal_host(host, text)
    goes_without_saying = port in (None, _ORIGIN_PORTS.get(parts.scheme))
    return f"{parts.scheme}://{host}" + ("" if goes_without_saying else f":{port}")


def _normal_host(host: str, origin: str) -> str:
    """Return a website's host as browsers send it: addresses in their one form.

    Source: the URL Standard, section "Host writing".

    What ends in a number is an address, or nothing that a browser goes to.
    """
    parts = host.removesuffix(".").split(".")
    try:
        if host.startswith("["):
            return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
        if re.fullmatch("0x[0-9a-f]*|[0-9]+", parts[-1]):
            return str(ipaddress.IPv4Address(host))
    except ValueError:
        raise ValueError(f"{origin!r}: browsers send addresses as 192.0.2.1 or [2001:db8::1]") from None
    if not all(parts):
        raise ValueError(f"{origin!r} has a name with an empty part")
    return host


def _filters(path: Path | None) -> dict[str, Any]:
    """The operator's filters, as `Rules` takes them."""
    if path is None:
        return {}
    try:
        _check_file(path)
        given = tomllib.loads(path.read_text(encoding="utf-8"))
        unknown = given.keys() - {"words", "patterns", "domains", "links_after_hours", "slow_mode_seconds"}
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))}: no such filter")
        lists = {name: tuple(map(str, given.get(name, ()))) for name in ("words", "patterns", "domains")}
        return {
            "words": lists["words"],
            "patterns": tuple(re.compile(pattern) for pattern in lists["patterns"]),
            "domains": tuple(domain.casefold() for domain in lists["domains"]),
            "links_after_ms": int(float(given.get("links_after_hours", 0)) * 3_600_000),
            "slow_mode_s": float(given.get("slow_mode_seconds", 0)),
        }
    except OSError as error:
        raise ConfigError(f"FILTERS_PATH: {str(path)!r} can't be read: {error.strerror}") from None
    except (ValueError, TypeError, OverflowError, RecursionError, re.error) as error:
        raise ConfigError(f"FILTERS_PATH: {' '.join(str(error).split())}") from None


def _development_secret(path: Path) -> SecretStr:
    """Return the secret kept at `path`, made there (mode 0600) by whichever process comes first."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(draft)
    secret = path.read_text().strip()
    if len(secret.encode()) < SECRET_MIN_BYTES:
        raise ConfigError(f"JWT_SECRET: the one kept in {path} is too short. Delete that file.")
    return SecretStr(secret)
