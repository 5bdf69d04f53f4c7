"""The container files parse, and what they name exists: without an engine."""

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from router.settings import load
from tests.reading import ROOT, headings, parse

DOCKER = ROOT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
BOARD = json.loads((DOCKER / "grafana" / "dashboards" / "crossfade.json").read_text(encoding="utf-8"))
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
YAML = sorted(path for path in DOCKER.rglob("*.y*ml"))
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("crossfade:")]


def read(path: str) -> Any:
    return yaml.safe_load((DOCKER / path).read_text(encoding="utf-8"))


def mounts(service: str) -> dict[str, str]:
    """Target in the container -> source beside compose.yaml, or a volume's name."""
    return {parts[1]: parts[0] for each in SERVICES[service].get("volumes", ()) if (parts := each.split(":"))}


@pytest.mark.parametrize("path", YAML, ids=lambda path: str(path.relative_to(DOCKER)))
def test_yaml_files_parse_to_something(path: Path) -> None:
    assert yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_mounts_and_waits_for_exists(service: str) -> None:
    for source in mounts(service).values():
        assert (DOCKER / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    assert set(SERVICES[service].get("depends_on", ())) <= set(SERVICES)
    if build := SERVICES[service].get("build"):
        assert (DOCKER / build["context"] / build["dockerfile"]).resolve() == DOCKER / "Dockerfile"


@pytest.mark.parametrize("service", SERVICES)
def test_images_are_pinned_and_ports_are_published_on_loopback_only(service: str) -> None:
    assert re.fullmatch(r"[\w./-]+:(local|v?\d+\.\d+\.\d+)", SERVICES[service]["image"])
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service].get("ports", ()))


@pytest.mark.parametrize("service", OURS)
def test_commands_of_our_services_are_ones_the_command_line_takes(service: str) -> None:
    try:
        parse(SERVICES[service]["command"])
    except click.ClickException as error:
        pytest.fail(f"{service}: {error.format_message()}")


def test_the_routers_settings_are_valid_and_name_the_other_services(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SERVICES["router"]["environment"]:
        monkeypatch.setenv(name, "a-key")

    settings = load(str(DOCKER / "crossfade.toml"))

    ports = {name: SERVICES[name]["command"][SERVICES[name]["command"].index("--port") + 1] for name in ("old", "new")}
    assert settings.old.url == f"http://old:{ports['old']}/api"
    assert settings.new.url == settings.new.sandbox_url == f"http://new:{ports['new']}"
    assert settings.telemetry.otlp_endpoint.partition("//")[2].split(":")[0] in SERVICES
    assert settings.store.url.removeprefix("sqlite:///").startswith(tuple(mounts("router")))
    published = {port.rsplit(":", 1)[1] for port in SERVICES["router"]["ports"]}
    assert {settings.listen.api.rsplit(":", 1)[1], settings.listen.admin.rsplit(":", 1)[1]} == published


def test_the_router_gets_more_time_to_stop_than_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SERVICES["router"]["environment"]:
        monkeypatch.setenv(name, "a-key")

    drain = load(str(DOCKER / "crossfade.toml")).listen.drain_seconds

    assert float(SERVICES["router"]["stop_grace_period"].removesuffix("s")) > drain + 10


def test_prometheus_scrapes_the_routers_admin_port_and_has_the_alerts() -> None:
    scraped = read("prometheus/prometheus.yaml")
    admin = SERVICES["router"]["ports"][1].rsplit(":", 1)[1]

    assert scraped["scrape_configs"][0]["static_configs"][0]["targets"] == [f"router:{admin}"]
    assert set(scraped["rule_files"]) <= set(mounts("prometheus"))


def test_every_alert_says_what_it_is_and_where_the_runbook_helps() -> None:
    rules = [rule for group in read("prometheus/alerts.yaml")["groups"] for rule in group["rules"]]
    runbook = ROOT / "docs" / "operations.md"

    text = runbook.read_text(encoding="utf-8")
    for rule in rules:
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert ROOT / page == runbook and anchor in headings(runbook), rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket") and rule["annotations"]["summary"].endswith(".")
        assert rule["alert"] in text
    assert len({rule["alert"] for rule in rules}) == len(rules)


def test_the_collectors_pipelines_name_what_is_defined() -> None:
    collector = read("otel/collector.yaml")

    for pipeline in collector["service"]["pipelines"].values():
        assert all(set(names) <= set(collector[kind]) for kind, names in pipeline.items())
    assert "/etc/otelcol/collector.yaml" in mounts("collector")
    assert SERVICES["collector"]["command"] == ["--config=/etc/otelcol/collector.yaml"]


def test_grafana_finds_its_data_source_and_its_board() -> None:
    source = read("grafana/provisioning/datasources/prometheus.yaml")["datasources"][0]
    provider = read("grafana/provisioning/dashboards/crossfade.yaml")["providers"][0]

    assert source["url"].removeprefix("http://").split(":")[0] in SERVICES
    assert provider["options"]["path"] in mounts("grafana")
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (DOCKER / "grafana/dashboards" / home.rsplit("/", 1)[1]).exists()
    assert BOARD["uid"] == "crossfade"


def test_the_boards_panels_do_not_lie_on_each_other_and_ask_the_chosen_source() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        covered = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not covered & cells and place["x"] + place["w"] <= 24, panel["title"]
        cells |= covered
        assert all(each["datasource"]["uid"] == "${datasource}" and each["expr"] for each in panel["targets"])
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    assert {each["name"] for each in BOARD["templating"]["list"]} == {"datasource", "tool"}


def test_the_image_runs_unprivileged_with_a_healthcheck_and_another_base_where_asked() -> None:
    assert "ARG BASE=python:3.11-slim-bookworm" in DOCKERFILE
    assert DOCKERFILE.count("FROM ${BASE}") == 2
    last = DOCKERFILE.rpartition("FROM ${BASE}")[2]
    assert "USER crossfade" in last and "HEALTHCHECK" in last and "MPLCONFIGDIR=" in last
    assert last.index("USER crossfade") < last.index("ENTRYPOINT")
