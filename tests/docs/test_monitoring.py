"""The alerting rules and the dashboard (docs/monitoring) are of metrics that there are, and do what they say."""

import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from tests.docs.monitoring import (
    MONITORING,
    SCRAPE_LABELS,
    alert_cases,
    alerts,
    all_metrics,
    dashboard,
    exposed,
    mistakes,
    node_metrics,
    panel_expressions,
    panels,
)
from tests.docs.sources import ROOT
from tests.support.process import daemon_process, make_installation
from tests.support.programs import program

# What Prometheus itself adds to each scrape.
KNOWN = exposed() | {"up": {}}
RUNBOOK = ROOT / "docs" / "operations.md"
ROWS = ["Traffic", "Latency", "Backlog", "Receivers", "Store", "Process", "Nodes"]


def promtool(*arguments: str | Path, stdin: str = "") -> str:
    """Run promtool; return what it says."""
    command = [program("promtool"), *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# -- alerts


def test_every_alert_is_about_what_is_exposed() -> None:
    assert not {alert.name: wrong for alert in alerts() if (wrong := mistakes(alert.expr, KNOWN))}


def test_every_alert_says_what_it_means_and_where_to_read_on() -> None:
    for alert in alerts():
        assert set(alert.annotations) == {"summary", "description", "runbook"}
        assert alert.annotations["runbook"] == f"docs/operations.md#{alert.name.lower()}"
        assert alert.labels["severity"] in ("critical", "warning")
        assert alert.holds_for


def test_every_alert_names_labels_that_it_has() -> None:
    for alert in alerts():
        known = {label for labels in KNOWN.values() for label in labels} | SCRAPE_LABELS
        text = " ".join(alert.annotations.values())
        assert set(re.findall(r"\$labels\.(\w+)", text)) <= known


def test_every_alert_is_shown_to_fire_and_to_stay_silent() -> None:
    cases = set(alert_cases())
    assert cases == {(alert.name, fires) for alert in alerts() for fires in (True, False)}


def test_the_rules_and_the_configuration_that_names_them_are_valid() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", MONITORING / "alerts.yml")
    assert "SUCCESS" in promtool("check", "config", MONITORING / "prometheus.yml")


def test_the_rules_fire_when_they_have_to_and_stay_silent_otherwise() -> None:
    assert "SUCCESS" in promtool("test", "rules", MONITORING / "alerts_test.yml")


# -- the dashboard


def test_every_panel_is_about_what_is_exposed() -> None:
    assert not {expr: wrong for expr in panel_expressions() if (wrong := mistakes(expr, KNOWN))}


def test_the_dashboard_shows_every_metric() -> None:
    exprs = " ".join(panel_expressions())
    families = [family.name for family in all_metrics().collect() if family.name.startswith("kakiyo")]
    assert not [name for name in families if name not in exprs]


def test_every_panel_says_what_it_shows_and_in_which_unit() -> None:
    for panel in panels():
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]


def test_the_rows_stand_in_their_order_and_no_panel_upon_another() -> None:
    shown = dashboard()["panels"]
    assert [panel["title"] for panel in shown if panel["type"] == "row"] == ROWS
    places = [panel["gridPos"] for panel in shown]
    taken = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) == 23
    ids = [panel["id"] for panel in shown]
    assert len(ids) == len(set(ids))


def test_the_dashboard_can_be_imported_anywhere() -> None:
    found = dashboard()
    assert found["id"] is None
    assert [one["name"] for one in found["templating"]["list"]] == ["datasource", "instance"]
    shown = [part for panel in panels() for part in (panel, *panel["targets"])]
    assert {part["datasource"]["uid"] for part in shown} == {"${datasource}"}


def test_prometheus_can_read_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(panel_expressions())]
    file = tmp_path / "rules.yml"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), "utf-8")
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


# -- what is exposed


async def test_what_a_running_daemon_exposes_is_well_formed_and_is_what_we_know(tmp_path: Path) -> None:
    installation = make_installation(tmp_path)
    try:
        async with (
            daemon_process(installation),
            httpx.AsyncClient(base_url=installation.url, trust_env=False, verify=False) as client,
        ):
            text = (await client.get("/metrics")).raise_for_status().text
    finally:
        installation.close()
    assert await trio.to_thread.run_sync(lambda: promtool("check", "metrics", stdin=text)) == ""
    samples = {s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples}
    of_nodes = {sample.name for family in node_metrics().collect() for sample in family.samples}
    assert set(samples) == set(exposed()) - of_nodes
    assert not [name for name, value in samples.items() if value != value], "each has a value at the first scrape"
    assert samples["kakiyo_webhooks_ready"] == samples["kakiyo_webhooks_open_connections"] == 1
    assert samples["kakiyo_webhooks_max_open_connections"] == 1_000


# -- the checks themselves


@pytest.mark.parametrize(
    ("expr", "mistake"),
    [
        ("kakiyo_webhooks_no_such_metric > 0", "there is no metric kakiyo_webhooks_no_such_metric"),
        ('rate(no_such{instance=~".+"}[5m])', "there is no metric no_such"),
        ("kakiyo_webhooks_attempt_duration_seconds > 0", "there is no metric kakiyo_webhooks_attempt_duration_seconds"),
        ('kakiyo_webhooks_ready{team="a"}', "kakiyo_webhooks_ready never has team=a"),
        (
            'sum(rate(kakiyo_webhooks_deliveries_total{status=~"succeeded|lost"}[5m]))',
            "kakiyo_webhooks_deliveries_total never has status=lost",
        ),
        ("sum by (team) (kakiyo_webhooks_ready)", "nothing has the label team"),
    ],
)
def test_a_mistake_in_an_expression_is_found(expr: str, mistake: str) -> None:
    assert mistakes(expr, KNOWN) == [mistake]


@pytest.mark.parametrize(
    "expr",
    [
        'up{job="kakiyo-webhooks"} == 0 or absent(up)',
        "histogram_quantile(0.9, sum by (le, instance) (rate(kakiyo_webhooks_attempt_duration_seconds_bucket[5m])))",
        "time() - process_start_time_seconds > 1e3",
        "sum without (outcome) (increase(kakiyo_webhooks_attempts_total[1h] offset 5m)) > 2",
    ],
)
def test_what_is_right_is_no_mistake(expr: str) -> None:
    assert mistakes(expr, KNOWN) == []


def test_what_to_do_is_written_of_each_alert() -> None:
    headings = re.findall(r"^### (Kakiyo\w+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE)
    assert headings == [alert.name for alert in alerts()]
