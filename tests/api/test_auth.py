"""Keys: who gets in, and what exists for whom."""

from collections.abc import Awaitable, Callable

from api.app import ROUTES
from api.http.route import Access, Route
from tests.support.api_client import Answer, ApiClient, RunningApi
from tests.support.daemon import OPERATOR_KEY

KEYED = [route for route in ROUTES if route.access in (Access.TEAM, Access.OPERATOR)]
OPERATOR_ONLY = [route for route in ROUTES if route.access is Access.OPERATOR]
OPEN = [route for route in ROUTES if route.access in (Access.LOCAL, Access.LOCAL_OPERATOR)]
ELSEWHERE = ("192.0.2.1", 8480)


def path_of(route: Route) -> str:
    return route.path.replace("{", "").replace("}", "")


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


async def test_every_route_wants_a_key_before_it_looks_at_anything_else(api: RunningApi) -> None:
    nobody = api.operator.with_key(None)
    for route in KEYED:
        answer = await nobody.call(route.method, path_of(route), content=b"{", media_type="text/plain")
        assert (answer.status, answer.code) == (401, "unauthorized"), name_of(route)
        assert answer.headers["WWW-Authenticate"] == "Bearer", name_of(route)


async def test_no_malformed_unknown_and_revoked_keys_get_the_same_answer(api: RunningApi) -> None:
    created = (await api.operator.post(f"/v1/teams/{api.acme.id}/keys", {"name": "old"})).value
    assert (await api.operator.delete(f"/v1/keys/{created['id']}")).status == 204
    nobody = api.operator.with_key(None)
    headers: list[dict[str, str]] = [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": OPERATOR_KEY},
        {"Authorization": f"Basic {OPERATOR_KEY}"},
        {"Authorization": "Bearer kwh_unknown"},
        {"Authorization": "Bearer \xff\xfe"},
        {"Authorization": f"Bearer {OPERATOR_KEY}x"},
        {"Authorization": f"Bearer {created['key']}"},
    ]
    answers = [await nobody.call("GET", "/v1/verify", headers=each) for each in headers]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1


async def test_the_scheme_of_a_key_may_be_written_in_any_case(api: RunningApi) -> None:
    answer = await api.operator.with_key(None).call(
        "GET", "/v1/verify", headers={"Authorization": f"bearer {OPERATOR_KEY}"}
    )
    assert answer.status == 200


async def test_a_team_key_cannot_do_what_is_the_operators(api: RunningApi) -> None:
    for route in OPERATOR_ONLY:
        answer = await api.as_acme.call(route.method, path_of(route), content=b"{}")
        assert (answer.status, answer.code) == (403, "operator_only"), name_of(route)


async def test_what_belongs_to_another_team_is_as_if_it_did_not_exist(api: RunningApi) -> None:
    await api.webhook()
    event_id = await api.submit()
    webhook = (await api.as_acme.get("/v1/webhooks")).value["items"][0]["id"]
    delivery = (await api.as_acme.get("/v1/deliveries")).value["items"][0]["id"]
    _, stranger = await api.another_team()
    for method, path, body in (
        ("GET", f"/v1/webhooks/{webhook}", None),
        ("PATCH", f"/v1/webhooks/{webhook}", b'{"active": false}'),
        ("DELETE", f"/v1/webhooks/{webhook}", None),
        ("POST", f"/v1/webhooks/{webhook}/recover", b'{"since": "2020-01-01T00:00:00Z"}'),
        ("GET", f"/v1/deliveries/{delivery}", None),
        ("POST", f"/v1/deliveries/{delivery}/resend", None),
        ("GET", f"/v1/events/{event_id}", None),
    ):
        theirs = await stranger.call(method, path, content=body)
        missing = await stranger.call(
            method, path.replace(webhook, "x").replace(delivery, "x").replace(event_id, "x"), content=body
        )
        assert (theirs.status, theirs.code) == (404, "not_found"), path
        assert theirs == missing
    assert (await api.as_acme.get(f"/v1/webhooks/{webhook}")).value["active"] is True


async def test_another_teams_id_is_as_unknown_as_one_that_nobody_has(api: RunningApi) -> None:
    _, stranger = await api.another_team()
    event = {"event": "linkedin.message.sent", "data": {}}
    webhook = {"name": "n", "url": "https://example.com", "events": ["*"]}
    calls: list[Callable[[str], Awaitable[Answer]]] = [
        lambda team: stranger.get("/v1/webhooks", teamId=team),
        lambda team: stranger.get("/v1/deliveries", teamId=team),
        lambda team: stranger.get("/v1/credits", teamId=team),
        lambda team: stranger.get("/v1/credits/entries", teamId=team),
        lambda team: stranger.post("/v1/events", {**event, "teamId": team}),
        lambda team: stranger.post("/v1/events/batch", [event, {**event, "teamId": team}]),
        lambda team: stranger.post("/v1/webhooks", {**webhook, "teamId": team}),
        lambda team: stranger.post("/v1/webhooks/test", {"event": "linkedin.message.sent", "teamId": team}),
    ]
    for call in calls:
        theirs, nobodys = await call(api.acme.id), await call("team_nobody")
        assert (theirs.status, theirs.code) == (404, "not_found")
        assert theirs == nobodys
        assert theirs.paths[0].endswith("teamId")


async def test_the_operator_is_told_which_team_does_not_exist(api: RunningApi) -> None:
    for answer, path in (
        (await api.operator.get("/v1/webhooks", teamId="x"), "query.teamId"),
        (await api.operator.get("/v1/credits", teamId="x"), "query.teamId"),
        (
            await api.operator.post("/v1/events", {"event": "linkedin.message.sent", "teamId": "x", "data": {}}),
            "$.teamId",
        ),
        (await api.operator.post("/v1/credits/grants", {"teamId": "x", "amount": 1}), "$.teamId"),
    ):
        assert (answer.status, answer.paths) == (404, [path])


async def test_the_operator_must_say_which_team_it_is_about(api: RunningApi) -> None:
    webhook = {"name": "n", "url": "https://example.com", "events": ["*"]}
    for answer, path in (
        (await api.operator.get("/v1/credits"), "query.teamId"),
        (await api.operator.get("/v1/credits/entries"), "query.teamId"),
        (await api.operator.post("/v1/webhooks", webhook), "$.teamId"),
        (await api.operator.post("/v1/webhooks/test", {"event": "linkedin.message.sent"}), "$.teamId"),
        (await api.operator.post("/v1/events", {"event": "linkedin.message.sent", "data": {}}), "$.teamId"),
    ):
        assert (answer.status, answer.code, answer.paths) == (422, "invalid_field", [path])


async def test_verify_says_whose_key_it_is(api: RunningApi) -> None:
    team = {"teamId": api.acme.id, "name": "Acme", "operator": False, "role": "admin"}
    assert (await api.as_acme.get("/v1/verify")).value == team
    operator = {"teamId": None, "name": None, "operator": True, "role": None}
    assert (await api.operator.get("/v1/verify")).value == operator


async def test_on_this_machine_health_needs_no_key(api: RunningApi) -> None:
    nobody = api.operator.with_key(None)
    for route in OPEN:
        for server in (("127.0.0.1", 80), ("::1", 80), ("::ffff:127.0.0.1", 80), None):
            assert (await nobody.call("GET", route.path, server=server)).status == 200, (route.path, server)


async def test_from_elsewhere_health_needs_a_key_and_metrics_the_operators(api: RunningApi) -> None:
    async def status(client: ApiClient, route: Route) -> int:
        return (await client.call("GET", route.path, server=ELSEWHERE)).status

    for route in OPEN:
        assert await status(api.operator.with_key(None), route) == 401, route.path
        assert await status(api.operator, route) == 200, route.path
        expected = 403 if route.access is Access.LOCAL_OPERATOR else 200
        assert await status(api.as_acme, route) == expected, route.path
