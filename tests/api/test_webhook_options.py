"""The options of a webhook over the API (contract "Options of a webhook")."""

from typing import Any

import pytest

from daemon.domain.audit import THE_DAEMON
from tests.support.api_client import PUBLIC_URL, RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")

# All of them, each with what it is where nothing was chosen.
OPTIONS: dict[str, Any] = {
    "timeoutS": None,
    "signatureScheme": "hmac",
    "retrySchedule": None,
    "retryJitter": None,
    "retryAfter": False,
    "disableOnGone": False,
    "maxPerSecond": None,
    "whileRetrying": "hold",
    "concurrency": 1,
    "ipVersion": None,
    "filter": None,
    "headers": [],
}
CHOSEN: dict[str, Any] = {
    "timeoutS": 2.5,
    "signatureScheme": "both",
    "retrySchedule": [1, 2.5, 86_400],
    "retryJitter": "full",
    "retryAfter": True,
    "disableOnGone": True,
    "maxPerSecond": 0.2,
    "whileRetrying": "step_aside",
    "concurrency": 32,
    "ipVersion": "6",
    "filter": "data.amount > `10`",
    "headers": [{"name": "X-Tenant", "value": "acme", "secret": False}],
}
WRONG: tuple[dict[str, Any], ...] = (
    {"timeoutS": 0.5},
    {"timeoutS": 31},
    {"timeoutS": "5"},
    {"timeoutS": True},
    {"signatureScheme": "rsa"},
    {"signatureScheme": "ED25519"},
    {"signatureScheme": ["hmac"]},
    {"retrySchedule": "long"},
    {"retrySchedule": [1] * 21},
    {"retrySchedule": [0.5]},
    {"retrySchedule": [86_401]},
    {"retrySchedule": ["5"]},
    {"retrySchedule": [True]},
    {"retrySchedule": [None]},
    {"retrySchedule": 5},
    {"retrySchedule": {"a": 1}},
    {"retryJitter": "some"},
    {"retryAfter": "yes"},
    {"disableOnGone": 1},
    {"maxPerSecond": 0},
    {"maxPerSecond": 0.009},
    {"maxPerSecond": 1001},
    {"maxPerSecond": "5"},
    {"whileRetrying": "stop"},
    {"whileRetrying": True},
    {"concurrency": 0},
    {"concurrency": 33},
    {"concurrency": 1.5},
    {"concurrency": "4"},
    {"concurrency": True},
    {"filter": "data.amount > 10"},
    {"filter": ""},
    {"filter": 5},
    {"filter": "x" * 2_049},
    {"filter": "(" * 2_000},
    {"ipVersion": 4},
    {"ipVersion": "5"},
    {"proxy": "http://proxy.example.com:3128"},
    {"proxy": {"url": ""}},
    {"proxy": {"url": "http://proxy.example.com:3128", "password": ""}},
    {"proxy": {"url": "http://proxy.example.com:3128", "password": "a\nb"}},
    {"proxy": {"url": "http://proxy.example.com:3128", "user": "u"}},
    {"clientCertificate": "PEM"},
    {"clientCertificate": {"certificate": "PEM"}},
    {"clientCertificate": {"certificate": "PEM", "privateKey": "PEM"}},
    {"clientCertificate": {"certificate": "x" * 16_385, "privateKey": "PEM"}},
    {"caCertificates": ""},
    {"caCertificates": "PEM"},
    {"caCertificates": ["PEM"]},
    {"caCertificates": "x" * 32_769},
    {"headers": {"X-Tenant": "acme"}},
    {"headers": ["X-Tenant: acme"]},
    {"headers": [{"value": "acme"}]},
    {"headers": [{"name": "X-Tenant"}]},
    {"headers": [{"name": "X-Tenant", "value": 7}]},
    {"headers": [{"name": "X-Tenant", "value": "acme", "hidden": True}]},
    {"headers": [{"name": "X-Tenant", "value": "acme", "secret": "yes"}]},
    {"headers": [{"name": f"X-{number}", "value": "1"} for number in range(21)]},
)


def options_in(webhook: dict[str, Any]) -> dict[str, Any]:
    return {name: webhook[name] for name in OPTIONS}


async def test_a_webhook_has_no_option_unless_one_is_chosen(api: RunningApi) -> None:
    assert options_in(await api.webhook()) == OPTIONS


async def test_options_are_chosen_when_it_is_registered(api: RunningApi) -> None:
    webhook = await api.webhook(**CHOSEN)
    assert options_in(webhook) == CHOSEN
    assert options_in((await api.as_acme.get(f"/v1/webhooks/{webhook['id']}")).value) == CHOSEN


@pytest.mark.parametrize("name", OPTIONS)
async def test_an_option_is_chosen_later_stays_when_others_change_and_is_set_back_by_null(
    api: RunningApi, name: str
) -> None:
    path = f"/v1/webhooks/{(await api.webhook())['id']}"
    for change in ({name: CHOSEN[name]}, {"name": "other"}, {"active": False}, {"active": True}):
        changed = await api.as_acme.patch(path, change)
        assert (changed.status, options_in(changed.value)) == (200, {**OPTIONS, name: CHOSEN[name]})
    assert options_in((await api.as_acme.patch(path, {name: None})).value) == OPTIONS


@pytest.mark.parametrize("wrong", WRONG, ids=str)
async def test_a_wrong_option_is_refused_with_its_place(api: RunningApi, wrong: dict[str, Any]) -> None:
    [name] = wrong
    path = f"/v1/webhooks/{(await api.webhook())['id']}"
    body = {"name": "n", "url": PUBLIC_URL, "events": ["*"], **wrong}
    for refused in (await api.as_acme.post("/v1/webhooks", body), await api.as_acme.patch(path, wrong)):
        assert (refused.status, refused.value["errors"][0]["path"].split("[")[0].split(".")[1]) == (422, name)


@pytest.mark.parametrize("schedule", ["short", "standard", [], [1] * 20])
async def test_a_schedule_has_a_name_or_up_to_20_delays(api: RunningApi, schedule: Any) -> None:
    assert (await api.webhook(retrySchedule=schedule))["retrySchedule"] == schedule


async def test_a_wrong_delay_is_named_by_its_place(api: RunningApi) -> None:
    path = f"/v1/webhooks/{(await api.webhook())['id']}"
    refused = await api.as_acme.patch(path, {"retrySchedule": [5, 0]})
    assert refused.value["errors"][0]["message"] == "expected 1 to 86400 seconds for number 2"


async def test_a_live_listener_has_no_options(api: RunningApi) -> None:
    live = await api.daemon.parts.webhooks.create_live("wh_live", api.acme.id, ("*",), secret="s", by=THE_DAEMON)
    refused = await api.as_acme.patch(f"/v1/webhooks/{live.id}", CHOSEN)
    assert refused.status == 422
    assert {each["path"] for each in refused.value["errors"]} == {f"$.{name}" for name in CHOSEN}


async def test_the_audit_trail_shows_what_became_of_an_option(api: RunningApi) -> None:
    webhook = await api.webhook()
    await api.as_acme.patch(f"/v1/webhooks/{webhook['id']}", {"timeoutS": 2.5})
    newest = (await api.operator.get(f"/v1/teams/{api.acme.id}/audit")).value["items"][0]
    assert newest["changes"] == {"timeoutS": {"from": None, "to": 2.5}}
