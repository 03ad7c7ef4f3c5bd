"""OpenTelemetry spans of events and attempts, if its packages are installed and an exporter is configured.

Install the extra `opentelemetry` and set the standard variables, such as OTEL_EXPORTER_OTLP_ENDPOINT. The packages send
spans from a thread of their own, in batches; what their queue has no room for is dropped.
"""

import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import trio

from daemon.domain.model import Attempt, Event, Webhook, Work

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
_CLOSES_WITHIN_S = 5
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Spans:
    """Where spans go; nowhere without a `tracer`."""

    tracer: "Tracer | None" = None
    shut_down: Callable[[], object] = int

    def event_accepted(self, event: Event, deliveries: int) -> None:
        """Record an event that is on disk: from its acceptance to now."""
        if self.tracer is None:
            return
        span = self._start("accept event", "SERVER", traceparent=event.traceparent, started_at=event.accepted_at)
        _describe(span, {"event.id": event.id, "event.type": event.type, "team.id": event.team_id,
                         "event.deliveries": deliveries})  # fmt: skip
        span.end()

    def attempt_ended(self, webhook: Webhook, work: Work, attempt: Attempt) -> None:
        """Record an attempt, from its start to its end; it failed unless it delivered."""
        if self.tracer is None:
            return
        outcome = attempt.outcome
        span = self._start("POST", "CLIENT", traceparent=work.traceparent, started_at=attempt.started_at)
        _describe(span, {
            "http.request.method": "POST", "server.address": urlsplit(webhook.url).hostname,
            "http.response.status_code": outcome.status,
            "error.type": None if outcome.delivered else outcome.kind.value,
            "event.id": work.event_id, "event.type": work.event_type, "team.id": webhook.team_id,
            "webhook.id": webhook.id, "delivery.id": work.delivery_id, "delivery.attempt": attempt.number,
        })  # fmt: skip
        if not outcome.delivered:
            _set_failed(span, outcome.error)
        span.end((attempt.started_at + outcome.duration_ms) * _NS_PER_MS)

    async def close(self) -> None:
        """Flush what is waiting, for at most 5 s."""
        with trio.move_on_after(_CLOSES_WITHIN_S):
            await trio.to_thread.run_sync(self.shut_down, abandon_on_cancel=True)

    def _start(self, name: str, kind: str, traceparent: str | None, started_at: int) -> Any:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        assert self.tracer is not None
        carrier = {} if traceparent is None else {"traceparent": traceparent}
        parent = TraceContextTextMapPropagator().extract(carrier)
        return self.tracer.start_span(name, parent, SpanKind[kind], start_time=started_at * _NS_PER_MS)


NO_SPANS = Spans()


def spans_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether an exporter is configured (OpenTelemetry's "OTLP Exporter" variables)."""
    is_disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not is_disabled and any(environment.get(name) for name in _ENDPOINTS)


def spans_possible() -> bool:
    """Return whether the packages are installed."""
    try:
        return all(importlib.util.find_spec(name) is not None for name in _PACKAGES)
    except ModuleNotFoundError:
        return False


def open_spans(version: str) -> Spans:
    """Return spans that are exported as the environment says. The packages must be installed."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", "kakiyo-webhooks"), SERVICE_VERSION: version}
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Spans(provider.get_tracer("kakiyo-webhooks", version), provider.shutdown)


def _describe(span: Any, attributes: Mapping[str, str | int | None]) -> None:
    span.set_attributes({name: value for name, value in attributes.items() if value is not None})


def _set_failed(span: Any, error: str | None) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, error))
