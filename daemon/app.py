"""The composition root: opens everything, runs it, closes it; returns the process's exit code."""

import atexit
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import trio
from prometheus_client import disable_created_metrics
from structlog.typing import FilteringBoundLogger

from api.app import create_app
from api.server.listeners import Listeners, addresses_of, open_listeners, passed_descriptors
from api.server.serve import serve_api
from daemon import __version__
from daemon.actors.supervisor import innermost
from daemon.cluster.comparing import log_differences
from daemon.cluster.lease import Lease
from daemon.config.reload import LiveSettings, reload_on_hangup
from daemon.config.settings import ConfigError, Settings
from daemon.delivery.permit import ALWAYS, Permit
from daemon.domain.printable import printable
from daemon.files.descriptors import DescriptorBudget, raise_descriptor_limit, share_descriptors
from daemon.files.kept_addresses import keep_addresses, remove_addresses
from daemon.maintenance.opened_store import are_commits_missing, open_store
from daemon.maintenance.state_dir import operator_key, use_state_dir
from daemon.opening import open_patiently
from daemon.process.stop import Stop
from daemon.process.stop_signals import StopSignals
from daemon.run import run_daemon
from daemon.seams import Seams, real_seams
from daemon.start_log import Addresses, join_addresses, log_exposure, log_history, log_start
from daemon.store.commands import ReadBalance
from daemon.store.engine import DatabaseRefused
from daemon.store.nodes import CopiedInstallation, NotAdmitted
from daemon.systemd.notify import ServiceManager, feed_watchdog, find_service_manager
from daemon.telemetry.log import STDERR, LogSink, make_logger, make_message_logger, open_log_sink
from daemon.telemetry.log_buffer import LogBuffer
from daemon.telemetry.log_file import LogFile
from daemon.telemetry.log_throttle import LogThrottle, report_suppressed
from daemon.telemetry.loop_lag import watch_loop_lag
from daemon.telemetry.metrics import Metrics, make_metrics
from daemon.telemetry.python_messages import PythonMessages, take_standard_streams
from daemon.telemetry.tracing import NO_SPANS, Spans, open_spans, spans_possible, spans_wanted
from daemon.wiring import Daemon, assemble
from daemon.wiring_cluster import share_of
from daemon.wiring_handles import handles_of

EXIT_OK, EXIT_FAILED, EXIT_REFUSED, EXIT_COMMITS_LOST = 0, 1, 2, 6
_FLUSH_LOG_S = 2


@dataclass(frozen=True, slots=True)
class _Process:
    """What is there from the first instant to the last."""

    log: FilteringBoundLogger
    metrics: Metrics
    throttle: LogThrottle
    signals: StopSignals
    flush_log: Callable[[], object]


def serve(settings: Settings, reread: Callable[[], Settings]) -> int:
    """Run the daemon until SIGTERM or SIGINT. Returns 0 after a clean stop, or 6 if acknowledged commits are missing
    and nobody has dealt with it yet; 1 when it cannot go on; 2 for a setting or a state directory that it cannot work
    with (said in one sentence on stderr).

    `reread` reads the settings again, at SIGHUP.
    """
    live = LiveSettings(settings, reread)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no types
    process = _open_process(live)
    try:
        with use_state_dir(settings.state_dir), _no_addresses_outside(settings.state_dir):
            return _run_until_stopped(live, process)
    except ConfigError as refusal:
        return _refuse(refusal)
    finally:
        process.flush_log()


@contextmanager
def _no_addresses_outside(state_dir: Path) -> Iterator[None]:
    remove_addresses(state_dir)
    try:
        yield
    finally:
        remove_addresses(state_dir)


def _open_process(live: LiveSettings) -> _Process:
    metrics, throttle = make_metrics(), LogThrottle()
    node = live.now.store.effective_node_name if live.now.store.url else ""
    sink = open_log_sink(live.now.log, metrics.log_lines_dropped.inc, node)
    log = make_logger(live.now.log, sink, throttle=throttle, level=lambda: live.now.log.level)
    flush_log = _take_python_messages(sink, metrics)
    signals = StopSignals(before_end=flush_log)
    signals.install()
    return _Process(log=log, metrics=metrics, throttle=throttle, signals=signals, flush_log=flush_log)


def _take_python_messages(sink: LogSink, metrics: Metrics) -> Callable[[], object]:
    """Have Python log what it would write; return what writes out all that is logged by then."""
    log = make_message_logger(sink)
    messages = PythonMessages(lambda text: log.warning("python_message", text=text), metrics.log_lines_dropped.inc)

    def flush() -> None:
        messages.drain(_FLUSH_LOG_S)
        sink.buffer.close(_FLUSH_LOG_S)

    take_standard_streams(messages)
    atexit.register(flush)  # an exception that nobody caught is written after all else
    return flush


def _run_until_stopped(live: LiveSettings, process: _Process) -> int:
    failure: BaseExceptionGroup[Exception] | None = None
    try:
        try:
            trio.run(_main, live, process)
        except (ConfigError, DatabaseRefused, NotAdmitted) as refusal:
            return _refuse(refusal)
        except CopiedInstallation as copied:
            return _refuse(ConfigError(_copied(live.now.state_dir, copied)))
    except* Exception as group:
        failure = group
    if failure is None:
        return EXIT_COMMITS_LOST if are_commits_missing(live.now) else EXIT_OK
    process.log.error("daemon_failed", error=innermost(failure), exc_info=failure)
    return EXIT_FAILED


def _copied(state_dir: Path, original: CopiedInstallation) -> str:
    return (
        f"state_dir: {state_dir} is a copy of the one of node {original.name} on {original.host}, which runs: "
        "give this node a directory of its own"
    )


def _refuse(refusal: Exception) -> int:
    """Say it on stderr, but do not wait for a reader who has stalled."""
    said = LogBuffer(LogFile(STDERR).write, lambda count: None)
    said.msg(printable(f"kakiyo-webhooks: {refusal}", keep="\n").encode("utf-8", "backslashreplace"))
    said.close(_FLUSH_LOG_S)
    return EXIT_REFUSED


async def _main(live: LiveSettings, process: _Process) -> None:
    log = process.log
    settings = live.now
    started = trio.current_time()
    key, is_new = operator_key(settings.state_dir)
    budget = share_descriptors(raise_descriptor_limit(), settings.api.max_connections)
    lease = Lease()
    seams = replace(
        _seams(live, lease if settings.store.url else ALWAYS), spans=_spans(log), attempts_at_once=budget.attempts
    )
    opened = await open_patiently(partial(trio.to_thread.run_sync, open_store, settings), log)
    try:
        daemon = await assemble(
            live,
            opened.engine,
            vault=opened.vault,
            operator_key=key,
            seams=seams,
            metrics=process.metrics,
            log=log,
            share=share_of(opened, settings, lease),
        )
        listeners = await open_listeners(settings.api.bind, passed_descriptors())
        # What is loaded by now stays: without this each full collection looks through it, for a tenth of a second.
        gc.freeze()
        # Every 700 objects, the default, collections are 3 % of a delivery's cost: nearly all objects go without them.
        gc.set_threshold(5_000)
        gc.enable()
        log_start(settings, is_new, encryption=opened.key_file, log=log)
        log_history(opened.history, log)
        log_exposure(settings, addresses_of(listeners), log)
        if daemon.node is not None:
            await log_differences(daemon.nodes.lives, daemon.node.membership.node, log)
        await _save_addresses(settings.state_dir, addresses_of(listeners), log)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(report_suppressed, process.throttle, log)
            nursery.start_soon(reload_on_hangup, live, log)
            await _run(settings, daemon, listeners=listeners, budget=budget, started=started, signals=process.signals)
            nursery.cancel_scope.cancel()
    finally:
        opened.engine.close()
    await seams.spans.close()
    log.info("daemon_stopped")


async def _save_addresses(state_dir: Path, addresses: Addresses, log: FilteringBoundLogger) -> None:
    try:
        await trio.to_thread.run_sync(keep_addresses, state_dir, addresses)
    except OSError as error:  # the commands look at the settings then
        log.warning("addresses_not_saved", path=str(state_dir), error=error.strerror or str(error))


async def _run(
    settings: Settings,
    daemon: Daemon,
    listeners: Listeners,
    budget: DescriptorBudget,
    *,
    started: float,
    signals: StopSignals,
) -> None:
    ready, stop, grace_s = trio.Event(), Stop(settings.api.shutdown_delay_s), settings.delivery.stop_grace_s
    log, metrics = daemon.telemetry.log, daemon.telemetry.metrics

    def not_ready() -> str | None:
        if stop.announced:
            return "the daemon is stopping"
        if not ready.is_set():
            return "the daemon is starting"
        return None if daemon.node is None else daemon.node.membership.not_ready()

    metrics.ready.set_function(lambda: not_ready() is None)
    metrics.max_open_connections.set(budget.api_connections)
    app = create_app(handles_of(daemon, not_ready))
    api = partial(
        serve_api,
        app,
        listeners,
        stop=stop.now,
        grace_s=grace_s,
        max_connections=budget.api_connections,
        refusals_at_once=budget.api_refusals,
        open_connections=metrics.open_connections,
        submissions=app.plain_views,
        log=log,
    )
    service_manager = find_service_manager()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_on_signal, signals, stop, service_manager, grace_s, log)
        nursery.start_soon(watch_loop_lag, metrics.event_loop_lag_seconds, metrics.longest_lag)
        nursery.start_soon(_announce, ready, service_manager, join_addresses(addresses_of(listeners)), started, daemon)
        await run_daemon(daemon, api, ready=ready, stop=stop.now, grace_s=grace_s)
        nursery.cancel_scope.cancel()


async def _stop_on_signal(
    signals: StopSignals, stop: Stop, service_manager: ServiceManager, grace_s: float, log: FilteringBoundLogger
) -> None:
    async with trio.open_nursery() as nursery:
        async for number in signals.received():
            stop.announce()
            nursery.start_soon(stop.happen)
            log.info("daemon_stopping", signal=number.name, seconds=grace_s)
            await service_manager.stopping("Finishing the attempts in flight")


async def _announce(
    ready: trio.Event, service_manager: ServiceManager, bound: str, started: float, daemon: Daemon
) -> None:
    await ready.wait()
    duration_ms = round((trio.current_time() - started) * 1000)
    daemon.telemetry.log.info("daemon_ready", bind=bound, durationMs=duration_ms)
    await service_manager.ready(f"Listening on {bound}")
    await feed_watchdog(service_manager, partial(daemon.store.writer.execute, ReadBalance("")), daemon.work_done)


def _seams(live: LiveSettings, permit: Permit) -> Seams:
    try:
        return real_seams(live, permit)
    except OSError as error:
        raise ConfigError(f"egress.ca_file: {live.now.egress.ca_file} cannot be used ({error}): correct it") from None


def _spans(log: FilteringBoundLogger) -> Spans:
    if not spans_wanted():
        return NO_SPANS
    if spans_possible():
        return open_spans(__version__)
    log.warning("tracing_disabled", reason="OpenTelemetry's packages are missing: install the extra opentelemetry")
    return NO_SPANS
