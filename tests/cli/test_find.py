"""What a person reads of a search (contract "Command line")."""

import json
from typing import Any

import pytest

NOTHING: dict[str, Any] = {"items": [], "nextCursor": None, "lookedAt": 0, "backTo": None}


@pytest.mark.parametrize(("options", "is_told"), [((), True), (("--team", "t"), False)])
def test_who_finds_nothing_without_a_team_is_told_what_was_not_looked_at(
    run: Any, api: Any, options: tuple[str, ...], is_told: bool
) -> None:
    api.answers = [(200, json.dumps(NOTHING))]
    assert ("add --team" in run("find", "order-17", *options).out) == is_told
