"""Event types that operators add while the daemon runs (contract "Event types")."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from tests.support.api_client import MESSAGE_SENT, Answer, ApiClient, RunningApi

SCORED = "prospect.scored"
SCHEMA = {
    "type": "object",
    "required": ["prospectId"],
    "properties": {
        "prospectId": {"type": "string", "pattern": "^prospect_"},
        "score": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "additionalProperties": False,
}
NEW = {
    "name": SCORED,
    "description": "A prospect was given a score",
    "category": "qualification",
    "example": {"prospectId": "prospect_1", "score": 7},
    "schema": SCHEMA,
    "validate": True,
}
RIGHT = {"prospectId": "prospect_2", "score": 1}


async def add(api: RunningApi, **changes: Any) -> dict[str, Any]:
    answer = await api.operator.post("/v1/event-types", {**NEW, **changes})
    assert answer.status == 201, answer.body
    return dict(answer.value)


async def submit(client: ApiClient, data: Mapping[str, Any], event: str = SCORED) -> Answer:
    return await client.post("/v1/events", {"event": event, "data": data})


def wrong(answer: Answer) -> dict[str, str]:
    """What is wrong, by its place."""
    assert answer.code == "invalid_field"
    return {error["path"]: error["message"] for error in answer.value["errors"]}


async def test_an_added_event_type_is_shown_listed_and_submitted_at_once(api: RunningApi) -> None:
    webhook = await api.webhook("*")
    added = await add(api)
    assert {name: added[name] for name in NEW} == NEW
    assert (added["source"], added["version"], added["deprecatedAt"], added["archivedAt"]) == ("api", 1, None, None)
    assert (await api.as_acme.get(f"/v1/event-types/{SCORED}")).value == added
    names = [item["name"] for item in (await api.as_acme.get("/v1/event-types")).value["items"]]
    assert SCORED in names
    assert names == sorted(names)
    assert SCORED in [item["id"] for item in (await api.as_acme.get("/v1/webhooks/test/events")).value["items"]]
    example = (await api.as_acme.get(f"/v1/webhooks/test/example/{SCORED}")).value
    assert example["data"] == NEW["example"]
    assert (await submit(api.as_acme, RIGHT)).value["deliveries"] == 1
    assert (await api.as_acme.patch(f"/v1/webhooks/{webhook['id']}", {"events": [SCORED]})).status == 200


async def test_event_types_are_listed_in_pages(api: RunningApi) -> None:
    await add(api)
    everything = (await api.operator.get("/v1/event-types")).value["items"]
    found, cursor = [], None
    while True:
        page = (await api.operator.get("/v1/event-types", limit=3, **({"cursor": cursor} if cursor else {}))).value
        found += page["items"]
        if (cursor := page["nextCursor"]) is None:
            break
    assert found == everything


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, {"$.data.prospectId": "is missing"}),
        ({"prospectId": 3}, {"$.data.prospectId": 'is not of type "string"'}),
        ({"prospectId": "x"}, {"$.data.prospectId": 'does not match "^prospect_"'}),
        ({**RIGHT, "tags": ["a", 1]}, {"$.data.tags[1]": 'is not of type "string"'}),
        ({**RIGHT, "more": 1}, {"$.data.more": "is not in the schema"}),
        (
            {"prospectId": "prospect_1", "score": 1.5, "tags": 1},
            {"$.data.score": 'is not of type "integer"', "$.data.tags": 'is not of type "array"'},
        ),
    ],
    ids=["missing", "type", "pattern", "in an array", "unknown", "several"],
)
async def test_data_that_does_not_meet_the_schema_is_refused_with_each_place(
    api: RunningApi, data: Mapping[str, Any], expected: Mapping[str, str]
) -> None:
    await add(api)
    await api.webhook("*")
    answer = await submit(api.as_acme, data)
    assert answer.status == 422
    assert wrong(answer) == expected
    assert (await api.operator.get("/v1/events")).value["items"] == []


async def test_in_a_batch_the_place_begins_with_the_events_index_and_nothing_is_kept(api: RunningApi) -> None:
    await add(api)
    await add(api, name="prospect.lost", schema={"maxProperties": 1}, example={})
    batch = [
        {"event": SCORED, "data": RIGHT},
        {"event": "prospect.lost", "data": {"a": 1, "b": 2}},
        {"event": MESSAGE_SENT, "data": {"any": 1}},
        {"event": SCORED, "data": {"prospectId": "prospect_1", "score": "high"}},
    ]
    answer = await api.as_acme.post("/v1/events/batch", batch)
    assert wrong(answer) == {
        "$[1].data": "has more than 1 property",
        "$[3].data.score": 'is not of type "integer"',
    }
    assert (await api.operator.get("/v1/events")).value["items"] == []
    assert (await api.as_acme.post("/v1/events/batch", [batch[0], batch[2]])).status == 202


async def test_at_most_20_places_are_told(api: RunningApi) -> None:
    await add(api)
    answer = await submit(api.as_acme, {**RIGHT, "tags": [*range(100)]})
    assert len(wrong(answer)) == 20
    assert "may be more" in answer.value["detail"]


async def test_without_validate_a_schema_only_describes(api: RunningApi) -> None:
    await add(api, validate=False)
    assert (await submit(api.as_acme, {"anything": True})).status == 202
    assert (await api.operator.patch(f"/v1/event-types/{SCORED}", {"validate": True})).status == 200
    assert (await submit(api.as_acme, {"anything": True})).status == 422


async def test_numbers_are_taken_as_they_are_written(api: RunningApi) -> None:
    await add(api, schema={"properties": {"price": {"multipleOf": 0.01, "maximum": 10**15}}}, example={})
    for right in ("19.99", "1e2", "0.10"):
        raw = b'{"event":"%s","data":{"price":%s}}' % (SCORED.encode(), right.encode())
        assert (await api.as_acme.call("POST", "/v1/events", content=raw)).status == 202
    for too_much in ("19.999", "1e999", "9" * 5_000):
        raw = b'{"event":"%s","data":{"price":%s}}' % (SCORED.encode(), too_much.encode())
        assert (await api.as_acme.call("POST", "/v1/events", content=raw)).paths == ["$.data.price"]


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({"example": {"score": "x"}}, ["$.example.prospectId", "$.example.score"]),
        ({"schema": {"type": "strin"}}, ["$.schema.type"]),
        ({"schema": {"properties": {"a": {"minLength": -1}}}}, ["$.schema.properties.a.minLength"]),
        ({"schema": {"pattern": "("}}, ["$.schema.pattern"]),
        ({"schema": {"pattern": "(?=a)b"}}, ["$.schema.pattern"]),
        ({"schema": {"pattern": r"(a)\1"}}, ["$.schema.pattern"]),
        ({"schema": {"$ref": "https://example.com/schema.json"}}, ["$.schema"]),
        ({"schema": {"$ref": "file:///etc/passwd"}}, ["$.schema"]),
        ({"schema": {"$ref": "#/$defs/none"}}, ["$.schema"]),
        ({"schema": {"$schema": "http://json-schema.org/draft-07/schema#"}}, ["$.schema"]),
        ({"schema": {"$schema": 7}}, ["$.schema"]),
        ({"schema": ["object"]}, ["$.schema"]),
        ({"schema": None}, ["$.validate"]),
        ({"name": "nodot"}, ["$.name"]),
        ({"name": "Upper.case"}, ["$.name"]),
        ({"description": " "}, ["$.description"]),
    ],
    ids=str,
)
async def test_a_wrong_event_type_is_refused_with_the_place(
    api: RunningApi, changes: Mapping[str, Any], places: list[str]
) -> None:
    answer = await api.operator.post("/v1/event-types", {**NEW, **changes})
    assert answer.status == 422
    assert sorted(wrong(answer)) == places
    assert SCORED not in api.handles.catalogue


async def test_a_schema_that_is_nested_too_deeply_is_refused(api: RunningApi) -> None:
    schema: dict[str, Any] = {}
    for _ in range(100):
        schema = {"not": schema}
    answer = await api.operator.post("/v1/event-types", {**NEW, "schema": schema})
    assert wrong(answer) == {"$.schema": "expected a schema that is nested at most 100 deep"}


def exponential(depth: int = 40) -> dict[str, Any]:
    """A schema that says the same 2**depth times."""
    definitions: dict[str, Any] = {"d0": {"type": "object"}}
    for number in range(1, depth):
        definitions[f"d{number}"] = {"allOf": [{"$ref": f"#/$defs/d{number - 1}"}] * 2}
    return {"$defs": definitions, "$ref": f"#/$defs/d{depth - 1}"}


async def test_what_takes_too_long_is_refused_and_others_go_on(api: RunningApi) -> None:
    answer = await api.operator.post("/v1/event-types", {**NEW, "schema": exponential()})
    assert set(wrong(answer)) == {"$.schema"}
    guarded = {"if": {"required": ["slow"]}, "then": exponential(), "$defs": exponential()["$defs"]}
    guarded["then"] = {"$ref": exponential()["$ref"]}
    await add(api, schema=guarded, example={})
    assert (await submit(api.as_acme, {})).status == 202
    assert wrong(await submit(api.as_acme, {"slow": 1})) == {
        "$.data": "it takes too long to check this against the schema of its type"
    }
    assert (await submit(api.as_acme, {})).status == 202


async def test_a_version_counts_from_then_on_and_the_old_ones_stay_readable(api: RunningApi) -> None:
    await add(api)
    path = f"/v1/event-types/{SCORED}"
    second = {"schema": {"required": ["score"]}, "example": {"score": 3}}
    saved = await api.operator.post(f"{path}/versions", second)
    assert saved.status == 201
    assert (saved.value["version"], saved.value["schema"], saved.value["example"]) == (2, *second.values())
    assert (await submit(api.as_acme, {"score": "any"})).status == 202
    assert (await submit(api.as_acme, {"prospectId": "prospect_1"})).status == 422
    listed = (await api.as_acme.get(f"{path}/versions")).value["items"]
    assert [item["version"] for item in listed] == [2, 1]
    assert (await api.as_acme.get(f"{path}/versions/1")).value["schema"] == SCHEMA
    assert (await api.as_acme.get(f"{path}/versions/2")).value["schema"] == second["schema"]
    for none in ("3", "0", "x", "-1", "1.0", "9" * 30, "²"):
        assert (await api.as_acme.get(f"{path}/versions/{none}")).status == 404
    page = (await api.as_acme.get(f"{path}/versions", limit=1)).value
    rest = (await api.as_acme.get(f"{path}/versions", limit=1, cursor=page["nextCursor"])).value
    assert ([item["version"] for item in rest["items"]], rest["nextCursor"]) == ([1], None)


async def test_the_example_has_to_meet_a_new_version_too(api: RunningApi) -> None:
    await add(api)
    answer = await api.operator.post(f"/v1/event-types/{SCORED}/versions", {"schema": {"required": ["other"]}})
    assert wrong(answer) == {"$.example.other": "is missing"}
    changed = await api.operator.patch(f"/v1/event-types/{SCORED}", {"example": {}})
    assert wrong(changed) == {"$.example.prospectId": "is missing"}
    assert (await api.as_acme.get(f"/v1/event-types/{SCORED}")).value["version"] == 1


async def test_a_deprecated_type_is_accepted_and_the_answer_says_so(api: RunningApi) -> None:
    await add(api)
    changed = await api.operator.patch(f"/v1/event-types/{SCORED}", {"deprecated": True})
    since = api.handles.event_types.known.every[SCORED].deprecated_at
    assert since is not None
    assert changed.value["deprecatedAt"] is not None
    answer = await submit(api.as_acme, RIGHT)
    assert (answer.status, answer.headers["Deprecation"]) == (202, f"@{since // 1000}")
    batch = await api.as_acme.post("/v1/events/batch", [{"event": SCORED, "data": RIGHT}])
    assert batch.headers["Deprecation"] == f"@{since // 1000}"
    assert "Deprecation" not in (await submit(api.as_acme, {}, MESSAGE_SENT)).headers
    listed = (await api.as_acme.get("/v1/webhooks/test/events")).value["items"]
    assert [item["id"] for item in listed if item["deprecated"]] == [SCORED]
    again = await api.operator.patch(f"/v1/event-types/{SCORED}", {"deprecated": True})
    assert again.value["deprecatedAt"] == changed.value["deprecatedAt"]
    await api.operator.patch(f"/v1/event-types/{SCORED}", {"deprecated": False})
    assert "Deprecation" not in (await submit(api.as_acme, RIGHT)).headers


async def test_an_archived_type_is_refused_and_still_looked_at(api: RunningApi) -> None:
    await add(api)
    webhook = await api.webhook(SCORED)
    await submit(api.as_acme, RIGHT)
    assert (await api.operator.patch(f"/v1/event-types/{SCORED}", {"archived": True})).status == 200
    archived = {"$.event": "this event type is archived: its events are no longer accepted"}
    assert wrong(await submit(api.as_acme, RIGHT)) == archived
    batch = await api.as_acme.post("/v1/events/batch", [{"event": SCORED, "data": RIGHT}])
    assert set(wrong(batch)) == {"$[0].event"}
    assert len((await api.as_acme.get("/v1/events", type=SCORED)).value["items"]) == 1
    assert (await api.as_acme.patch(f"/v1/webhooks/{webhook['id']}", {"name": "Other"})).status == 200
    await api.operator.patch(f"/v1/event-types/{SCORED}", {"archived": False})
    assert (await submit(api.as_acme, RIGHT)).status == 202


async def test_a_type_that_webhooks_name_or_that_has_events_is_not_removed(api: RunningApi) -> None:
    await add(api)
    path = f"/v1/event-types/{SCORED}"
    webhook = await api.webhook(SCORED)
    assert (await api.operator.delete(path)).code == "event_type_in_use"
    await api.as_acme.delete(f"/v1/webhooks/{webhook['id']}")
    assert (await api.operator.delete(path)).status == 204
    assert (await api.operator.get(path)).status == 404
    assert (await submit(api.as_acme, RIGHT)).status == 422
    assert (await api.operator.delete(path)).status == 404
    await add(api)
    assert (await submit(api.as_acme, RIGHT)).status == 202
    assert (await api.operator.delete(path)).code == "event_type_in_use"


async def test_built_in_and_operational_types_are_not_changed(api: RunningApi) -> None:
    for name in (MESSAGE_SENT, "webhook.disabled"):
        assert (await api.operator.post("/v1/event-types", {**NEW, "name": name})).code == "event_type_exists"
    path = f"/v1/event-types/{MESSAGE_SENT}"
    assert (await api.operator.patch(path, {"deprecated": True})).code == "event_type_fixed"
    assert (await api.operator.delete(path)).code == "event_type_fixed"
    version = await api.operator.post(f"{path}/versions", {"schema": True})
    assert version.code == "event_type_fixed"
    assert (await api.operator.get(path)).value["source"] == "built_in"
    assert (await api.operator.get("/v1/event-types/webhook.disabled")).status == 404


async def test_a_name_is_taken_once(api: RunningApi) -> None:
    await add(api)
    assert (await api.operator.post("/v1/event-types", NEW)).code == "event_type_exists"


async def test_a_repeated_submission_under_its_key_gets_the_first_answer(api: RunningApi) -> None:
    body = {**NEW, "name": "prospect.once"}
    first = await api.operator.post("/v1/event-types", body, **{"Idempotency-Key": "one"})
    again = await api.operator.post("/v1/event-types", body, **{"Idempotency-Key": "one"})
    assert (first.status, again.status, again.body) == (201, 201, first.body)


async def test_a_type_without_schema_asks_no_process(api: RunningApi) -> None:
    await add(api)
    validator = api.handles.event_types.validator
    validator.close()
    await api.submit(MESSAGE_SENT, n=1)
    assert not validator.is_running


async def test_data_is_checked_as_it_is_sent(api: RunningApi) -> None:
    await add(api, schema={"additionalProperties": False, "properties": {"ä": {"const": "ü\u0000"}}}, example={})
    raw = b' {"data" : {"\\u00e4": "\\u00fc\\u0000"} , "event": "%s"}' % SCORED.encode()
    assert (await api.as_acme.call("POST", "/v1/events", content=raw)).status == 202
    tricky = orjson.dumps({"event": SCORED, "data": {'","data":{': 1}})
    assert (await api.as_acme.call("POST", "/v1/events", content=tricky)).paths == ['$.data.","data":{']
