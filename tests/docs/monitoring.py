"""What stands in docs/monitoring, and what PromQL of it names."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import-untyped]  # its types are a package of their own
from prometheus_client import CollectorRegistry

from daemon.telemetry.metrics import make_metrics
from daemon.telemetry.node_metrics import NodeCollector, NodeMetrics
from tests.docs.sources import ROOT

MONITORING = ROOT / "docs" / "monitoring"

# Those of the scrape itself.
SCRAPE_LABELS = {"job", "instance"}
_VARIABLES = {"$__rate_interval": "5m", "$instance": ".+"}

_SELECTOR = re.compile(r"\b([a-z_]\w*)\{([^}]*)\}")
_MATCHER = re.compile(r"""\s*(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*(?:,|$)""")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_OPERATORS = {"and", "or", "unless", "bool", "offset"}


@dataclass(frozen=True)
class Alert:
    """One alerting rule."""

    name: str
    expr: str
    holds_for: str
    labels: dict[str, str]
    annotations: dict[str, str]


@dataclass(frozen=True)
class Matcher:
    """What a selector asks of one label."""

    label: str
    operator: str
    value: str


@dataclass(frozen=True)
class Selector:
    """A metric with what is asked of its labels."""

    metric: str
    matchers: tuple[Matcher, ...] = ()


Exposed = dict[str, dict[str, set[str]]]  # the values of each label of each metric


def alerts() -> list[Alert]:
    """Return the rules of alerts.yml."""
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text("utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return [Alert(one["alert"], one["expr"], one["for"], one["labels"], one["annotations"]) for one in rules]


def alert_cases() -> list[tuple[str, bool]]:
    """Return the cases of alerts_test.yml: which alert, and whether it is to fire."""
    tests = yaml.safe_load((MONITORING / "alerts_test.yml").read_text("utf-8"))["tests"]
    return [(case["alertname"], bool(case["exp_alerts"])) for test in tests for case in test["alert_rule_test"]]


def dashboard() -> dict[str, Any]:
    """Return Grafana's dashboard."""
    found: dict[str, Any] = json.loads((MONITORING / "grafana-dashboard.json").read_text("utf-8"))
    return found


def panels() -> list[dict[str, Any]]:
    """Return the dashboard's panels without its rows."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def panel_expressions() -> list[str]:
    """Return every expression of the dashboard, with values for its variables."""
    return [_filled(target["expr"]) for panel in panels() for target in panel["targets"]]


def all_metrics() -> CollectorRegistry:
    """Return the metrics of a fresh daemon that is one of several nodes."""
    registry = make_metrics().registry
    registry.register(node_metrics())
    return registry


def node_metrics() -> NodeCollector:
    """Return those that only one of several nodes has."""
    return NodeCollector(
        NodeMetrics(
            lease_held=lambda: True,
            leases_lost=lambda: 1,
            shards_owned=lambda: 128,
            shards_claimed=lambda: 130,
            waiting_requests=lambda: 2,
            doubtful_commits=lambda: 3,
            notify_echo_age_s=lambda: 0.5,
        )
    )


def exposed() -> Exposed:
    """Return what a fresh daemon exposes: each sample's name, with the values of each of its labels."""
    found: Exposed = {}
    for family in all_metrics().collect():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                labels = found.setdefault(sample.name, {})
                for label, value in sample.labels.items():
                    labels.setdefault(label, set()).add(value)
    return found


def selectors(expr: str) -> Iterator[Selector]:
    """Yield every metric that an expression names."""
    for metric, inside in _SELECTOR.findall(expr):
        matchers = tuple(Matcher(*found) for found in _MATCHER.findall(inside))
        assert not _MATCHER.sub("", inside).strip(), f"cannot be read: {inside}"
        yield Selector(metric, matchers)
    for metric in _bare_names(expr):
        yield Selector(metric)


def groupings(expr: str) -> set[str]:
    """Return the labels that an expression groups by."""
    return {label.strip() for inside in _GROUPING.findall(expr) for label in inside.split(",") if label.strip()}


def mistakes(expr: str, known: Exposed) -> list[str]:
    """Return what an expression names that is not there: metrics, labels, values of labels."""
    named = list(selectors(expr))
    labels = {label for one in named for label in known.get(one.metric, {})} | SCRAPE_LABELS
    wrong = [f"nothing has the label {label}" for label in groupings(expr) - labels]
    return wrong + [mistake for one in named for mistake in _mistakes_of(one, known)]


def _mistakes_of(selector: Selector, known: Exposed) -> Iterator[str]:
    if selector.metric not in known:
        yield f"there is no metric {selector.metric}"
        return
    for matcher in selector.matchers:
        if matcher.label in SCRAPE_LABELS:
            continue
        values = known[selector.metric].get(matcher.label, set())
        wanted = matcher.value.split("|") if matcher.operator in ("=~", "!~") else [matcher.value]
        for value in wanted:
            if value not in values:
                yield f"{selector.metric} never has {matcher.label}={value}"


def _bare_names(expr: str) -> list[str]:
    """Return the names that stand alone: not before "{" or "(", no label of a grouping, no text."""
    rest = _SELECTOR.sub(" ", expr)
    rest = _GROUPING.sub(" ", rest)
    rest = re.sub(r'"[^"]*"|\[[^\]]*\]', " ", rest)
    names = re.findall(r"(?<![\w.])([A-Za-z_]\w*)\b(?!\s*\()", rest)
    # Before a grouping, an aggregation has no bracket of its own any more.
    return [name for name in names if name not in _OPERATORS and not re.search(rf"\b{name}\s+(by|without)\b", expr)]


def _filled(expr: str) -> str:
    for name, value in _VARIABLES.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, f"a variable that is not known: {expr}"
    return expr
