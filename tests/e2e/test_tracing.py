"""A trace from the submission to the receiver: its header, its log lines, and the spans that a collector gets."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.conftest import MakeInstallation
from tests.e2e.operating import make_event, operated
from tests.support.receivers import open_receiver

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


async def test_a_trace_reaches_the_log_the_receiver_and_the_collector(new_installation: MakeInstallation) -> None:
    async with open_receiver() as receiver, open_receiver() as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url.rstrip("/"), "OTEL_BSP_SCHEDULE_DELAY": "50"}
        async with operated(new_installation(), environment=environment) as operator:
            await operator.make_team()
            await operator.make_webhook(receiver.url)
            operator.http.headers["traceparent"] = TRACEPARENT
            await operator.call("POST", "/v1/events", make_event(1), expect=202)
            [line] = await operator.daemon.logged("delivery_succeeded")
            [accepted] = operator.daemon.log_lines("event_accepted")
    assert line["traceId"] == accepted["traceId"] == TRACE
    [delivered] = receiver.requests
    assert dict(delivered.headers)["traceparent"] == TRACEPARENT
    exported = [ExportTraceServiceRequest.FromString(request.body) for request in collector.requests]
    spans = [span for one in exported for found in one.resource_spans for scope in found.scope_spans
             for span in scope.spans]  # fmt: skip
    assert sorted(span.name for span in spans) == ["POST", "accept event"]
    assert {span.trace_id.hex() for span in spans} == {TRACE}
