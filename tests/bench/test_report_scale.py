"""(full) A million records through the live store path, a year of hours, the report of a week, retention afterwards."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from crossfade.record import Record
from crossfade.stage import TOOLS
from router.admin.weekly import last_week, week_span
from router.store import schema
from router.store.database import Database, open_database
from router.store.flags import SqlFlagRows
from router.store.queries import window
from router.store.records import SqlRecords
from router.store.retention import Retention
from tests.reports.report_examples import _flag
from tests.store.store_examples import differing, record

HOUR, DAY, WEEK = 3600.0, 86_400.0, 7 * 86_400.0
RECORDS, SANDBOXES = 1_000_000, 4_000
LEAST_PER_SECOND, MOST_SECONDS, MOST_MEGABYTES = 20_000, 5.0, 300
_WAITING = 30_000  # records that the writer is behind, before it is waited for: of more some would be lost


def year(monday: float) -> Iterator[Record]:
    """One call of each tool in each hour of the 51 weeks before."""
    for hour in range(51 * 168):
        for tool in TOOLS:
            yield record(tool=tool, at=monday - 51 * WEEK + hour * HOUR, sandbox=f"y{hour % 500}")


def week(monday: float) -> Iterator[Record]:
    """A week's, of sandboxes that call every tool for three hours; one in a hundred differs, in its first call."""
    for number in range(RECORDS):
        sandbox = number % SANDBOXES
        side = "new" if sandbox % 2 else "old"
        make = differing if sandbox % 100 == 0 and number < SANDBOXES else record
        yield make(
            at=monday + sandbox * (WEEK - 4 * HOUR) / SANDBOXES + 3 * HOUR * number / RECORDS,
            sandbox=f"s{sandbox}",
            wish=side,
            answering=side,
            flag_version=1,
            tool=TOOLS[number // SANDBOXES % len(TOOLS)],
            origin_seconds=0.004 + number % 97 / 5_000,
        )


def written(database: Database, records: Iterable[Record], now: float) -> float:
    """Write them as a router does; records a second of this process's work, so that a busy machine is no excuse."""
    writer = SqlRecords(database, keep_records_days=400.0, now=lambda: now)
    began = time.process_time()
    for number, each in enumerate(records, start=1):
        writer.add(each)
        while number % 1_000 == 0 and writer.waiting > _WAITING:
            time.sleep(0.005)
    assert writer.flush(timeout=300)
    spent = time.process_time() - began
    writer.close()
    assert writer.lost == 0
    return writer.written / spent


def reported(url: str, out: Path, week: str) -> tuple[float, float]:
    """The report of the week, in a process of its own: its seconds of work, and its peak in megabytes."""
    program = "from router.cli import main; main()"
    # Modules are compiled once, as where the program is installed; the first run does that.
    kept = {"PYTHONPYCACHEPREFIX": str(out.parent / "compiled"), "PYTHONDONTWRITEBYTECODE": ""}
    environment = os.environ | kept
    words = [sys.executable, "-c", program, "report", "--week", week, "--no-pdf", "--store", url, "--out", str(out)]
    subprocess.run(words, check=True, capture_output=True, timeout=300, env=environment)
    # Its own peak: of all children of this process it would be that of the largest one ever, say a browser.
    own = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(own.pid, 0)
    own.returncode = os.waitstatus_to_exitcode(status)
    assert own.returncode == 0
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


@pytest.mark.full
def test_a_million_records_a_year_of_hours_and_a_report_in_seconds(tmp_path: Path) -> None:
    name = last_week(time.time())
    monday, end = week_span(name)
    url = f"sqlite:///{tmp_path}/state.db"
    database = open_database(url)
    for tool in TOOLS:
        rows = SqlFlagRows(database, now=lambda: monday - DAY)
        rows.write(_flag(tool, 1, 0.5), author="ada", reason="half", expected_version=None)
    written(database, year(monday), end)
    speed = written(database, week(monday), end)
    seconds, megabytes = reported(url, tmp_path / "report", name)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    by_name = {each["tool"]: each for each in report["tools"]}

    size = (tmp_path / "state.db").stat().st_size / 1e6
    print(f"\n{speed:,.0f} records/s, {size:.0f} MB; report {seconds:.2f} s, {megabytes:.0f} MB of memory")
    assert sum(each["calls"] for each in report["tools"]) == RECORDS
    assert by_name["files"]["metrics"][1]["units"] == SANDBOXES
    assert by_name["files"]["decision"] in ("ADVANCE", "HOLD-DATA")
    assert speed >= LEAST_PER_SECOND
    assert seconds < MOST_SECONDS
    assert megabytes < MOST_MEGABYTES

    retention = Retention(records_seconds=7 * DAY, rollups_seconds=400 * DAY, bytes=5 * 1024**3)
    while retention.step(database, end + 8 * DAY):
        pass
    counts = {each.tool: each.counts["calls"] for each in window(database, monday, end).tools}
    with database.reading() as connection:
        left = connection.execute(schema.segments.select().limit(1)).all()
        sandboxes = connection.execute(schema.sandbox_hours.select().limit(1)).all()
    database.close()
    assert (left, sandboxes) == ([], [])
    assert sum(counts.values()) == RECORDS  # sums by the hour are kept longer
