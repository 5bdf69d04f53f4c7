"""Channels: notices arrive at real servers, in order and once, whatever these do meanwhile; and block nobody."""

import asyncio
import contextlib
import json
import logging
import random
import socket
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from router.clock import SystemClock
from router.notify.alarms import Alarm, Event, Notice
from router.notify.bodies import signature
from router.notify.channel import Channel, Target, client, targets_of
from router.settings_watch import NotifySettings
from tests.notify.hook import PATH, Hook, hook

PATIENCE = 20.0


def notice(number: int = 1, word: str = "killed") -> Notice:
    return Notice(id=f"n{number}", event=Event.RAISED, alarm=Alarm(word=word), at=1.0, since=1.0, router="one")


@contextlib.asynccontextmanager
async def channel(url: str, secret: str = "s3cret", kind: str = "webhook", **more: Any) -> AsyncIterator[Channel]:
    settings = {"per_minute": 60_000.0, "first_pause_seconds": 0.02, "patience_seconds": PATIENCE, **more}
    async with client() as http:
        target = Target(kind=kind, url=url, secret=secret)
        found = Channel(target, http, SystemClock(), chance=random.Random(1), **settings)
        running = asyncio.create_task(found.run())
        try:
            yield found
        finally:
            running.cancel()
            await asyncio.wait([running])


async def until(channel: Channel, **results: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while {name: channel.results[name] for name in results} != results:
            await asyncio.sleep(0.01)


def ids(hook: Hook) -> list[str]:
    return [json.loads(each.body)["id"] for each in hook.got]


async def test_notices_arrive_in_order_signed_as_they_were_received() -> None:
    with hook() as server:
        async with channel(server.url) as sending:
            for number in range(5):
                sending.offer(notice(number))
            await until(sending, sent=5)

        assert ids(server) == [f"n{number}" for number in range(5)]
        for got in server.got:
            stamp = got.headers["X-Crossfade-Timestamp"]
            assert got.headers["X-Crossfade-Signature"] == signature("s3cret", stamp, got.body)
            assert abs(time.time() - int(stamp)) < 60
            assert got.headers["X-Crossfade-Notice"] == json.loads(got.body)["id"]


@pytest.mark.parametrize("trouble", [[500, 503], [429], [408, 502]], ids=str)
async def test_trouble_that_passes_is_waited_out_and_the_notice_arrives_under_the_same_id(trouble: list[int]) -> None:
    with hook() as server:
        server.script = list(trouble)
        async with channel(server.url) as sending:
            sending.offer(notice(1))
            sending.offer(notice(2))
            await until(sending, sent=2, failed=0)

        assert ids(server) == ["n1"] * (len(trouble) + 1) + ["n2"]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 301, 307])
async def test_a_refusal_is_not_repeated_and_no_redirect_is_followed(status: int) -> None:
    with hook() as server:
        server.script = [status]
        async with channel(server.url) as sending:
            sending.offer(notice(1))
            sending.offer(notice(2))
            await until(sending, sent=1, failed=1)

        assert [(each.path, json.loads(each.body)["id"]) for each in server.got] == [(PATH, "n1"), (PATH, "n2")]


async def test_a_server_that_is_not_there_yet_gets_it_when_it_is() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with channel(f"http://127.0.0.1:{port}{PATH}") as sending:
        sending.offer(notice(1))
        await asyncio.sleep(0.1)
        assert not sending.results
        with hook(port) as server:
            await until(sending, sent=1)
            assert ids(server) == ["n1"]


async def test_patience_ends_and_the_next_notice_has_its_own() -> None:
    with hook() as server:
        server.script = [500] * 4
        async with channel(server.url, patience_seconds=0.1, first_pause_seconds=0.04) as sending:
            sending.offer(notice(1))
            await until(sending, failed=1)
            server.script = []
            sending.offer(notice(2))
            await until(sending, sent=1)

        assert ids(server)[-1] == "n2"


async def test_how_long_to_wait_may_be_said_by_the_server() -> None:
    with hook() as server:
        server.script, server.retry_after = [429], "1"
        async with channel(server.url) as sending:
            began = time.monotonic()
            sending.offer(notice(1))
            await until(sending, sent=1)

        assert time.monotonic() - began >= 1.0


async def test_offering_never_waits_and_of_too_many_the_oldest_are_dropped_and_counted() -> None:
    with hook() as server:
        server.hanging = threading.Event()
        async with channel(server.url) as sending:
            sending.offer(notice(0))
            async with asyncio.timeout(PATIENCE):
                while not server.got:
                    await asyncio.sleep(0.01)
            for number in range(1, 301):
                sending.offer(notice(number))
            assert (sending.waiting, sending.results["dropped"]) == (200, 100)
            server.hanging.set()
            await until(sending, sent=201)

        assert ids(server) == ["n0", *(f"n{number}" for number in range(101, 301))]


async def test_a_rate_is_kept() -> None:
    with hook() as server:
        async with channel(server.url, per_minute=120.0) as sending:  # 30 at once, then 2 a second
            for number in range(33):
                sending.offer(notice(number))
            began = time.monotonic()
            await until(sending, sent=33)

        assert time.monotonic() - began >= 1.0


async def test_the_address_and_the_secret_are_in_no_log_and_no_representation(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with hook() as server:
        server.script = [200, 404]
        async with channel(server.url, secret="s3cret") as sending:
            sending.offer(notice(1))
            sending.offer(notice(2))
            await until(sending, sent=1, failed=1)
            shown = repr(sending.target)
    async with channel(f"http://127.0.0.1:1{PATH}", patience_seconds=0.05) as nobody:
        nobody.offer(notice(3))
        await until(nobody, failed=1)

    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "notice not delivered" in logged
    assert [word for word in ("hushhush", "s3cret") if word in logged + shown] == []


def test_only_what_is_set_is_a_target() -> None:
    settings = NotifySettings(slack_url="https://slack.example", webhook_url="https://x.example", webhook_secret="s")

    assert [(each.kind, each.secret) for each in targets_of(settings)] == [("slack", ""), ("webhook", "s")]
    assert targets_of(NotifySettings()) == []
    assert "example" not in repr(settings)
