"""Words of our paths and ids of others never stand for each other (contract "HTTP API")."""

import pytest
from sqlalchemy import text

from api.app import ROUTES
from api.console.routes import PAGES
from api.http.reserved_ids import reserved_segments
from tests.support.api_client import RunningApi

WORDS = reserved_segments([*(route.path for route in ROUTES), *(page.path for page in PAGES)])


def test_the_words_are_those_that_stand_where_an_id_may() -> None:
    assert reserved_segments(["/a/{x}", "/a/b/c", "/a/{y}/d", "/a/<z>/<w>", "/e/f"]) == {
        "/a": {"b"},
        "/a/{}": {"d"},
    }


@pytest.mark.fault(
    "A team is to be called by a word of the API's or the console's paths", "422 naming `$.id`", cases=20
)
async def test_a_word_of_our_paths_is_no_id(api: RunningApi) -> None:
    for word in frozenset[str]().union(*WORDS.values()):
        answer = await api.operator.post("/v1/teams", {"id": word, "name": "Sly"})
        assert (answer.status, answer.paths) == (422, ["$.id"]), word


@pytest.mark.parametrize("word", ["test", "batch"])
async def test_a_team_that_has_such_an_id_from_before_is_reached(api: RunningApi, word: str) -> None:
    await api.operator.post("/v1/teams", {"id": "before", "name": "Before"})
    with api.daemon.database.writing.begin() as connection:
        connection.execute(text("UPDATE teams SET id = :id WHERE id = 'before'"), {"id": word})
    answer = await api.operator.patch(f"/v1/teams/{word}", {"name": "Now"})
    assert (answer.status, answer.value["name"]) == (200, "Now")


async def test_a_word_beside_an_id_is_still_no_id(api: RunningApi) -> None:
    assert (await api.as_acme.get("/v1/webhooks/test")).status == 405
    assert (await api.as_acme.get("/v1/events/batch")).status == 405
