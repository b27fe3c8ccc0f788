"""Field by value: what a user may say of themselves, how it is kept, and what comes of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gochat.core.model import Profile, WhoCanAdd
from gochat.core.profiles import UpdateProfile
from gochat.core.state import Decision
from tests.unit.core.world import LIMITS, NOBODY, NOW, OWNER, world

BLANK = ("invalid_payload", "display_name")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"display_name": " New "}, {"display_name": "New"}),
        ({"about": " here "}, {"about": "here"}),
        ({"about": ""}, {"about": ""}),
        ({"about": "x", "data": '{"a":1}'}, {"about": "x", "data": '{"a":1}'}),
        ({"avatar_url": "https://example.com/a.png"}, {"avatar_url": "https://example.com/a.png"}),
    ],
)
def test_what_others_see_is_kept_without_blanks_and_has_a_revision(
    said: Mapping[str, Any], kept: Mapping[str, Any]
) -> None:
    memory = world()
    before = memory.profiles[OWNER]
    user = replace(before.user, **kept, revision=1, updated_at=NOW)
    assert memory.decide(UpdateProfile(OWNER, said), NOW) == Decision(
        None, me=(OWNER,), profile=Profile(user, before.settings, before.standing)
    )
    memory.run([UpdateProfile(OWNER, said)], NOW)
    assert memory.decide(UpdateProfile(OWNER, said), NOW + 1) == Decision(None)
    cleared = memory.decide(
        UpdateProfile(OWNER, dict.fromkeys(said.keys() - {"display_name"})), NOW - 1
    ).profile
    if cleared is not None:
        assert (cleared.user.revision, cleared.user.updated_at) == (2, NOW)


@pytest.mark.parametrize(
    ("part", "changed"),
    [
        ("settings", {"presence_hidden": True}),
        ("settings", {"who_can_add": WhoCanAdd.NOBODY, "receipts_hidden": True}),
        ("standing", {"muted_until": 5, "terms_version": "2"}),
    ],
)
def test_what_others_do_not_see_has_no_revision(part: str, changed: Mapping[str, Any]) -> None:
    memory = world()
    before = memory.profiles[OWNER]
    profile = replace(before, **{part: replace(getattr(before, part), **changed)})
    assert memory.decide(UpdateProfile(OWNER, **{part: changed}), NOW) == Decision(
        None, me=(OWNER,), profile=profile
    )
    memory.profiles[OWNER] = profile
    assert memory.decide(UpdateProfile(OWNER, **{part: changed}), NOW) == Decision(None)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"display_name": ""}, BLANK),
        ({"display_name": " \n"}, BLANK),
        ({"display_name": "a\0b"}, (*BLANK, {"reason": "control"})),
        ({"about": "a\u202eb"}, ("invalid_payload", "about", {"reason": "bidi"})),
        ({"avatar_url": "ftp://example.com"}, ("invalid_payload", "avatar_url", {"reason": "no_link"})),
        ({"data": "x" * LIMITS.data}, "ok"),
        ({}, "ok"),
    ],
)
def test_what_may_not_be_said(said: Mapping[str, Any], outcome: object) -> None:
    assert world().outcome(UpdateProfile(OWNER, said)) == outcome


def test_too_much_data_and_nobody() -> None:
    code, field, *_ = world().outcome(UpdateProfile(OWNER, {"data": "x" * (LIMITS.data + 1)}))
    assert (code, field) == ("invalid_payload", "data")
    assert world().outcome(UpdateProfile(NOBODY, {"about": "x"})) == ("not_found", None)
