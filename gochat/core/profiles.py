"""What is said of a user, and its rules."""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from gochat.core.command import Command
from gochat.core.errors import InvalidPayload, NotFound
from gochat.core.limits import Limits
from gochat.core.model import Millis, Profile, UserId
from gochat.core.needs import Needs
from gochat.core.state import Decision, State
from gochat.core.text import check_data, line, link
from gochat.core.values import value


@value(frozen=True, slots=True)
class UpdateProfile(Command[None]):
    """A user changes what is said of them, and how they have set things."""

    user_id: UserId
    said: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `User`, as others see them from now on."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Settings`."""
    standing: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Standing`: by an operator, or as the terms were accepted."""

    def need(self, needs: Needs) -> None:
        """Lock the user; read what they see of themselves."""
        needs.me.add(self.user_id)
        needs.profiles.add(self.user_id)

    @property
    def size(self) -> int:
        """At most so many bytes it adds to a batch's statements."""
        return 4_096

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[None]:
        """Change what is said of a user.

        Raises:
            InvalidPayload: a name that shows nothing, or holds what no name does.
            NotFound: there is no such user.
        """
        profile = state.profiles.find(self.user_id)
        if profile is None:
            raise NotFound("There is no such user.")
        said = {name: _kept(name, value) for name, value in self.said.items()}
        if said.get("display_name") == "":
            raise InvalidPayload("display_name: is blank.", field="display_name")
        check_data(said.get("data"), limits)
        changed = Profile(
            profile.user.restated(replace(profile.user, **said), now),
            replace(profile.settings, **self.settings),
            replace(profile.standing, **self.standing),
        )
        if changed == profile:
            return Decision(None)
        return Decision(None, me=(self.user_id,), profile=changed)


def _kept(name: str, value: Any) -> Any:
    """What is said of a user, as it is kept."""
    if value is None or name not in _TEXTS:
        return value
    return _TEXTS[name](value, name)


_TEXTS = {"display_name": line, "about": line, "avatar_url": link}
