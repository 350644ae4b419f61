"""The files for Prometheus and Grafana use metrics that the server has."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.dashboard.conftest import Site

CONTRIB = Path(__file__).parents[2] / "contrib"
_METRIC = re.compile(r"\bhydria_[a-z_]+\b")


def queries() -> Iterator[str]:
    """Yield the queries of all alert rules and panels."""
    rules = yaml.safe_load((CONTRIB / "prometheus/hydria.rules.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]
    for panel in json.loads((CONTRIB / "grafana/hydria.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


async def test_every_query_uses_metrics_that_the_server_has(site: Site) -> None:
    shown = (await site.browser.get("/metrics")).text
    there = set(re.findall(r"^# TYPE (\S+)", shown, re.MULTILINE))
    used = {name for query in queries() for name in _METRIC.findall(query)}
    # A histogram is three metrics.
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in used} <= there
    assert used


async def test_every_alert_says_what_to_do() -> None:
    rules = yaml.safe_load((CONTRIB / "prometheus/hydria.rules.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
