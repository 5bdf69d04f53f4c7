"""Telemetry without an endpoint: what Prometheus is told, and what it costs."""

import subprocess
import sys
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.comparison import Change, Difference, Severity
from crossfade.stage import TOOLS, Origin
from crossfade.upstream import Purpose
from router.settings import TelemetrySettings
from router.telemetry import Telemetry
from tests.telemetry.telemetry_examples import SANDBOX, record, samples, value

SERVED = "http_server_request_duration_seconds_count"
DIFFERENCE = Difference(path="mode", change=Change.VALUE, severity=Severity.CONTENT)


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(TelemetrySettings())


def test_a_call_is_counted_by_tool_stage_and_sides(telemetry: Telemetry) -> None:
    telemetry.observe(record())
    telemetry.observe(record())

    text = telemetry.exposition()
    assert value(text, "crossfade_calls_total", tool="files", stage="shadow", answering="old", wish="old") == 2
    assert value(text, "crossfade_mirrored_total", tool="files") == 2
    assert value(text, "crossfade_comparisons_total", tool="files", result="match") == 2


def test_http_duration_carries_the_stable_names_and_the_template(telemetry: Telemetry) -> None:
    telemetry.observe(record(seconds=0.3, status=404))

    labels = {
        "http_request_method": "GET",
        "http_route": "/toolbox/{sandbox}/files/info",
        "http_response_status_code": "404",
    }
    text = telemetry.exposition()
    assert value(text, "http_server_request_duration_seconds_count", **labels) == 1
    assert value(text, "http_server_request_duration_seconds_sum", **labels) == pytest.approx(0.3)
    assert value(text, "http_server_request_duration_seconds_bucket", **labels, le="0.25") == 0
    assert value(text, "http_server_request_duration_seconds_bucket", **labels, le="0.5") == 1


@given(st.lists(st.floats(0, 1000, allow_nan=False), min_size=1, max_size=50))
def test_buckets_are_cumulative_and_end_at_the_count(durations: list[float]) -> None:
    telemetry = Telemetry(TelemetrySettings())
    for seconds in durations:
        telemetry.observe(record(seconds=seconds))

    found = samples(telemetry.exposition())
    buckets = {
        float(dict(labels)["le"]): count
        for (name, labels), count in found.items()
        if name == "crossfade_call_duration_seconds_bucket"
    }
    for bound, count in buckets.items():
        assert count == sum(seconds <= bound for seconds in durations)
    assert buckets[float("inf")] == len(durations)


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({"matched": False, "severity": "cosmetic", "differences": (DIFFERENCE,)}, "cosmetic"),
        ({"matched": False, "severity": "content", "differences": (DIFFERENCE,)}, "content"),
        ({"matched": False, "severity": "contract", "differences": (DIFFERENCE,)}, "contract"),
        ({"matched": False, "severity": "content"}, "limited"),
    ],
)
def test_a_difference_is_counted_by_its_severity(telemetry: Telemetry, fields: dict, result: str) -> None:
    telemetry.observe(record(**fields))

    assert value(telemetry.exposition(), "crossfade_comparisons_total", tool="files", result=result) == 1


def test_a_call_not_compared_counts_as_dropped_for_the_part_before_the_colon(telemetry: Telemetry) -> None:
    telemetry.observe(record(matched=None, dropped="no follower: birth failed, HTTP 503 of sb-1"))

    text = telemetry.exposition()
    assert value(text, "crossfade_dropped_total", tool="files", reason="no follower") == 1
    assert not any(count for (name, _), count in samples(text).items() if name == "crossfade_comparisons_total")


def test_comparisons_are_shown_from_zero_so_that_the_first_difference_is_a_rise(telemetry: Telemetry) -> None:
    text = telemetry.exposition()

    for tool in TOOLS:
        for result in ("match", "cosmetic", "content", "contract", "limited"):
            assert value(text, "crossfade_comparisons_total", tool=tool, result=result) == 0


def test_a_server_error_names_its_type_and_a_refusal_does_not(telemetry: Telemetry) -> None:
    telemetry.observe(record(status=502))
    telemetry.observe(record(status=404))

    labels = [dict(found) for name, found in samples(telemetry.exposition()) if name == SERVED]
    assert {each["http_response_status_code"]: each.get("error_type") for each in labels} == {"502": "502", "404": None}


def test_waits_for_the_seat_are_measured_only_where_there_are_any(telemetry: Telemetry) -> None:
    telemetry.observe(record())
    telemetry.observe(record(validation_seconds=0.2))

    assert value(telemetry.exposition(), "crossfade_validation_duration_seconds_count") == 1


def test_awaited_shadow_calls_are_shown_as_zero_until_there_is_one(telemetry: Telemetry) -> None:
    before = telemetry.exposition()
    telemetry.awaited_shadow()

    assert b"\ncrossfade_awaited_shadow_calls_total 0" in before
    assert value(telemetry.exposition(), "crossfade_awaited_shadow_calls_total") == 1


def test_requests_to_origins_are_shown_from_zero(telemetry: Telemetry) -> None:
    telemetry.count(Origin.NEW, Purpose.MIRROR)

    text = telemetry.exposition()
    assert value(text, "crossfade_upstream_requests_total", origin="new", purpose="mirror") == 1
    assert value(text, "crossfade_upstream_requests_total", origin="old", purpose="settle") == 0


def test_labels_stay_few_whatever_records_hold(telemetry: Telemetry) -> None:
    for number in range(3000):
        telemetry.observe(
            record(
                id=f"call-{number}",
                sandbox=f"{SANDBOX}-{number}",
                tool=f"tool-{number}",
                stage=f"stage-{number}",
                answering=f"side-{number}",
                wish=f"wish-{number}",
                route=f"BREW{number} /pot/{number}",
                status=number,
                dropped=f"reason {number}",
                matched=False,
                severity=f"bad-{number}",
                differences=(DIFFERENCE,),
            )
        )

    found = samples(telemetry.exposition())
    labels = [labels for name, labels in found if name == SERVED]
    assert len(labels) <= 1001
    assert {dict(each)["http_request_method"] for each in labels} == {"_OTHER"}
    assert sum(1 for name, _ in found if name == "crossfade_dropped_total") == 51
    assert [dict(labels) for name, labels in found if name == "crossfade_calls_total"] == [
        {"tool": "other", "stage": "other", "answering": "other", "wish": "other"}
    ]
    assert found["crossfade_comparisons_total", frozenset({("tool", "other"), ("result", "content")})] == 3000
    assert sum(count for (name, _), count in found.items() if name == SERVED) == 3000


def test_no_id_of_a_sandbox_is_a_label(telemetry: Telemetry) -> None:
    for tool in TOOLS:
        telemetry.observe(record(tool=tool))

    text = telemetry.exposition()
    assert SANDBOX.encode() not in text
    assert b"project-1" not in text


def test_a_gauge_is_read_when_asked(telemetry: Telemetry) -> None:
    waiting = 3
    telemetry.gauge("crossfade_lane_waiting", "Calls waiting for the follower.", lambda: waiting)
    telemetry.gauge("crossfade_twins", "Twins.", lambda: {(("seat", "old"),): 2, (("seat", "new"),): 1})

    waiting = 4
    text = telemetry.exposition()
    assert value(text, "crossfade_lane_waiting") == 4
    assert value(text, "crossfade_twins", seat="new") == 1


def test_a_gauge_registered_twice_is_refused_by_name(telemetry: Telemetry) -> None:
    telemetry.gauge("crossfade_twins", "Twins.", lambda: 1)

    with pytest.raises(ValueError, match="crossfade_twins"):
        telemetry.gauge("crossfade_twins", "Twins.", lambda: 1)


def test_a_broken_gauge_hides_no_other(telemetry: Telemetry, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> float:
        raise RuntimeError("dictionary changed size during iteration")

    telemetry.gauge("crossfade_broken", "Broken.", broken)
    telemetry.gauge("crossfade_twins", "Twins.", lambda: 1)

    telemetry.exposition()
    assert value(telemetry.exposition(), "crossfade_twins") == 1
    assert [line.message for line in caplog.records] == ["gauge cannot be read"]


def test_the_program_names_its_version(telemetry: Telemetry) -> None:
    found = [dict(labels) for name, labels in samples(telemetry.exposition()) if name == "crossfade_build_info"]

    assert len(found) == 1
    assert found[0]["version"]


def test_without_an_endpoint_nothing_of_opentelemetry_is_loaded_or_started() -> None:
    program = """
import sys, threading
from router.settings import TelemetrySettings
from router.telemetry import Telemetry
telemetry = Telemetry(TelemetrySettings())
telemetry.exposition()
telemetry.close()
print([name for name in sys.modules if name.startswith("opentelemetry")], threading.active_count())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)

    assert (done.stdout.strip(), done.stderr) == ("[] 1", "")


def test_observing_a_call_costs_microseconds(telemetry: Telemetry, record_property) -> None:
    seen = [record(tool=tool, dropped=dropped) for tool in TOOLS for dropped in ("", "lane full: 32 waiting")]

    best = min(timeit.repeat(lambda: [telemetry.observe(each) for each in seen], number=50, repeat=7))

    microseconds = best / (50 * len(seen)) * 1e6
    record_property("observe_microseconds", round(microseconds, 2))
    # Measured 1.2; one OpenTelemetry histogram alone is 12 to 14. Wide, for busy machines.
    assert microseconds < 50
