"""Who may speak, and what is not said: the terms, mutes and the filters of whoever runs the server.

It is asked before a message is stored; of what it refuses nothing is kept.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import field

from gochat.core.errors import ContentRefused, Forbidden, TermsRequired
from gochat.core.model import Millis, Standing
from gochat.core.names import folded
from gochat.core.text import UNSEEN
from gochat.core.values import value

_HOST = re.compile(r"(?:[\w-]*\.)+[^\W\d_]{2,24}")
"""Begins a run of what names of hosts hold. It takes time in proportion to the text, whatever that is."""
_BETWEEN = re.compile(r"[^\w.-]+|\.{2,}")
"""What stands between names of hosts."""


@value(frozen=True, slots=True)
class Rules:
    """What the operator has set; by default everything may be said by everybody."""

    terms_version: str | None = None
    """Whoever has not accepted this version of the terms may not speak; None: there are none."""
    words: Sequence[str] = ()
    """Words and phrases that are refused as whole words, in any case."""
    patterns: Sequence[re.Pattern[str]] = ()
    """Regular expressions that are searched in the text as it is."""
    domains: Sequence[str] = ()
    """Links to these, and to what is below them, are refused."""
    links_after_ms: Millis = 0
    """How old an account must be to send links."""
    slow_mode_s: float = 0
    """How long a user waits in each conversation between two messages."""
    most: int = 8_000
    """The longest text that is stored, in characters: what is longer is not looked through."""
    _words: re.Pattern[str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if words := [word for word in map(_as_read, self.words) if word]:
            either = "|".join(map(re.escape, words))
            object.__setattr__(self, "_words", re.compile(rf"(?<!\w)(?:{either})(?!\w)"))

    def check(self, standing: Standing, text: str, links: Iterable[str], now: Millis) -> None:
        """Refuse what may not be said.

        Args:
            text: the body.
            links: those of the attachments.

        Raises:
            TermsRequired: the terms have to be accepted first.
            Forbidden: with `details.reason` `muted`, and until when.
            ContentRefused: with `details.rule`.
        """
        if self.terms_version is not None and standing.terms_version != self.terms_version:
            raise TermsRequired(details={"version": self.terms_version})
        self.check_shown(standing, text, links, now)

    def check_shown(self, standing: Standing, text: str, links: Iterable[str], now: Millis) -> None:
        """Refuse what others may not be shown, such as a name or a title, whatever terms there are.

        Raises:
            Forbidden, ContentRefused: as `check`.
        """
        if standing.muted_until is not None and standing.muted_until > now:
            raise Forbidden("You are muted.", details={"reason": "muted"})
        if len(text) > self.most:
            return  # the writer refuses it; to look through it takes as long as the sender likes
        if self._words is not None and self._words.search(_as_read(text)):
            raise _refused("words")
        if self.patterns and any(pattern.search(text) for pattern in self.patterns):
            raise _refused("patterns")
        if self.domains or self.links_after_ms:
            self._check_links(standing, " ".join((text, *links)), now)

    def _check_links(self, standing: Standing, text: str, now: Millis) -> None:
        runs = _BETWEEN.split(_as_read(text).replace("\u3002", "."))  # by which browsers divide names, too
        hosts = [found[0] for run in runs if (found := _HOST.match(run.lstrip(".-_")))]
        if hosts and now - standing.created_at < self.links_after_ms:
            raise _refused("new_account_links")
        if any(host == it or host.endswith(f".{it}") for host in hosts for it in self.domains):
            raise _refused("domains")


_WHOLE_PHRASES = re.compile("[\ufdfa\ufdfb]")
"""Single characters that are 18 and 8 of others: a text of them would take as many times as long."""


def _as_read(text: str) -> str:
    """As people and browsers read it: in one case and width, without what is not seen."""
    return folded(_WHOLE_PHRASES.sub(" ", UNSEEN.sub("", text)))


def _refused(rule: str) -> ContentRefused:
    return ContentRefused(details={"rule": rule})
