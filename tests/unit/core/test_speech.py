"""Rule by text: what is not said, by whom, and from when on it is."""

import re

import pytest

from gochat.core.errors import ChatError
from gochat.core.model import Standing
from gochat.core.speech import Rules

NOW = 1_000_000
MUTED = ("forbidden", {"reason": "muted"})
NO_TERMS = ("terms_required", {"version": "2"})


def refused(rule: str) -> object:
    return "content_refused", {"rule": rule}


def outcome(
    rules: Rules, text: str = "hello", links: tuple[str, ...] = (), standing: Standing | None = None
) -> object:
    """`ok`, or the code and the details of the refusal."""
    try:
        rules.check(standing or Standing(), text, links, NOW)
    except ChatError as error:
        return error.code, dict(error.details or {})
    return "ok"


def test_by_default_everything_may_be_said_by_everybody() -> None:
    assert Rules() == Rules(None, (), (), (), 0, 0, 8_000)
    for standing in (Standing(), Standing(created_at=NOW), Standing(terms_version="1")):
        assert outcome(Rules(), "see https://example.com", ("https://example.org",), standing) == "ok"


@pytest.mark.parametrize(
    ("accepted", "said"), [("2", "ok"), ("1", NO_TERMS), ("3", NO_TERMS), (None, NO_TERMS)]
)
def test_only_this_version_of_the_terms_will_do(accepted: str | None, said: object) -> None:
    assert outcome(Rules(terms_version="2"), standing=Standing(terms_version=accepted)) == said


@pytest.mark.parametrize(("until", "said"), [(None, "ok"), (NOW - 1, "ok"), (NOW, "ok"), (NOW + 1, MUTED)])
def test_a_mute_ends_by_itself(until: int | None, said: object) -> None:
    assert outcome(Rules(), standing=Standing(muted_until=until)) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("buy GOLD now", refused("words")),
        ("ｇｏｌｄ", refused("words")),
        ("gold!", refused("words")),
        ("golden", "ok"),
        ("marigold", "ok"),
        ("make money fast", refused("words")),
        ("make money", "ok"),
        ("g\u200bo\u00adld", refused("words")),  # what nobody sees divides no word
        ("go\u2060ld", refused("words")),
        ("\ufeffgold", refused("words")),
        ("a+b", refused("words")),
        ("aab", "ok"),
        ("code 1234", refused("patterns")),
        ("CODE 1234", "ok"),
        ("tell me 12", refused("patterns")),
    ],
)
def test_words_are_whole_and_patterns_are_as_they_are(text: str, said: object) -> None:
    patterns = (re.compile(r"code \d{4}"), re.compile(r"me \d\d$"))
    assert outcome(Rules(words=("Gold", "make money fast", "a+b"), patterns=patterns), text) == said


@pytest.mark.parametrize(
    ("text", "links", "said"),
    [
        ("see evil.example", (), refused("domains")),
        ("see HTTPS://WWW.EVIL.EXAMPLE/path", (), refused("domains")),
        ("see this", ("https://a.b.evil.example/x.png",), refused("domains")),
        ("see one.example and worse.example", (), refused("domains")),
        ("see ｅｖｉｌ.example", (), refused("domains")),
        ("see evil\u3002example", (), refused("domains")),  # as browsers divide it, too
        ("see ev\u00adil.exam\u200bple", (), refused("domains")),
        ("see x.a.b.c.d.e.f.g.evil.example", (), refused("domains")),
        (f"see {'x' * 64}.evil.example", (), refused("domains")),
        ("see ..evil.example", (), refused("domains")),
        ("see _evil.example_", (), refused("domains")),
        ("see evil.example..good.example", (), refused("domains")),
        ("see evil.example.5", (), refused("domains")),
        ("see notevil.example", (), "ok"),
        ("see evil.example.org", (), "ok"),
        ("see evil", ("https://good.example",), "ok"),
    ],
)
def test_a_domain_is_refused_with_what_is_below_it(text: str, links: tuple[str, ...], said: object) -> None:
    assert outcome(Rules(domains=("evil.example", "worse.example")), text, links) == said


@pytest.mark.parametrize(
    ("age", "text", "links", "said"),
    [
        (999, "see good.example", (), refused("new_account_links")),
        (999, "see", ("https://good.example",), refused("new_account_links")),
        (999, "no links, e.g. 1.5", (), "ok"),
        (1_000, "see good.example", (), "ok"),
    ],
)
def test_new_accounts_send_no_links(age: int, text: str, links: tuple[str, ...], said: object) -> None:
    rules = Rules(links_after_ms=1_000)
    assert outcome(rules, text, links, Standing(created_at=NOW - age)) == said


def test_a_word_of_which_nothing_is_seen_refuses_nothing() -> None:
    assert outcome(Rules(words=("\u200b", "gold")), "hello, world") == "ok"


def test_what_is_too_long_to_be_stored_is_not_looked_through() -> None:
    rules = Rules(words=("gold",), patterns=(re.compile("gold"),), domains=("evil.example",), most=40)
    for text in ("gold", "see evil.example"):
        assert outcome(rules, text.ljust(40)) != "ok"
        assert outcome(rules, text.ljust(41)) == "ok"


@pytest.mark.parametrize("piece", ["a", "a-", "a.", ".", "-", "a.a", "1.", "\ufdfa", "ab.", "\u0344"])
def test_looking_through_a_text_takes_as_long_as_the_text(piece: str) -> None:
    """A hundred thousand characters are soon done, where steps for each pair of them would take for ever."""
    rules = Rules(words=("gold",), domains=("evil.example",), links_after_ms=1, most=200_000)
    assert outcome(rules, piece * 100_000) == "ok" or piece == "ab."
