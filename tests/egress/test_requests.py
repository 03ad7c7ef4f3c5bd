import math
from urllib.parse import urlsplit

import httpx
import pytest

from daemon.egress.post import make_post
from daemon.egress.response import Response
from daemon.egress.transport import EndpointTransport
from tests.egress.posting import post
from tests.support.receivers import open_receiver, respond


async def test_a_request_is_sent_as_it_is_with_its_headers_in_order_and_case(transport: EndpointTransport) -> None:
    async with open_receiver() as receiver:
        url = receiver.url + "/a%20b?c=d&e=%2F"
        headers = [("X-Kakiyo-Event", "e"), ("webhook-id", "dlv_1")]
        await transport.send(make_post(url, headers, b"\x00\r\n\xff"), Response(4096), math.inf)
        (received,) = receiver.requests
        assert received.request_line == "POST /hook/a%20b?c=d&e=%2F HTTP/1.1"
        assert received.headers == [("Host", urlsplit(url).netloc), ("Content-Length", "4"), *headers]
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
def test_no_request_is_made_with_a_line_break_in_a_header(value: str) -> None:
    with pytest.raises(httpx.LocalProtocolError, match="line break"):
        make_post("https://hooks.example.com/", [("X-Kakiyo-Event", value)], b"{}")
