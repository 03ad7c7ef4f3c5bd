"""The table of bad input, row by row (contract "HTTP API")."""

from collections.abc import Mapping
from typing import Any

from daemon.domain.errors import UrlNotAllowed
from daemon.egress.resolver import Resolver
from daemon.egress.urls import EgressRules, check_url
from tests.support.api_client import RunningApi, running_api

WEBHOOK: Mapping[str, Any] = {"name": "CRM", "url": "https://example.com/in", "events": ["*"]}


NO_JSON = (
    (b"", "line 1, column 1"),
    (b"{", "line 1, column 2"),
    (b'{"name": }', "line 1, column 10"),
    (b"{'name': 1}", "line 1"),
    (b"{} {}", "something follows"),
    (b"\xff{}", "not UTF-8"),
    (b"\xef\xbb\xbf{}", "line 1, column 1"),
    (b'{"name": NaN}', "nan is not json"),
    (b'{"name": -Infinity}', "-infinity is not json"),
    (b'{"name": 1e999}', "too large for a double"),
    (b'{"name": 1, "name": 1}', "twice"),
    (b'{"name": "\\ud800"}', "cannot be passed on unchanged"),
    (b'{"\\udfff": 1}', "cannot be passed on unchanged"),
    (b'{"name": 18446744073709551616}', "64-bit"),
    (b'{"name": ' + b"9" * 5000 + b"}", "exceeds the limit"),
    (b'{"name": "\x01"}', "invalid control character"),
    (b"[" * 60_000, "nested too deeply"),
    (b"[" * 300 + b"]" * 300, "recursion limit"),
)


async def test_a_body_that_is_not_json_is_400(api: RunningApi) -> None:
    for content, reason in NO_JSON:
        for path in ("/v1/webhooks", "/v1/events"):
            answer = await api.as_acme.call("POST", path, content=content)
            assert (answer.status, answer.code) == (400, "invalid_json"), (content[:50], path)
            assert reason in answer.value["detail"], (content[:50], path)


async def test_another_content_type_is_415(api: RunningApi) -> None:
    for path in ("/v1/webhooks", "/v1/events", "/v1/webhooks/test"):
        for media_type in (None, "text/plain", "application/xml", "application/jsonx", "application/x-ndjson"):
            answer = await api.as_acme.call("POST", path, content=b"{}", media_type=media_type)
            assert (answer.status, answer.code) == (415, "unsupported_media_type"), (path, media_type)
            assert "application/json" in answer.value["detail"], (path, media_type)


async def test_a_compressed_body_is_415(api: RunningApi) -> None:
    answer = await api.as_acme.post("/v1/events", {}, **{"Content-Encoding": "gzip"})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


async def test_a_content_type_may_have_parameters(api: RunningApi) -> None:
    content = b'{"name": "n", "url": "https://example.com", "events": ["*"]}'
    answer = await api.as_acme.call(
        "POST", "/v1/webhooks", content=content, media_type="Application/JSON; charset=utf-8"
    )
    assert answer.status == 201


async def test_a_body_over_64_kib_is_413(api: RunningApi) -> None:
    for size, status in ((64 * 1024, 422), (64 * 1024 + 1, 413)):
        content = b'{"name": "%s"}' % (b"x" * (size - 12))
        assert len(content) == size
        answer = await api.as_acme.call("POST", "/v1/webhooks", content=content)
        assert answer.status == status
    assert answer.code == "too_large"


WRONG_FIELDS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"name": None}, "$.name"),
    ({"name": ""}, "$.name"),
    ({"name": "x" * 201}, "$.name"),
    ({"name": 5}, "$.name"),
    ({"url": None}, "$.url"),
    ({"url": ["https://example.com"]}, "$.url"),
    ({"events": []}, "$.events"),
    ({"events": "*"}, "$.events"),
    ({"events": None}, "$.events"),
    ({"events": ["linkedin.message.sent", 5]}, "$.events[1]"),
    ({"events": ["linkedin.message.sent", "linkedin.message.eaten"]}, "$.events[1]"),
    ({"secret": ""}, "$.secret"),
    ({"secret": 5}, "$.secret"),
    ({"secret": "whsec_short"}, "$.secret"),
    ({"active": True}, "$.active"),
    ({"team_id": "x"}, "$.team_id"),
    ({"Name": "x"}, "$.Name"),
)


async def test_a_wrong_or_unknown_field_is_422_and_is_named(api: RunningApi) -> None:
    for change, path in WRONG_FIELDS:
        answer = await api.as_acme.post("/v1/webhooks", {**WEBHOOK, **change})
        assert (answer.status, answer.code, answer.paths) == (422, "invalid_field", [path]), change
        assert answer.value["errors"][0]["message"], change


async def test_a_missing_field_is_422_and_is_named(api: RunningApi) -> None:
    for missing in WEBHOOK:
        rest = {name: value for name, value in WEBHOOK.items() if name != missing}
        answer = await api.as_acme.post("/v1/webhooks", rest)
        assert (answer.status, answer.paths) == (422, [f"$.{missing}"])
        assert answer.value["errors"][0]["message"] == "is missing", missing


async def test_a_body_that_is_no_object_is_422(api: RunningApi) -> None:
    for path in ("/v1/webhooks", "/v1/events", "/v1/webhooks/test"):
        for body in (list[object](), "x", 1, None, True):
            answer = await api.as_acme.post(path, body)
            assert (answer.status, answer.paths) == (422, ["$"]), (path, body)


async def test_no_more_wrong_fields_are_listed_than_anybody_reads(api: RunningApi) -> None:
    answer = await api.as_acme.post("/v1/webhooks", {f"{number}{'x' * 300}": 1 for number in range(100)})
    assert answer.status == 422
    assert len(answer.value["errors"]) == 20
    assert max(map(len, answer.paths)) < 110


WRONG_URLS = (
    ("http://example.com/in", "https"),
    ("https://user:secret@example.com/in", "user"),
    ("https://example.com/in#part", "fragment"),
    ("https://example.com/" + "x" * 2048, "2048"),
    ("https://127.0.0.1/in", "127.0.0.1"),
    ("https://[::1]/in", "::1"),
    ("https://10.1.2.3/in", "10.1.2.3"),
    ("https://2130706433/in", ""),
    ("", ""),
    ("example.com", ""),
    ("https://", ""),
)


async def test_a_url_that_breaks_a_rule_is_422_and_says_which(tmp_path: Any) -> None:
    rules = EgressRules()

    async def check(url: str, _team_id: str) -> None:
        await check_url(url, rules, Resolver().resolve)

    async with running_api(tmp_path, check_url=check) as api:
        for url, rule in WRONG_URLS:
            created = await api.as_acme.post("/v1/webhooks", {**WEBHOOK, "url": url})
            assert (created.status, created.code, created.paths) == (422, "url_not_allowed", ["$.url"]), url
            assert rule in created.value["detail"], url


async def test_a_changed_url_is_checked_like_a_new_one(tmp_path: Any) -> None:
    async def refuse(url: str, _team_id: str) -> None:
        if "bad" in url:
            raise UrlNotAllowed("address", "The host is not public: use one that is.")

    async with running_api(tmp_path, check_url=refuse) as api:
        webhook = await api.webhook()
        answer = await api.as_acme.patch(f"/v1/webhooks/{webhook['id']}", {"url": "https://bad.example.com"})
        assert (answer.status, answer.code) == (422, "url_not_allowed")
        assert (await api.as_acme.get(f"/v1/webhooks/{webhook['id']}")).value["url"] == webhook["url"]


WRONG_QUERIES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"limit": "0"}, "query.limit"),
    ({"limit": "201"}, "query.limit"),
    ({"limit": "ten"}, "query.limit"),
    ({"limit": "1e1"}, "query.limit"),
    ({"limit": "²"}, "query.limit"),
    ({"limit": ""}, "query.limit"),
    ({"cursor": "nonsense"}, "query.cursor"),
    ({"cursor": ""}, "query.cursor"),
    ({"status": "done"}, "query.status"),
    ({"since": "yesterday"}, "query.since"),
    ({"until": "2025-07-15"}, "query.until"),
    ({"webhookid": "x"}, "query.webhookid"),
    ({"team_id": "x"}, "query.team_id"),
    ({"limit": ["1", "2"]}, "query.limit"),
)


async def test_a_wrong_unknown_or_repeated_query_parameter_is_422(api: RunningApi) -> None:
    for query, path in WRONG_QUERIES:
        answer = await api.as_acme.get("/v1/deliveries", **query)
        assert (answer.status, answer.code, answer.paths) == (422, "invalid_field", [path]), query


async def test_a_query_on_a_route_that_takes_none_is_422(api: RunningApi) -> None:
    answer = await api.as_acme.get("/v1/verify", verbose="1")
    assert (answer.status, answer.paths) == (422, ["query.verbose"])


async def test_who_asks_for_health_may_add_any_query(api: RunningApi) -> None:
    assert (await api.as_acme.get("/healthz", at="123")).status == 200


async def test_an_unknown_path_is_a_404_problem(api: RunningApi) -> None:
    for path in ("/", "/v1", "/v1/nothing", "/v1/webhooks//", "//v1//verify", "/v1/events/a/b", "/static/x"):
        answer = await api.operator.get(path)
        assert (answer.status, answer.code) == (404, "not_found"), path


async def test_a_method_that_a_path_does_not_take_is_a_405_problem_with_those_it_takes(api: RunningApi) -> None:
    answer = await api.operator.call("PUT", "/v1/webhooks")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


async def test_options_lists_the_methods_and_head_answers_like_get(api: RunningApi) -> None:
    options = await api.operator.call("OPTIONS", "/v1/webhooks")
    assert options.status == 200
    assert set(options.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    head = await api.operator.call("HEAD", "/v1/verify")
    assert (head.status, head.headers["Content-Type"]) == (200, "application/json")


async def test_no_answer_may_be_cached_or_sniffed(api: RunningApi) -> None:
    for answer in (
        await api.operator.get("/v1/verify"),
        await api.operator.get("/v1/nothing"),
        await api.operator.get("/healthz"),
        await api.operator.call("OPTIONS", "/v1/webhooks"),
        await api.operator.with_key(None).get("/v1/verify"),
    ):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
