"""The suites' client: a request that is cut off leaves nothing that fails another test."""

import gc

import trio

from tests.support.patient_client import make_patient_client


async def test_a_request_cut_off_while_it_is_sent_leaves_nothing_for_the_garbage_collector() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        async with make_patient_client(url, "key", 20) as http:
            with trio.move_on_after(0.2) as deadline:
                await http.post("/", content=bytes(50_000_000))  # nobody reads it
    assert deadline.cancelled_caught
    gc.collect()  # a warning is an error
