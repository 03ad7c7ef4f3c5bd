"""OpenTelemetry: real spans of the real packages, and nothing without them."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from daemon.domain.model import Attempt, Event, Outcome, OutcomeKind, Webhook, Work
from daemon.telemetry.tracing import NO_SPANS, Spans, spans_possible, spans_wanted

AT = 1_800_000_000_000
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
EVENT = Event("evt_1", "team_1", "a.b", AT, b"{}", AT, traceparent=TRACEPARENT)
WORK = Work(1, "dlv_1", "evt_1", "a.b", b"{}", AT, traceparent=TRACEPARENT)
URL = "https://crm.example.com/hooks?secret=x"
WEBHOOK = Webhook(
    id="wh_1", team_id="team_1", name="CRM", url=URL, secret=None, events=("*",), created_at=AT, updated_at=AT
)


def made(outcome: Outcome) -> list[ReadableSpan]:
    """Return the spans of an event and an attempt."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = Spans(provider.get_tracer("tests"))
    spans.event_accepted(EVENT, 1)
    spans.attempt_ended(WEBHOOK, WORK, Attempt(2, AT + 500, outcome))
    return list(exporter.get_finished_spans())


def test_event_and_attempt_are_children_of_the_submissions_span() -> None:
    for span in made(Outcome(OutcomeKind.DELIVERED, 12, 200)):
        assert span.context is not None
        assert span.parent is not None
        assert f"{span.context.trace_id:032x}" == TRACE
        assert f"{span.parent.span_id:016x}" == PARENT


def test_an_attempt_lasts_as_long_as_it_took_and_names_everything_but_secrets() -> None:
    _, attempt = made(Outcome(OutcomeKind.DELIVERED, 12, 200))
    assert attempt.kind is SpanKind.CLIENT
    assert (attempt.start_time, attempt.end_time) == ((AT + 500) * 1_000_000, (AT + 512) * 1_000_000)
    assert dict(attempt.attributes or {}) == {
        "http.request.method": "POST", "server.address": "crm.example.com", "http.response.status_code": 200,
        "event.id": "evt_1", "event.type": "a.b", "team.id": "team_1", "webhook.id": "wh_1", "delivery.id": "dlv_1",
        "delivery.attempt": 2,
    }  # fmt: skip


def test_a_failed_attempt_is_an_error() -> None:
    _, attempt = made(Outcome(OutcomeKind.TIMEOUT, 10_000, error="no response within 10 s"))
    assert attempt.status.status_code is StatusCode.ERROR
    assert (attempt.attributes or {})["error.type"] == "timeout"


def test_without_configuration_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    NO_SPANS.event_accepted(EVENT, 1)
    NO_SPANS.attempt_ended(WEBHOOK, WORK, Attempt(1, AT, Outcome(OutcomeKind.DELIVERED, 1, 200)))
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_spans_are_wanted_where_an_exporter_is_configured(environment: dict[str, str], wanted: bool) -> None:
    assert spans_wanted(environment) is wanted
    assert spans_possible()
