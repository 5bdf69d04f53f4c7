"""Alarms of a running router: told to real hooks, once; no call waits for it; the hooks' addresses are in no log."""

import asyncio
import json
import threading
from dataclasses import replace
from pathlib import Path

from demo.programs import crossfade
from policies.ramp import BY_HAND, Act, Mode, Plan, State, Step
from router.admin.alarms import Drops, of_ramp
from router.settings import TelemetrySettings
from router.settings_watch import NotifySettings
from router.store.ramps import Ramp
from router.telemetry import Telemetry
from tests.admin.test_operated import running, until
from tests.notify.hook import Hook, hook
from tests.telemetry.telemetry_examples import record


def settings(slack: Hook, web: Hook) -> str:
    lines = {"slack_url": slack.url, "webhook_url": web.url, "webhook_secret": "s3cret", "router": "one"}
    return "[notify]\nevery_seconds = 0.1\n" + "".join(f'{name} = "{value}"\n' for name, value in lines.items())


def told(web: Hook) -> list[tuple[str, str]]:
    bodies = [json.loads(each.body) for each in web.got]
    return [(each["event"], each["alarm"]) for each in bodies]


async def test_a_kill_is_told_once_when_it_is_made_and_once_when_it_is_lifted(tmp_path: Path) -> None:
    with hook() as slack, hook() as web:
        async with running(tmp_path, settings(slack, web)) as stack:
            for words in (("kill",), ("kill", "--lift")):
                code, _, problems = await crossfade(*words, "--reason", "r", "--yes", "--config", str(stack.config))
                assert code == 0, problems
                event = ("resolved" if "--lift" in words else "raised", "killed")

                async def there(event: tuple[str, str] = event) -> bool:
                    return event in told(web) and len(slack.got) == len(web.got)

                await until(there)

            async def counted() -> bool:
                text = (await stack.admin.get("/metrics")).text
                return 'crossfade_notices{result="sent",target="slack"} 2.0' in text

            await until(counted)
            await asyncio.sleep(0.5)  # nothing more may come
            metrics = (await stack.admin.get("/metrics")).text
            code, shown, problems = await crossfade("config", "show", "--config", str(stack.config))
            log = stack.router.log.read_text()

        assert told(web) == [("raised", "killed"), ("resolved", "killed")]
        assert json.loads(slack.got[0].body)["text"].startswith("[raised] The kill switch is on: every tool is off\n")
        assert 'crossfade_alarms{alarm="killed"} 0.0' in metrics
        assert code == 0, problems
        assert [word for word in ("hushhush", "s3cret") if word in log + shown + metrics] == []


async def test_calls_are_answered_while_a_hook_hangs(tmp_path: Path) -> None:
    with hook() as slack, hook() as web:
        slack.hanging = web.hanging = threading.Event()
        async with running(tmp_path, settings(slack, web)) as stack:
            await crossfade("kill", "--reason", "r", "--yes", "--config", str(stack.config))

            async def hangs() -> bool:
                return len(web.got) == len(slack.got) == 1

            await until(hangs)
            sandbox = await stack.sandbox()
            for _ in range(20):
                answer = await stack.client.get(f"/toolbox/{sandbox}/files", params={"path": "/workspace"})
                assert answer.status_code == 200
            assert (await stack.admin.get("/readyz")).status_code == 200
            assert len(web.got) == 1, "all of that while it hung"


async def test_a_trial_notice_is_sent_by_the_command_line_and_what_does_not_take_it_is_said(tmp_path: Path) -> None:
    with hook() as slack, hook() as web:
        config = tmp_path / "crossfade.toml"
        config.write_text(f'[origins.old]\nurl = "http://127.0.0.1:1/api"\n{settings(slack, web)}')
        web.script = [200, 403]
        first = await crossfade("notify", "test", "--config", str(config))
        second = await crossfade("notify", "test", "--json", "--config", str(config))

    assert first == (0, "slack    sent: 200\nwebhook  sent: 200\n", "")
    assert second[0] == 3
    assert [(each["target"], each["sent"], each["said"]) for each in json.loads(second[1])["targets"]] == [
        ("slack", True, "200"),
        ("webhook", False, "status 403"),
    ]
    assert told(web) == [("test", "test")] * 2


async def test_with_nobody_to_tell_the_trial_says_which_settings_to_set(tmp_path: Path) -> None:
    config = tmp_path / "crossfade.toml"
    config.write_text('[origins.old]\nurl = "http://127.0.0.1:1/api"\n')
    code, _, problems = await crossfade("notify", "test", "--config", str(config))

    assert code == 2 and "set notify.slack_url" in problems


def test_comparing_that_does_not_keep_up_shows_in_ten_minutes_and_is_over_ten_minutes_later() -> None:
    telemetry, drops = Telemetry(TelemetrySettings()), Drops()
    assert drops.shares(telemetry, 0.0) == {}
    for _ in range(60):
        telemetry.observe(record(tool="files"))
        telemetry.observe(record(tool="files", dropped="lane full", matched=None))
        telemetry.observe(record(tool="web", dropped="not sampled", matched=None))
    telemetry.observe(record(tool="shell", dropped="lane full", matched=None))

    assert drops.shares(telemetry, 60.0) == {"files": 0.5}, "by rule is no drop, and one says nothing"
    for moment in range(120, 800, 60):
        drops.shares(telemetry, float(moment))
    assert drops.shares(telemetry, 800.0) == {}


def test_a_ramp_asks_for_people_only_when_it_needs_them() -> None:
    notify = NotifySettings()
    step = Step(act=Act.HOLD, share=0.1, because="b", text="t")
    ramp = Ramp(plan=Plan(tool="files"), state=State.RUNNING, since=1_000.0, grew_at=1_000.0, last=step)

    def word(act: Act, now: float = 2_000.0, **change: object) -> str:
        changed = replace(ramp, last=replace(step, act=act), **change)  # type: ignore[arg-type]
        alarm = of_ramp(changed, notify, now)
        return alarm.word if alarm else ""

    assert [word(act) for act in (Act.HOLD, Act.ADVANCE, Act.BACK, Act.HALT)] == ["", "ramp-ready", "ramp-back", ""]
    assert word(Act.HALT, 1_000.0 + 3_601) == "ramp-halted"
    assert word(Act.BACK, state=State.STOPPED) == "ramp-stepped-back"
    assert word(Act.BACK, state=State.PAUSED) == ""
    by_hand = replace(ramp, state=State.STOPPED, last=replace(step, act=Act.BACK, because=BY_HAND))
    assert of_ramp(by_hand, notify, 2_000.0) is None, "who asked for it knows"
    assert word(Act.BACK, plan=Plan(tool="files", mode=Mode.DRY_RUN)) == ""
