"""The settings: what the environment may say, what stops the start, and what is never shown."""

import stat
from pathlib import Path

import pytest
from pydantic import ValidationError

from gochat.config import ConfigError, Settings, load_settings
from gochat.preflight import look
from scripts import settings_table
from tests.unit.conftest import Load

SECRET = "kZ3vQ8tY1pR6wX0bN5mC9dF2gH7jL4sA-uEiOqT"
PRODUCTION = {
    "GOCHAT_ENV": "production",
    "JWT_SECRET": SECRET,
    "MYSQL_URL": "mysql://gochat:hunter2@db.internal:3306/gochat",
    "REDIS_URL": "redis://:hunter2@redis.internal:6379",
}


def test_nothing_configured_is_one_process_on_sqlite(load: Load) -> None:
    settings = load({})
    assert (settings.gochat_env, settings.workers, settings.port) == ("development", 1, 8000)
    assert settings.database_url.get_secret_value() == "sqlite:///gochat.db"
    assert settings.redis_url is None
    assert settings.log_format == "console"


@pytest.mark.parametrize("name", ["MYSQL_URL", "DATABASE_URL"])
@pytest.mark.parametrize("scheme", ["mysql", "mysql+pymysql"])
def test_mysql_url_as_hosts_give_it(load: Load, name: str, scheme: str) -> None:
    settings = load({name: f"{scheme}://u:p%40@db:3306/chat?charset=utf8mb4"})
    assert settings.database_url.get_secret_value() == "mysql+pymysql://u:p%40@db:3306/chat?charset=utf8mb4"


@pytest.mark.parametrize("name", ["a%41.db", "a?b.db", "a b#c.db", "?mode=memory", "ä.db"])
def test_a_file_is_where_its_name_says(tmp_path: Path, name: str) -> None:
    settings = Settings(jwt_secret="k" * 32, sqlite_path=tmp_path / name)
    look(settings)
    assert [it.name for it in tmp_path.iterdir()] == [name]


def test_mysql_url_goes_before_database_url(load: Load) -> None:
    settings = load({"MYSQL_URL": "mysql://db/one", "DATABASE_URL": "mysql://db/two"})
    assert settings.database_url.get_secret_value().endswith("/one")


def test_empty_variables_count_as_not_set(load: Load) -> None:
    settings = load({"PORT": "", "MYSQL_URL": "", "REDIS_URL": "", "GOCHAT_ENV": ""})
    assert settings.port == 8000
    assert settings.mysql_url is None


def test_lists_are_split_at_commas(load: Load) -> None:
    settings = load({"ALLOWED_ORIGINS": "https://a.example, http://localhost:3000,"})
    assert settings.allowed_origins == ("https://a.example", "http://localhost:3000")


def test_settings_cannot_change(load: Load) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load({}).port = 1  # type: ignore[misc]


def test_overrides_go_before_the_environment(load: Load) -> None:
    load({"PORT": "9000"})
    assert load_settings(port=9001).port == 9001


def test_unknown_override_is_refused() -> None:
    with pytest.raises(ConfigError, match="PROT"):
        load_settings(prot=9001)


@pytest.mark.parametrize("name", ["RAILWAY_ENVIRONMENT", "RAILWAY_ENVIRONMENT_NAME"])
def test_railway_is_production_unless_said_otherwise(load: Load, name: str) -> None:
    settings = load(PRODUCTION | {"GOCHAT_ENV": "", name: "staging"})
    assert settings.is_production
    assert settings.log_format == "json"
    assert not load({"GOCHAT_ENV": "development", name: "staging"}).is_production
    assert settings.forwarded_allow_ips == ("100.64.0.0/10",)
    assert settings.forwarded_real_ip
    assert not load(PRODUCTION).forwarded_real_ip
    assert not load(PRODUCTION | {name: "staging", "FORWARDED_REAL_IP": "false"}).forwarded_real_ip
    assert load(
        {"FORWARDED_ALLOW_IPS": "10.0.0.1", name: "staging", "GOCHAT_ENV": "development"}
    ).forwarded_allow_ips == ("10.0.0.1",)


def test_sound_production_starts(load: Load) -> None:
    settings = load(PRODUCTION | {"WORKERS": "4", "REPLICAS": "3", "JWT_SECRETS_OLD": SECRET[::-1]})
    assert settings.is_production


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"JWT_SECRET": ""}, "JWT_SECRET", id="no secret"),
        pytest.param({"JWT_SECRET": SECRET[:31]}, "JWT_SECRET", id="short secret"),
        pytest.param({"JWT_SECRET": "change-me-" * 5}, "JWT_SECRET", id="example secret"),
        pytest.param({"JWT_SECRET": "your_jwt_secret" * 3}, "JWT_SECRET", id="another example"),
        pytest.param({"JWT_SECRET": "ab" * 20}, "JWT_SECRET", id="repetition"),
        pytest.param({"JWT_SECRETS_OLD": f"{SECRET},short"}, "JWT_SECRETS_OLD", id="short old secret"),
        pytest.param({"JWT_SECRETS_OLD": "example" * 9}, "JWT_SECRETS_OLD", id="example old secret"),
        pytest.param({"WORKERS": "2", "REDIS_URL": ""}, "REDIS_URL", id="workers without Redis"),
        pytest.param({"REPLICAS": "2", "REDIS_URL": ""}, "REDIS_URL", id="replicas without Redis"),
        pytest.param(
            {"WORKERS": "2", "MYSQL_URL": "", "SQLITE_PATH": "/data/x.db"},
            "MYSQL_URL",
            id="workers on SQLite",
        ),
        pytest.param({"MYSQL_URL": ""}, "MYSQL_URL", id="a SQLite file that nobody chose"),
    ],
)
def test_unsafe_production_does_not_start(load: Load, change: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=rf"(?m)\A{named}\b") as caught:
        load(PRODUCTION | change)
    assert len(str(caught.value).splitlines()) == 1
    _assert_tells_no_secret(str(caught.value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("WORKERS", "0"),
        ("GOCHAT_ENV", "prod"),
        ("LOG_FORMAT", "xml"),
        ("LOGIN_RATE", "often"),
        ("ALLOWED_ORIGINS", "chat.example.org"),
        ("ALLOWED_ORIGINS", "https://*.example.org"),
        ("ALLOWED_ORIGINS", "https://ünï.example"),
        ("ALLOWED_ORIGINS", "https://user@chat.example.org"),
        ("ALLOWED_ORIGINS", "https://chat.example.org:99999"),
        ("ALLOWED_ORIGINS", "https://chat.example.org?x"),
        ("ALLOWED_ORIGINS", "https://"),
        ("ALLOWED_ORIGINS", "http://127.1"),
        ("ALLOWED_ORIGINS", "http://192.168.1.300"),
        ("ALLOWED_ORIGINS", "http://0x7f000001"),
        ("ALLOWED_ORIGINS", "https://[::1"),
        ("ALLOWED_ORIGINS", "https://[1::2::3]"),
        ("ALLOWED_ORIGINS", "https://chat..example.org"),
        ("PING_INTERVAL_S", "0"),
        ("KEEP_ALIVE_S", "0"),
        ("ALLOWED_ORIGINS", "https://chat.example.org/path"),
        ("MYSQL_URL", "postgres://u:hunter2@db/chat"),
        ("MYSQL_URL", "mysql://u:hunter2@db"),
        ("MYSQL_URL", "mysql://u:hunter2@db:port/chat"),
        ("DATABASE_URL", "postgres://u:hunter2@db/chat"),
        ("REDIS_URL", "memcached://:hunter2@cache"),
        ("REDIS_URL", "hunter2"),
    ],
)
def test_wrong_value_is_named_by_its_variable(load: Load, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"\b{name}\b.*: ") as caught:
        load({name: value})
    _assert_tells_no_secret(str(caught.value))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("WORKER", "WORKERS"),
        ("JWT_SECRETS", "JWT_SECRET"),
        ("MYSQL_URI", "MYSQL_URL"),
        ("REDIS_URLS", "REDIS_URL"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("DRAIN_SECOND", "DRAIN_SECONDS"),
        ("ALLOWED_ORIGIN", "ALLOWED_ORIGINS"),
        ("SQLITE_PATHS", "SQLITE_PATH"),
        ("FORWARDED_ALLOW_IP", "FORWARDED_ALLOW_IPS"),
    ],
)
def test_a_name_that_is_nearly_a_setting_is_refused(load: Load, name: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({name: "hunter2"})
    assert str(caught.value) == f"{name}: there is no such setting; is {meant} meant?"


def test_what_hosts_and_shells_set_is_let_be(load: Load) -> None:
    """Of Railway's MySQL and Redis, of Docker, Kubernetes and login shells."""
    names = "MYSQLHOST MYSQLPORT MYSQL_DATABASE MYSQL_PUBLIC_URL REDISHOST REDIS_PUBLIC_URL"
    names += " RAILWAY_ENVIRONMENT_ID HOSTNAME HOME HOSTTYPE PATH LOGNAME SHELL TERM LANG LC_ALL PWD OLDPWD"
    names += " USER GOCHAT_PORT REDIS_PORT MYSQL_URL_TEST REDIS_URL_TEST UVICORN_PORT KUBERNETES_PORT"
    names += " MYSQL_PASSWORD REDIS_PASSWORD DOMAIN"
    assert load(dict.fromkeys(names.split(), "x")).workers == 1


def test_every_wrong_setting_is_named_at_once(load: Load) -> None:
    with pytest.raises(ConfigError, match="PORT") as caught:
        load({"PORT": "x", "WORKERS": "y"})
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["PORT", "WORKERS"]


def test_secrets_are_not_shown(load: Load) -> None:
    settings = load(PRODUCTION | {"JWT_SECRETS_OLD": SECRET[::-1]})
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    _assert_tells_no_secret(shown)
    _assert_tells_no_secret(repr(settings.database_url))


def test_development_keeps_its_own_secret(load: Load, tmp_path: Path) -> None:
    first = load({}).jwt_secret
    kept = tmp_path / ".gochat" / "secret"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert first.get_secret_value() == kept.read_text()
    assert load({}).jwt_secret == first
    assert list(kept.parent.iterdir()) == [kept]


def test_development_takes_the_secret_it_is_given(load: Load, tmp_path: Path) -> None:
    assert load({"JWT_SECRET": SECRET}).jwt_secret.get_secret_value() == SECRET
    assert not (tmp_path / ".gochat").exists()


def test_kept_secret_that_was_cut_is_refused(load: Load, tmp_path: Path) -> None:
    load({})
    (tmp_path / ".gochat" / "secret").write_text("cut")
    with pytest.raises(ConfigError, match="JWT_SECRET"):
        load({})


@pytest.mark.parametrize("proxies", ["nginx", "10.0.0.1/8", "10.0.0.1,*", "0", "99"])
def test_proxies_that_are_none_are_refused(proxies: str) -> None:
    with pytest.raises(ConfigError, match="FORWARDED_ALLOW_IPS"):
        load_settings(forwarded_allow_ips=proxies)


@pytest.mark.parametrize(
    ("given", "as_sent"),
    [
        ("https://Chat.Example.org", "https://chat.example.org"),
        ("https://chat.example.org:443", "https://chat.example.org"),
        ("http://chat.example.org:80/", "http://chat.example.org"),
        ("https://chat.example.org:8443", "https://chat.example.org:8443"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("wss://chat.example.org:443", "wss://chat.example.org"),
        ("http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000"),
        ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
        ("http://192.0.2.1:8080", "http://192.0.2.1:8080"),
        ("https://1password.example.org.", "https://1password.example.org."),
        ("capacitor://localhost", "capacitor://localhost"),
        ("tauri://localhost/", "tauri://localhost"),
        ("app://.", "app://."),
        ("file://", "file://"),
        ("FILE:///", "file://"),
        ("null", "null"),
    ],
)
def test_origins_are_as_browsers_send_them(given: str, as_sent: str) -> None:
    assert load_settings(allowed_origins=given).allowed_origins == (as_sent,)


def test_readme_has_every_setting() -> None:
    assert settings_table.table() in settings_table.README.read_text()


def _assert_tells_no_secret(text: str) -> None:
    for secret in (SECRET, SECRET[::-1], SECRET[:31], "hunter2"):
        assert secret not in text
