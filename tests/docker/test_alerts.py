"""The alerts, by Prometheus' own evaluator: each one fires when it should, and none does while all is well."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from router.settings import TelemetrySettings
from router.telemetry import Telemetry
from tests.docker.promtool import promtool
from tests.reading import ROOT
from tests.telemetry.telemetry_examples import record

pytestmark = pytest.mark.full
PROMETHEUS = ROOT / "docker" / "prometheus"
RULES = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
# What a scrape puts on every series: an expression that forgets it matches nothing.
SCRAPED = 'instance="router:8801",job="crossfade"'
SETTLED = 'http_client_request_duration_seconds_count{origin="new",purpose="settle"'
# Series as promtool writes them, one value a minute for three hours: "0+5x180" rises by five a minute.
WELL = {
    "up{}": "1x180",
    'crossfade_comparisons_total{tool="files",result="match"}': "0+100x180",
    'crossfade_comparisons_total{tool="files",result="content"}': "0x180",
    'crossfade_comparisons_total{tool="files",result="contract"}': "0x180",
    'crossfade_comparisons_total{tool="shell",result="match"}': "0+100x180",
    'crossfade_comparisons_total{tool="shell",result="limited"}': "0x180",
    'http_server_request_duration_seconds_count{http_response_status_code="200"}': "0+200x180",
    'http_server_request_duration_seconds_count{http_response_status_code="404"}': "0+9x180",
    'http_server_request_duration_seconds_count{http_response_status_code="502"}': "0x180",
    f'{SETTLED},http_response_status_code="200"}}': "0+30x180",
    f'{SETTLED},http_response_status_code="404",error_type="404"}}': "0+10x180",
    "crossfade_awaited_shadow_calls_total{}": "0x180",
    'crossfade_breaker_open{origin="new"}': "0x180",
    'crossfade_breaker_open{origin="old"}': "0x180",
    'crossfade_twins{seat="old",follower="joined"}': "90x180",
    'crossfade_twins{seat="new",follower="joined"}': "10x180",
    "crossfade_twins_dirty{}": "95x180",  # a process runs in almost every sandbox
    "crossfade_records_lost{}": "0x180",
    "crossfade_flags_fresh{}": "1x180",
}
# Alert -> (what is different from minute 100 on, labels that tell the person where).
ILL: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "CrossfadeDown": ({"up{}": "1x99 0x80"}, {"job": "crossfade", "instance": "router:8801"}),
    "CrossfadeContractBroken": (
        {'crossfade_comparisons_total{tool="files",result="contract"}': "0x110 1x69"},
        {"tool": "files"},
    ),
    "CrossfadeContentDiffers": (
        {'crossfade_comparisons_total{tool="shell",result="limited"}': "0x60 0+20x119"},
        {"tool": "shell"},
    ),
    "CrossfadeServerErrors": (
        {'http_server_request_duration_seconds_count{http_response_status_code="502"}': "0x99 0+10x80"},
        {},
    ),
    "CrossfadeClientsWaitForFollower": (
        {"crossfade_awaited_shadow_calls_total{}": "0x110 1x69"},
        {"job": "crossfade", "instance": "router:8801"},
    ),
    "CrossfadeFollowersLeftAlone": ({'crossfade_breaker_open{origin="new"}': "0x99 1x80"}, {"origin": "new"}),
    "CrossfadeSettlingFails": ({f'{SETTLED},error_type="unreachable"}}': "0x60 0+5x119"}, {"origin": "new"}),
    "CrossfadeRecordsLost": (
        {"crossfade_records_lost{}": "0x99 3x80"},
        {"job": "crossfade", "instance": "router:8801"},
    ),
    "CrossfadeFlagsUnread": (
        {"crossfade_flags_fresh{}": "1x99 0x80"},
        {"job": "crossfade", "instance": "router:8801"},
    ),
}


@pytest.fixture(scope="module")
def tool() -> Path:
    found = promtool()
    if found is None:
        pytest.skip("needs promtool")
    return found


def test_every_alert_has_its_case() -> None:
    assert set(ILL) == {rule["alert"] for rule in RULES}


def test_prometheus_takes_its_files(tool: Path) -> None:
    done = subprocess.run([tool, "check", "rules", PROMETHEUS / "alerts.yaml"], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_boards_expressions_are_ones_prometheus_reads(tool: Path, tmp_path: Path) -> None:
    board = json.loads((ROOT / "docker/grafana/dashboards/crossfade.json").read_text(encoding="utf-8"))
    asked = [target["expr"].replace("$tool", ".+") for panel in board["panels"] for target in panel["targets"]]
    page = tmp_path / "board.yaml"
    rules = [{"record": f"board:{number}", "expr": expression} for number, expression in enumerate(asked)]
    page.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))

    done = subprocess.run([tool, "check", "rules", page], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_exposition_is_written_as_prometheus_advises(tool: Path) -> None:
    telemetry = Telemetry(TelemetrySettings())
    telemetry.gauge("crossfade_twins", "Twins.", lambda: {(("seat", "old"),): 2})
    telemetry.observe(record(dropped="lane full"))

    done = subprocess.run([tool, "check", "metrics"], input=telemetry.exposition(), capture_output=True)

    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_no_alert_fires_while_all_is_well(tool: Path, tmp_path: Path) -> None:
    _evaluate(tool, tmp_path, WELL, firing={})


@pytest.mark.parametrize("alert", ILL)
def test_an_alert_fires_for_its_cause_and_no_other_does(tool: Path, tmp_path: Path, alert: str) -> None:
    different, labels = ILL[alert]

    _evaluate(tool, tmp_path, WELL | different, firing={alert: labels})


def _evaluate(tool: Path, directory: Path, series: Mapping[str, str], firing: Mapping[str, Mapping[str, str]]) -> None:
    """Fails with promtool's words unless exactly the alerts given fire at minute 115."""
    tests = {
        "rule_files": [str(PROMETHEUS / "alerts.yaml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": _scraped(name), "values": values} for name, values in series.items()],
                "alert_rule_test": [
                    {
                        "eval_time": "115m",
                        "alertname": rule["alert"],
                        "exp_alerts": [_expected(rule, firing[rule["alert"]])] if rule["alert"] in firing else [],
                    }
                    for rule in RULES
                ],
            }
        ],
    }
    page = directory / "tests.yaml"
    page.write_text(yaml.safe_dump(tests))

    done = subprocess.run([tool, "test", "rules", page], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


def _scraped(name: str) -> str:
    return name.replace("{}", f"{{{SCRAPED}}}") if "{}" in name else name.replace("}", f",{SCRAPED}}}")


def _expected(rule: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    told = {
        key: re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels[found[1]], text)
        for key, text in rule["annotations"].items()
    }
    return {"exp_labels": {**rule["labels"], **labels}, "exp_annotations": told}
