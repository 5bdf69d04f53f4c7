"""Every metric and label that documents, board and alerts name is in the scrape of a router at work."""

import re
from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.journeys.probes import create, recorded, twins, use_flags
from tests.journeys.stack import ALL_TOOLS, FILE_TOOLS, stack
from tests.reading import ROOT, rows
from tests.test_docs import expressions


async def _scraped(directory: Path) -> str:
    """/metrics after calls of both kinds on a split sandbox, one of which differs."""
    async with stack(directory) as system, await system.client() as client:
        await use_flags(system, {**dict.fromkeys(ALL_TOOLS, "shadow"), **dict.fromkeys(FILE_TOOLS, "live")})
        probe = await create(client)
        await twins(system, [probe.id], clean=True)
        await probe.upload("/workspace/f", b"1")
        await probe.exec("echo $RANDOM$RANDOM")
        await probe.exec("exit 3")
        await twins(system, [probe.id], clean=True)
        await probe.download("/workspace/f")
        await probe.download("/workspace/none")
        await recorded(system, [call for _, call in probe.calls])
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as admin:
            return (await admin.get(f"{system.admin}/metrics")).text


async def test_a_live_scrape_has_every_metric_that_is_named_with_the_labels_that_are_named(tmp_path: Path) -> None:
    text = await _scraped(tmp_path)
    names, labels = set(), {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        names |= {f"{name}_{end}" for end in ("bucket", "count", "sum")} if family.type == "histogram" else set()
        names.add(name)
        if family.samples:
            labels[name] = {label for each in family.samples for label in each.labels} - {"le"}
    page = rows((ROOT / "docs" / "metrics.md").read_text(encoding="utf-8").partition("\n## Spans\n")[0])
    documented = {name: set(cells[1].split(", ")) - {"–"} for name, cells in page.items()}
    grouped = {found for line in expressions() for found in re.findall(r"by \(([^)]*)\)", line)}
    selected = {found for line in expressions() for found in re.findall(r"(\w+)(?:=~|!~|!=|=)\"", line)}
    wanted = {label.strip() for found in grouped for label in found.split(",")} | selected
    used = {found for line in expressions() for found in re.findall(r"\b(?:crossfade|http)_\w+(?=[\s)\[{,]|$)", line)}

    assert documented.keys() <= names, documented.keys() - names
    assert used - wanted <= names, used - wanted - names
    # What has not happened yet has no series: its labels are told by tests/test_docs.py.
    assert {name: found - documented[name] for name, found in labels.items() if found - documented[name]} == {}
    assert len(labels) > len(names & documented.keys()) / 2
    assert wanted - {"job", "le"} <= {label for found in documented.values() for label in found}
