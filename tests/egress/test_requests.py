import httpx
import pytest

from daemon.egress.transport import EndpointTransport
from tests.egress.posting import post
from tests.support.receivers import open_receiver, respond


async def test_a_request_is_sent_as_it_is_with_its_headers_in_order_and_case(transport: EndpointTransport) -> None:
    async with open_receiver() as receiver:
        url = receiver.url + "/a%20b?c=d&e=%2F"
        headers = [
            ("Host", "hooks.example.com"),
            ("X-Kakiyo-Event", "e"),
            ("webhook-id", "dlv_1"),
            ("Content-Length", "4"),
        ]
        request = httpx.Request("POST", url, headers=headers, content=b"\x00\r\n\xff")
        response = await transport.handle_async_request(request)
        await response.aclose()
        (received,) = receiver.requests
        assert received.request_line == "POST /hook/a%20b?c=d&e=%2F HTTP/1.1"
        assert received.headers == headers
        assert received.body == b"\x00\r\n\xff"


async def test_a_redirect_is_a_response_like_any_other(transport: EndpointTransport) -> None:
    async with (
        open_receiver() as elsewhere,
        open_receiver(respond(302, headers=[("Location", elsewhere.url)])) as receiver,
    ):
        assert (await post(transport, receiver.url))[0] == 302
        assert elsewhere.requests == []


async def test_no_proxy_is_taken_from_the_environment(
    transport: EndpointTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_receiver() as proxy, open_receiver() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        await post(transport, receiver.url)
        assert (len(proxy.requests), len(receiver.requests)) == (0, 1)


@pytest.mark.parametrize("value", ["a\r\nX-Injected: yes", "a\nb", "a\rb"])
async def test_a_line_break_in_a_header_is_refused_before_anything_is_connected(
    transport: EndpointTransport, value: str
) -> None:
    async with open_receiver() as receiver:
        request = httpx.Request("POST", receiver.url, headers=[("X-Kakiyo-Event", value)], content=b"{}")
        with pytest.raises(httpx.LocalProtocolError, match="line break"):
            await transport.handle_async_request(request)
        assert receiver.connections == 0


async def test_the_transport_serves_an_httpx_client_too(transport: EndpointTransport) -> None:
    async with open_receiver(respond(200, b"x" * 50_000)) as receiver, httpx.AsyncClient(transport=transport) as client:
        for _ in range(2):
            assert (await client.post(receiver.url, json={})).content == b"x" * 50_000
        assert receiver.connections == 1
