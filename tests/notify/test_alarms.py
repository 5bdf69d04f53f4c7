"""Alarms: each raised once, resolved once, whatever it does in between."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.dashboard.pages.now import ALARMS
from router.notify.alarms import KNOWN, Alarm, Event, Watch, trial
from router.notify.bodies import BODIES, request, signature
from tests.reading import ROOT

OPEN = Alarm(word="breaker-open", of="new")
LOST = Alarm(word="records-lost", count=12)


def watch() -> Watch:
    numbers = itertools.count(1)
    return Watch(router="one", make_id=lambda: f"n{next(numbers)}")


def told(watch: Watch, *looks: list[Alarm]) -> list[list[tuple[str, str]]]:
    return [
        [(str(notice.event), notice.alarm.word) for notice in watch.changes(look, float(moment))]
        for moment, look in enumerate(looks)
    ]


def test_an_alarm_is_told_when_it_is_raised_and_when_it_is_resolved_and_not_in_between() -> None:
    looks = told(watch(), [OPEN], [OPEN], [OPEN, LOST], [LOST], [LOST], [], [])

    raised, resolved = ("raised", "breaker-open"), ("resolved", "breaker-open")
    assert looks == [
        [raised], [], [("raised", "records-lost")], [], [resolved], [], [("resolved", "records-lost")]
    ]  # fmt: skip


def test_a_count_that_grows_says_nothing_again_and_one_that_flickers_neither() -> None:
    more = Alarm(word="records-lost", count=99)

    assert told(watch(), [LOST], [more], [], [LOST], [], [more]) == [[("raised", "records-lost")], [], [], [], [], []]


def test_alarms_of_two_origins_are_two() -> None:
    assert len(watch().changes([OPEN, Alarm(word="breaker-open", of="old")], 0.0)) == 2


@given(st.lists(st.sets(st.sampled_from(sorted(KNOWN))), max_size=30))
def test_each_is_resolved_between_two_times_that_it_is_raised(looks: list[set[str]]) -> None:
    seen = watch()
    events: dict[str, list[Event]] = {}
    for moment, look in enumerate([*looks, set(), set()]):
        for notice in seen.changes([Alarm(word=word) for word in sorted(look)], float(moment)):
            events.setdefault(notice.alarm.word, []).append(notice.event)

    assert set(events) == set().union(*looks)
    for each in events.values():
        assert each == [Event.RAISED, Event.RESOLVED] * (len(each) // 2)
    assert sum(seen.raised.values()) == 0


def test_every_alarm_is_in_the_runbook_and_on_the_dashboard() -> None:
    runbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

    assert [word for word, (severity, _) in KNOWN.items() if f"| `{word}` | {severity} |" not in runbook] == []
    assert set(KNOWN) == set(ALARMS)


def test_a_notice_says_what_how_many_since_when_and_for_how_long() -> None:
    seen = watch()
    raised = seen.changes([LOST], 100.0)[0]
    seen.changes([], 200.0)
    resolved = seen.changes([], 300.0)[0]

    assert raised.text == "[raised] Records of calls were lost, 12"
    assert (resolved.event, resolved.since, resolved.at) == (Event.RESOLVED, 100.0, 300.0)
    assert raised.id != resolved.id


@pytest.mark.parametrize("kind", BODIES)
def test_each_target_gets_the_text_in_its_own_form(kind: str) -> None:
    alarm = Alarm(word="ramp-halted", of="files", detail="p95 <1.3 & more>")
    body, headers = request(kind, watch().changes([alarm], 1.0)[0], "", 2.0)
    value = json.loads(body)

    shown = {
        "slack": lambda: value["text"].splitlines()[0].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"),
        "teams": lambda: value["attachments"][0]["content"]["body"][0]["text"],
        "webhook": lambda: value["text"],
    }[kind]()
    what = "A ramp halted: data is missing or cannot be trusted"
    assert shown == f"[raised] {what} (files): p95 <1.3 & more>"
    assert "X-Crossfade-Signature" not in headers
    assert kind != "slack" or "<" not in value["text"]


def test_a_signature_is_over_timestamp_and_body_and_only_the_webhook_has_one() -> None:
    notice = trial("one", 1.0)
    body, headers = request("webhook", notice, "s3cret", 1_700_000_000.9)

    assert headers["X-Crossfade-Timestamp"] == "1700000000"
    assert headers["X-Crossfade-Signature"] == signature("s3cret", "1700000000", body)
    # As openssl has it: printf '%s' '1700000000{"a":1}' | openssl dgst -sha256 -hmac s3cret
    known = "sha256=e40d6be50cf0375c739264b56d088873c6b4dbcb531b73f8831bb2ac7534ce87"
    assert signature("s3cret", "1700000000", b'{"a":1}') == known
    assert "X-Crossfade-Signature" not in request("slack", notice, "s3cret", 1.0)[1]
