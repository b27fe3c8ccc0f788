"""Conversations themselves, and their rules: creating and renaming them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gochat.core.blocks import check_welcome, need_welcome
from gochat.core.command import Command, Reserving
from gochat.core.delta import Why
from gochat.core.errors import (
    ChatError,
    Forbidden,
    IdempotencyConflict,
    InvalidPayload,
    LimitExceeded,
    NotFound,
)
from gochat.core.limits import Limits
from gochat.core.membership import group, require_admin
from gochat.core.model import (
    Conversation,
    ConversationId,
    History,
    Kind,
    Member,
    Millis,
    Role,
    UserId,
    direct_key,
    group_key,
)
from gochat.core.needs import Needs
from gochat.core.state import Decision, State
from gochat.core.system import Event, noted
from gochat.core.text import check_data, line, link
from gochat.core.values import value


@value(frozen=True, slots=True)
class CreateConversation(Reserving[Conversation]):
    """`new_id` is used if it is not there yet.

    `member_ids` are the others: exactly one for a direct conversation. The creator owns a group.
    """

    new_id: ConversationId
    creator_id: UserId
    kind: Kind
    member_ids: tuple[UserId, ...]
    title: str | None = None
    client_conversation_id: bytes | None = None
    history: History = History.FROM_START
    refusal: ChatError | None = None
    """Why it may not be made; it is found nevertheless if it was made before."""

    @property
    def unique_key(self) -> str | None:
        """What creating it twice has in common; None: every request makes a new group."""
        if self.kind is Kind.DIRECT:
            return direct_key(self.creator_id, self.member_ids[0]) if self.member_ids else None
        if self.client_conversation_id is None:
            return None
        return group_key(self.creator_id, self.client_conversation_id)

    @property
    def request_hash(self) -> bytes:
        """16 bytes over what was asked, members in any order."""
        what = [self.kind, sorted(self.member_ids), self.title, self.history]
        return hashlib.blake2b(json.dumps(what).encode(), digest_size=16).digest()

    def need(self, needs: Needs) -> None:
        """Reserve and lock the conversation; read who exists."""
        key = self.unique_key
        if key is not None:
            needs.unique_keys.add(key)
        needs.users.add(self.creator_id)
        needs.makers.add(self.creator_id)
        need_welcome(needs, self.creator_id, self.member_ids)
        if self.kind is Kind.DIRECT:
            needs.blocks.update((self.creator_id, other) for other in self.member_ids)

    @property
    def size(self) -> int:
        """At most so many bytes it adds to a batch's statements."""
        return 4_096 + 400 * len(self.member_ids)

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Conversation]:
        """Create a conversation, or find it: a direct one by its pair, a group by its creator's key.

        Raises:
            IdempotencyConflict: the group's key was used for another request.
            InvalidPayload: a direct conversation with nobody, oneself, several, or a title; or what no title
                is.
            NotFound: a member does not exist, or has blocked the creator.
            Forbidden: the creator has blocked the other of a direct one; or a member does not let them.
            ChatError: `refusal`.
            LimitExceeded: too many members, conversations that one made, or conversations of a member.
        """
        others = _others(self, limits)
        key = self.unique_key
        found = None if key is None else state.conversations[state.by_key[key]]
        if found is not None and found.revision > 0:
            if found.kind is Kind.GROUP and found.request_hash != self.request_hash:
                raise IdempotencyConflict(field="client_conversation_id")
            return Decision(found)
        if self.refusal is not None:
            raise self.refusal
        _check_users(state, self, others, limits)
        conversation = Conversation(
            id=found.id if found is not None else self.new_id,
            kind=self.kind,
            title=_title(self.title, limits),
            history=History.FROM_START if self.kind is Kind.DIRECT else self.history,
            revision=1,
            last_seq=0,
            last_message_at=now,
            member_count=1 + len(others),
            created_at=now,
            created_by=self.creator_id,
            unique_key=key,
            request_hash=self.request_hash,
        )
        role = Role.MEMBER if self.kind is Kind.DIRECT else Role.OWNER
        members = [_first_member(conversation, self.creator_id, role)]
        members += [_first_member(conversation, user_id, Role.MEMBER) for user_id in others]
        return Decision(
            conversation,
            Why.CONVERSATION_CREATED,
            conversation,
            members=tuple(members),
            joined=(self.creator_id, *others),
            restated=True,
        )


@value(frozen=True, slots=True)
class UpdateConversation(Command[Conversation]):
    """An admin or the owner changes what a group is called and looks like, and what members may do in it."""

    conversation_id: ConversationId
    user_id: UserId
    changes: Mapping[str, Any]
    """The title, and fields of `ConversationExtras`; what is not named stays."""

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the user's row."""
        needs.conversations.add(self.conversation_id)
        needs.members.add((self.conversation_id, self.user_id))

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 4_096 + 8 * len(self.changes.get("data") or "")

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Conversation]:
        """Change a group; what is so already changes nothing.

        Raises:
            NotFound, Forbidden: not a member, not a group, not an admin.
            InvalidPayload: the title is too long, or holds what no title does; the avatar is no link of
                https; the data is too large.
        """
        conversation, member = group(state, self.conversation_id, self.user_id)
        require_admin(member)
        extras = dict(self.changes)
        title = _title(extras.pop("title"), limits) if "title" in extras else conversation.title
        if extras.get("avatar_url") is not None:
            extras["avatar_url"] = _picture(extras["avatar_url"])
        check_data(extras.get("data"), limits)
        setup = replace(conversation.setup, **extras)
        changed = replace(conversation, title=title, extras=setup.or_none())
        if changed == conversation:
            return Decision(conversation)
        changed = replace(changed, revision=conversation.revision + 1)
        note = None
        if title != conversation.title:
            changed, note = noted(changed, Event.TITLE, self.user_id, now, limits, title=title)
        elif setup.avatar_url != conversation.setup.avatar_url:
            changed, note = noted(changed, Event.AVATAR, self.user_id, now, limits)
        return Decision(changed, Why.CONVERSATION_UPDATED, changed, created=note, restated=True)


def _picture(url: str) -> str:
    """A link to an avatar, as it is kept."""
    url = link(url, "avatar_url")
    if not url.startswith("https:"):
        raise InvalidPayload(
            "avatar_url: is no link of https.", field="avatar_url", details={"reason": "no_link"}
        )
    return url


def _others(command: CreateConversation, limits: Limits) -> list[UserId]:
    """The members apart from the creator, each once, in the order named."""
    others = [user_id for user_id in dict.fromkeys(command.member_ids) if user_id != command.creator_id]
    if command.kind is Kind.DIRECT:
        if len(command.member_ids) != 1 or not others:
            raise InvalidPayload("A direct conversation has exactly one other member.", field="member_ids")
        if command.title is not None:
            raise InvalidPayload("A direct conversation has no title.", field="title")
    if len(others) > limits.members_added:
        raise LimitExceeded(field="member_ids", details={"limit": limits.members_added})
    return others


def _check_users(state: State, command: CreateConversation, others: list[UserId], limits: Limits) -> None:
    creator = command.creator_id
    if state.users.find(creator) is None:
        raise NotFound("A user does not exist.", field="member_ids")
    check_welcome(state, creator, others, "member_ids")
    if command.kind is Kind.DIRECT and state.blocked(creator, others[0]):
        raise Forbidden("Whom one has blocked one does not write to.", details={"reason": "blocked"})
    if state.makers[creator] >= limits.conversations_made:
        raise LimitExceeded(
            "You have made too many conversations: quit some of them.",
            details={"name": "conversations_made", "limit": limits.conversations_made},
        )
    if any(state.users[user_id] >= limits.conversations for user_id in others):
        raise LimitExceeded(
            "A member is in too many conversations.",
            field="member_ids",
            details={"name": "conversations", "limit": limits.conversations},
        )


def _title(title: str | None, limits: Limits) -> str | None:
    title = (title or "").strip()
    if len(title) > limits.title:
        raise InvalidPayload(
            f"The title is longer than {limits.title} characters.",
            field="title",
            details={"reason": "too_long", "limit": limits.title},
        )
    return line(title, "title") or None


def _first_member(conversation: Conversation, user_id: UserId, role: Role) -> Member:
    return Member(
        conversation_id=conversation.id,
        user_id=user_id,
        role=role,
        active=True,
        revision=1,
        joined_revision=1,
        visible_from_seq=1,
    )
