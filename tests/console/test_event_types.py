"""The pages of event types that were added while the daemon ran (contract "Event types", "Console")."""

from typing import Any

from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient

NEW: dict[str, Any] = {
    "name": "prospect.scored",
    "description": "A prospect was given a score",
    "category": "scores",
    "example": {"score": 7},
    "schema": {"type": "object", "properties": {"score": {"type": "integer", "title": "<b>bold</b>"}}},
    "validate": True,
}


async def test_an_added_one_is_listed_and_shown_with_example_and_schema(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    await api.operator.post("/v1/event-types", NEW)
    assert "prospect.scored" in (await acme.get(f"{root}/event-types")).text
    page = (await acme.get(f"{root}/event-types/prospect.scored")).text
    for shown in ("A prospect was given a score", "Schema, version 1", "every event meets it", "&lt;b&gt;bold"):
        assert shown in page
    assert "<b>bold" not in page


async def test_a_deprecated_one_is_marked(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    await api.operator.post("/v1/event-types", NEW)
    for change, mark in (({"deprecated": True}, "deprecated"), ({"archived": True}, "archived")):
        await api.operator.patch("/v1/event-types/prospect.scored", change)
        assert f'class="badge {mark}"' in (await acme.get(f"{root}/event-types")).text
        assert mark.capitalize() + ":" in (await acme.get(f"{root}/event-types/prospect.scored")).text


FORM = {
    "name": "prospect.scored",
    "description": "A prospect was given a score",
    "category": "",
    "example": '{"score": 7}',
    "schema": '{"type": "object", "required": ["score"]}',
    "validate": "yes",
}
PATH = "/console/event-types/prospect.scored"


async def test_the_operator_adds_one_by_a_form(api: RunningApi, operator: ConsoleClient) -> None:
    led = await operator.post("/console/event-types", **FORM)
    assert led.location == PATH
    assert "it can be submitted now" in (await operator.get(led.location)).text
    assert "prospect.scored" in (await operator.get("/console/event-types")).text
    made = (await api.operator.get("/v1/event-types/prospect.scored")).value
    assert (made["category"], made["schema"], made["validate"]) == (
        "custom",
        {"type": "object", "required": ["score"]},
        True,
    )


async def test_a_wrong_form_is_shown_again_with_what_is_wrong(operator: ConsoleClient) -> None:
    for change, told in (
        ({"name": "Nodot"}, "in two or more parts with dots"),
        ({"name": "linkedin.message.sent"}, "There is an event type with this name"),
        ({"description": ""}, "Enter a description"),
        ({"example": "{"}, "line 1, column"),
        ({"example": "{}"}, "score: is missing"),
        ({"schema": '{"type": "strin"}'}, "type: is not valid"),
        ({"schema": "7"}, "expected a JSON Schema"),
        ({"schema": ""}, "there is no schema"),
    ):
        page = await operator.post("/console/event-types", **{**FORM, **change})
        assert page.status == 422
        assert told in page.text
        assert "A prospect was given a score" in page.text or "description" in change


async def test_the_operator_changes_one_by_forms(api: RunningApi, operator: ConsoleClient) -> None:
    await operator.post("/console/event-types", **FORM)
    await operator.post(PATH, description="Other", category="scores", example='{"score": 8}')
    made = (await api.operator.get("/v1/event-types/prospect.scored")).value
    assert (made["description"], made["category"], made["example"], made["validate"]) == (
        "Other",
        "scores",
        {"score": 8},
        False,
    )
    await operator.post(f"{PATH}/versions", schema="true")
    assert "Version 2" in (await operator.get(PATH)).text
    for state, mark in (("deprecated", True), ("archived", True), ("used", False)):
        await operator.post(f"{PATH}/state", state=state)
        assert (f'class="badge {state}"' in (await operator.get(PATH)).text) is mark
    assert (await operator.post(f"{PATH}/state", state="other")).status == 404
    assert (await operator.post(f"{PATH}/versions", schema='{"required": ["x"]}')).status == 422


async def test_one_that_is_used_or_built_in_is_not_removed(api: RunningApi, operator: ConsoleClient) -> None:
    await operator.post("/console/event-types", **FORM)
    await api.webhook("prospect.scored")
    refused = await operator.post(f"{PATH}/remove")
    assert refused.status == 422
    assert "archive the event type instead" in refused.text
    built_in = "/console/event-types/linkedin.message.sent"
    assert "is not changed here" in (await operator.get(built_in)).text
    assert (await operator.post(f"{built_in}/state", state="archived")).status == 422
    await operator.post("/console/event-types", **{**FORM, "name": "prospect.other"})
    led = await operator.post("/console/event-types/prospect.other/remove")
    assert led.location == "/console/event-types"
    assert (await operator.get("/console/event-types/prospect.other")).status == 404


async def test_a_team_gets_no_page_of_the_operators(acme: ConsoleClient) -> None:
    assert (await acme.get("/console/event-types")).status == 404
