from prometheus_client.parser import text_string_to_metric_families

from daemon import __version__
from daemon.domain.model import DeliveryStatus, OutcomeKind
from daemon.telemetry.metrics import ActorKind, MailResult, Metrics, Refusal, make_metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


def test_what_is_counted_stands_in_the_text() -> None:
    metrics = make_metrics()
    metrics.events_accepted.inc(3)
    metrics.attempts[OutcomeKind.TIMEOUT].inc()
    metrics.deliveries[DeliveryStatus.FAILED].inc()
    metrics.submissions_refused[Refusal.OVERLOADED].inc()
    metrics.actor_restarts[ActorKind.ENDPOINT].inc()
    metrics.mails[MailResult.SENT].inc()
    found = samples(metrics)
    assert found["kakiyo_webhooks_events_accepted_total", ()] == 3
    assert found["kakiyo_webhooks_attempts_total", ("timeout",)] == 1
    assert found["kakiyo_webhooks_deliveries_total", ("failed",)] == 1
    assert found["kakiyo_webhooks_submissions_refused_total", ("overloaded",)] == 1
    assert found["kakiyo_webhooks_actor_restarts_total", ("endpoint",)] == 1
    assert found["kakiyo_webhooks_mails_total", ("sent",)] == 1


def test_series_that_never_counted_stand_at_zero() -> None:
    found = samples(make_metrics())
    for kind in OutcomeKind:
        assert found["kakiyo_webhooks_attempts_total", (kind,)] == 0


def test_a_histogram_has_a_bucket_for_the_attempts_deadline() -> None:
    metrics = make_metrics()
    metrics.attempt_duration_seconds.observe(9.99)
    metrics.commit_batch_size.observe(40)
    found = samples(metrics)
    assert found["kakiyo_webhooks_attempt_duration_seconds_bucket", ("10.0",)] == 1
    assert found["kakiyo_webhooks_attempt_duration_seconds_bucket", ("7.5",)] == 0
    assert found["kakiyo_webhooks_commit_batch_size_sum", ()] == 40


def test_a_gauge_is_read_when_it_is_asked_for() -> None:
    metrics = make_metrics()
    alive = [1]
    metrics.actors_alive.set_function(lambda: alive[0])
    alive[0] = 7
    assert samples(metrics)["kakiyo_webhooks_actors_alive", ()] == 7


def test_two_sets_of_metrics_do_not_share_anything() -> None:
    first, second = make_metrics(), make_metrics()
    first.webhooks_disabled.inc()
    assert samples(second)["kakiyo_webhooks_webhooks_disabled_total", ()] == 0


def test_all_our_names_have_our_prefix_and_the_version_is_told() -> None:
    found = samples(make_metrics())
    assert found["kakiyo_webhooks_build_info", (__version__,)] == 1
    assert all(name.startswith(("kakiyo_webhooks_", "process_")) for name, _ in found)
