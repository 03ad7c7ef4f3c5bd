"""The impossible states of the database, all in this place: what no row may ever be, whatever crashed.

Each is a sentence and the query that finds the offenders; a sound database has none. `AT_REST` holds besides, once
nothing is pending and no mail waits. Written for the default policy: 4 attempts, disabling at 4, 2 credits.
Every engine understands the queries, but for those that look into JSON.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

EVERYWHERE: Mapping[str, str] = {
    "a delivery of an unknown event": "SELECT id FROM deliveries WHERE event_id NOT IN (SELECT id FROM events)",
    "a delivery to an unknown webhook": "SELECT id FROM deliveries WHERE webhook_id NOT IN (SELECT id FROM webhooks)",
    "a delivery to another team's webhook": """
        SELECT d.id FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id JOIN events e ON e.id = d.event_id
        WHERE d.team_id != w.team_id OR d.team_id != e.team_id""",
    "a delivery of another type than its event": """
        SELECT d.id FROM deliveries d JOIN events e ON e.id = d.event_id WHERE d.event_type != e.type""",
    "an unknown status": """
        SELECT id FROM deliveries
        WHERE status NOT IN ('pending', 'pending_low', 'pending_aside', 'succeeded', 'failed', 'cancelled')""",
    "a pending delivery with an end": """
        SELECT id FROM deliveries WHERE status LIKE 'pending%' AND completed_at IS NOT NULL""",
    "an ended delivery without its time": """
        SELECT id FROM deliveries WHERE status NOT LIKE 'pending%' AND completed_at IS NULL""",
    "an ended delivery that is still due": """
        SELECT id FROM deliveries WHERE status NOT LIKE 'pending%' AND next_attempt_at IS NOT NULL""",
    "a reason for cancelling exactly with the cancelled": """
        SELECT id FROM deliveries WHERE (status = 'cancelled') != (cancel_reason IS NOT NULL)""",
    "an event that was erased and kept its body, or the other way round": """
        SELECT id FROM events WHERE (erased_at IS NOT NULL) != (length(body) = 0)""",
    "a retry without its due time": """
        SELECT id FROM deliveries WHERE status = 'pending' AND (attempts_made > 0) != (next_attempt_at IS NOT NULL)""",
    "a delivery that waits aside exactly until its time": """
        SELECT seq FROM deliveries d WHERE status = 'pending_aside' AND NOT EXISTS (
            SELECT 1 FROM set_aside s WHERE s.delivery_seq = d.seq AND s.webhook_id = d.webhook_id
                AND s.due_at = d.next_attempt_at)
        UNION ALL SELECT delivery_seq FROM set_aside
        WHERE delivery_seq NOT IN (SELECT seq FROM deliveries WHERE status = 'pending_aside')""",
    "attempts that are not 1, 2, … up to attempts_made": """
        SELECT d.id FROM deliveries d LEFT JOIN attempts a ON a.delivery_seq = d.seq GROUP BY d.seq
        HAVING count(a.number) != d.attempts_made OR coalesce(max(a.number), 0) != d.attempts_made
            OR coalesce(min(a.number), 1) != 1""",
    "an attempt of no delivery": "SELECT number FROM attempts WHERE delivery_seq NOT IN (SELECT seq FROM deliveries)",
    "more than 4 attempts": "SELECT id FROM deliveries WHERE attempts_made > 4",
    "an attempt that our own stop cut short, recorded": "SELECT number FROM attempts WHERE outcome = 'interrupted'",
    "an outcome that contradicts its status code": """
        SELECT number FROM attempts WHERE (outcome = 'delivered' AND status NOT BETWEEN 200 AND 299)
            OR (outcome = 'http_error' AND status BETWEEN 200 AND 299)
            OR (outcome IN ('delivered', 'http_error') AND status IS NULL)""",
    "a success that is not its delivery's last attempt": """
        SELECT d.id FROM deliveries d JOIN attempts a ON a.delivery_seq = d.seq
        WHERE a.outcome = 'delivered' AND (a.number != d.attempts_made OR d.status != 'succeeded')""",
    "a succeeded delivery whose last attempt failed": """
        SELECT d.id FROM deliveries d LEFT JOIN attempts a ON a.delivery_seq = d.seq AND a.number = d.attempts_made
        WHERE d.status = 'succeeded' AND coalesce(a.outcome, '') != 'delivered'""",
    "a failed delivery with retries left": "SELECT id FROM deliveries WHERE status = 'failed' AND attempts_made != 4",
    "an active webhook with a reason for being disabled": """
        SELECT id FROM webhooks WHERE active AND (disabled_reason IS NOT NULL OR disabled_at IS NOT NULL)""",
    "a disabled webhook without reason and time": """
        SELECT id FROM webhooks WHERE NOT active AND deleted_at IS NULL
            AND (disabled_reason IS NULL OR disabled_at IS NULL)""",
    "a pause of a webhook that gets nothing, or a time to resume without a pause": """
        SELECT id FROM webhooks WHERE (NOT active AND paused_at IS NOT NULL)
            OR (paused_at IS NULL AND resumes_at IS NOT NULL)""",
    "a deleted webhook that is active or keeps its secret": """
        SELECT id FROM webhooks WHERE deleted_at IS NOT NULL AND (active OR secret IS NOT NULL)""",
    "a failure counter out of its range": """
        SELECT id FROM webhooks WHERE NOT live AND (consecutive_failures NOT BETWEEN 0 AND 4
            OR (active AND consecutive_failures = 4)
            OR (disabled_reason = 'consecutive_failures' AND consecutive_failures != 4))""",
    "a live listener that its failures disabled": """
        SELECT id FROM webhooks WHERE live AND disabled_reason = 'consecutive_failures'""",
    "a debit of a delivery that did not succeed": """
        SELECT id FROM credit_entries WHERE delivery_id IS NOT NULL
            AND delivery_id NOT IN (SELECT id FROM deliveries WHERE status = 'succeeded')""",
    "a delivery that was not charged": """
        SELECT id FROM deliveries WHERE status = 'succeeded'
            AND id NOT IN (SELECT delivery_id FROM credit_entries WHERE delivery_id IS NOT NULL)
            AND webhook_id NOT IN (SELECT id FROM webhooks WHERE live)""",
    "a charged delivery to a live listener": """
        SELECT d.id FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id
        WHERE w.live AND d.id IN (SELECT delivery_id FROM credit_entries WHERE delivery_id IS NOT NULL)""",
    "a delivery that was charged twice": """
        SELECT delivery_id FROM credit_entries WHERE delivery_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1""",
    "a wrong price": "SELECT id FROM credit_entries WHERE delivery_id IS NOT NULL AND amount != -2",
    "a ledger line whose balance does not follow from the line before": """
        SELECT id FROM (SELECT id, balance_after, sum(amount) OVER (PARTITION BY team_id ORDER BY seq) AS total
            FROM credit_entries) AS summed WHERE balance_after != total""",
    "a balance that is not the sum of its ledger": """
        SELECT t.id FROM teams t
        WHERE t.balance != (SELECT coalesce(sum(amount), 0) FROM credit_entries c WHERE c.team_id = t.id)""",
    "a mail about an unknown webhook": """
        SELECT id FROM mails WHERE webhook_id NOT IN (SELECT id FROM webhooks) AND kind NOT LIKE 'credits%'""",
    "two mails of a kind about one disabling": """
        SELECT webhook_id FROM mails WHERE kind LIKE 'webhook%'
        GROUP BY webhook_id, disabled_at, kind HAVING count(*) > 1""",
    "a fan-out that does not stand among its events": """
        SELECT first_seq FROM fan_outs WHERE next_seq NOT BETWEEN first_seq AND last_seq OR remaining < 1
            OR NOT EXISTS (SELECT 1 FROM events e WHERE e.seq = next_seq AND e.team_id = fan_outs.team_id)""",
}

IN_SQLITE: Mapping[str, str] = {
    "a mail that does not name 4 failures": """
        SELECT id FROM mails WHERE json_array_length(failures) != 4 AND kind LIKE 'webhook_disabled%'""",
    "an idempotency key whose receipt names an unknown event": """
        SELECT k.key FROM idempotency_keys k, json_each(k.receipts) r
        WHERE json_extract(r.value, '$[0]') NOT IN (SELECT id FROM events)""",
}

ON_POSTGRESQL: Mapping[str, str] = {
    "a mail that does not name 4 failures": """
        SELECT id FROM mails WHERE json_array_length(failures::json) != 4 AND kind LIKE 'webhook_disabled%'""",
    "an idempotency key whose receipt names an unknown event": """
        SELECT k.key FROM idempotency_keys k, json_array_elements(k.receipts::json) r
        WHERE r->>0 NOT IN (SELECT id FROM events)""",
}

ALWAYS: Mapping[str, str] = {**EVERYWHERE, **IN_SQLITE}

AT_REST: Mapping[str, str] = {
    "a delivery that is still pending": "SELECT id FROM deliveries WHERE status LIKE 'pending%'",
    "a fan-out that is not finished": "SELECT first_seq FROM fan_outs",
    "a cancellation of deliveries to come, with none to come": "SELECT webhook_id FROM fan_out_cancellations",
    "a mail that still waits": "SELECT id FROM mails WHERE sent_at IS NULL",
}


class _Rows(Protocol):
    def fetchmany(self, size: int, /) -> Sequence[Sequence[Any]]: ...


class _Database(Protocol):
    def execute(self, query: Any, /) -> _Rows: ...


def find_impossible_rows(connection: _Database, queries: Mapping[str, str] = ALWAYS) -> list[str]:
    """Return one line for each kind of impossible row that there is: the sentence, and up to three offenders."""
    findings = []
    for sentence, query in queries.items():
        if offenders := [row[0] for row in connection.execute(query).fetchmany(3)]:
            findings.append(f"{sentence}: {', '.join(map(str, offenders))}")
    return findings
