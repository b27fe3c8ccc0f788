"""What is said of a user, and its rules."""

from dataclasses import dataclass, replace

from gochat.core.command import Command
from gochat.core.errors import InvalidPayload, NotFound
from gochat.core.limits import Limits
from gochat.core.model import Millis, Profile, UserId
from gochat.core.needs import Needs
from gochat.core.state import Decision, State


@dataclass(frozen=True, slots=True)
class UpdateProfile(Command[None]):
    """A user changes what is said of him; None leaves it as it is."""

    user_id: UserId
    display_name: str | None = None
    presence_hidden: bool | None = None

    def need(self, needs: Needs) -> None:
        """Lock the user; read what they see of themselves."""
        needs.me.add(self.user_id)
        needs.profiles.add(self.user_id)

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 1024

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[None]:
        """Change what is said of a user.

        Raises:
            InvalidPayload: a blank name.
            NotFound: there is no such user.
        """
        name = self.display_name
        if name is not None:
            name = name.strip()
            if not name:
                raise InvalidPayload("display_name: is blank.", field="display_name")
        profile = state.profiles.find(self.user_id)
        if profile is None:
            raise NotFound("There is no such user.")
        changed = self._changed(profile, name)
        if changed == profile:
            return Decision(None)
        return Decision(None, me=(self.user_id,), profile=changed)

    def _changed(self, profile: Profile, name: str | None) -> Profile:
        user, settings = profile.user, profile.settings
        if name is not None:
            user = replace(user, display_name=name)
        if self.presence_hidden is not None:
            settings = replace(settings, presence_hidden=self.presence_hidden)
        return Profile(user, settings)
