"""`crossfade status`: is the router well, and what is it doing."""

import json
from collections.abc import Mapping
from typing import Any

import click

_SHOWN = (
    ("calls in flight", "crossfade_calls_in_flight"),
    ("twins", "crossfade_twins"),
    ("twins whose follower may differ", "crossfade_twins_dirty"),
    ("calls waiting to be compared", "crossfade_evidence_waiting"),
    ("followers left alone (breaker open)", "crossfade_breaker_open"),
    ("records waiting for the disk", "crossfade_records_waiting"),
    ("records lost", "crossfade_records_lost"),
    ("flags could be read lately", "crossfade_flags_fresh"),
)


@click.command()
@click.option("--config", metavar="FILE", help="Settings file (default: $CROSSFADE_CONFIG or crossfade.toml).")
@click.option("--admin", metavar="HOST:PORT", help="Admin listener to ask (default: listen.admin of the settings).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(config: str | None, admin: str | None, as_json: bool) -> None:
    """Ask a running router whether it is ready, and for what operators look at first. Exit 1 when it is not ready."""
    from router.settings import load

    address = admin or load(config).listen.admin
    ready, reasons, values = _ask(address)
    shares = _shares(config, admin)
    if as_json:
        told = {"schema": "crossfade.status/1", "ready": ready, "reasons": reasons, "values": values, "shares": shares}
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo(f"ready at {address}" if ready else f"not ready at {address}: {', '.join(reasons)}")
        for words, name in _SHOWN:
            for labels, value in _of(values, name):
                click.echo(f"  {words}{labels}: {value:g}")
        for each in shares:
            if each["set_share"] or each["on_new"]:
                click.echo(f"  {said(each)}")
    if not ready:
        raise SystemExit(1)


def said(each: Mapping[str, Any]) -> str:
    """A tool's share on new: the one that is set, the one that is there, and what keeps the rest away."""
    if not each["known"]:
        return f"{each['tool']}: set {each['set_share']:.0%}, no sandbox lives".replace("%", " %")
    why = [f"{count / each['known']:.0%} {reason}" for reason, count in each["why"].items()]
    told = f"{each['tool']}: set {each['set_share']:.0%}, effective {each['effective_share']:.0%}"
    return "; ".join((told, *why)).replace("%", " %")


def _shares(config: str | None, admin: str | None) -> list[dict[str, Any]]:
    """Of every tool; empty where the router is not asked: it shows them to whoever has listen.admin_token."""
    from crossfade.errors import CrossfadeError
    from router.cli.admin import ask

    try:
        return list(ask(config, admin, "GET", "/v1/shares")["tools"])
    except CrossfadeError:
        return []


def _ask(address: str) -> tuple[bool, list[str], dict[str, float]]:
    import httpx2

    from crossfade.errors import Unreachable

    try:
        with httpx2.Client(base_url=f"http://{address}", timeout=5, trust_env=False) as client:
            readiness = client.get("/readyz")
            metrics = client.get("/metrics")
    except httpx2.HTTPError as error:
        message = f"no router answers at {address}: {error}; is it running, and is --admin its listen.admin?"
        raise Unreachable(message) from None
    ready = readiness.status_code == 200
    reasons = [] if ready else [str(reason) for reason in readiness.json().get("reasons", [])]
    lines = [line.rpartition(" ") for line in metrics.text.splitlines() if line and not line.startswith("#")]
    names = tuple(name for _, name in _SHOWN)
    return ready, reasons, {name: float(value) for name, _, value in lines if name.partition("{")[0] in names}


def _of(values: Mapping[str, float], name: str) -> list[tuple[str, float]]:
    return [
        ("" if not labels else f" ({labels.rstrip('}')})".replace('"', "").replace(",", ", "), value)
        for full, value in values.items()
        for base, _, labels in (full.partition("{"),)
        if base == name
    ]


commands: list[click.Command] = [status]
