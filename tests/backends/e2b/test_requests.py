"""What the adapter sends, when it sends again, and what it makes of answers that no well-behaved server gives."""

import asyncio
import json

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Fate
from crossfade.results import Content
from crossfade.upstream import Purpose, UpstreamFailed
from tests.backends.e2b.scripted import MADE, Answer, Scripted, adapter, found, frames, headers_of

START = "POST /process.Process/Start"
STAT = "POST /filesystem.Filesystem/Stat"
GET = "GET /sandboxes/isandbox"
EXEC = Operation(name="process.exec", sandbox="isandbox", arguments={"command": "true"})
INFO = Operation(name="fs.info", sandbox="isandbox", arguments={"path": "/f"})
ENTRY = Answer(200, {"entry": {"name": "f", "path": "/f", "type": "FILE_TYPE_FILE"}})
GONE = Answer(502, {"code": 502, "message": "The sandbox was not found", "sandboxId": "isandbox"})
CREATE = Operation(
    name="sandbox.create",
    arguments={"snapshot": "snap", "env": {"A": "b"}, "metadata": {"crossfade_nonce": "n-1"}, "labels": {"id": "1"}},
)


async def everything_else() -> None:
    """Let the tasks that were spawned run to their ends."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait_for(asyncio.gather(*others), 5)


# The fate of a command.


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, frames({"start": {"pid": 7}}, {"data": {"stdout": "aGk="}})),
        Answer(200, frames({"start": {"pid": 7}}, {"data": {"stdout": "aGk="}}), cut=True),
        Answer(200, frames({"start": {"pid": 7}}, end={})),
        Answer(200, frames({"start": {"pid": 7}}, {"end": {"exited": True}})[:-3]),
        Answer(200, frames({"start": {"pid": 7}}, end={"error": {"code": "unavailable", "message": "ended"}})),
        Answer(503, {"code": "unavailable", "message": "freezing"}),
        Answer(200, b"no frames at all"),
    ],
)
async def test_a_stream_without_its_end_is_of_unknown_fate_and_never_sent_again(answer: Answer) -> None:
    upstream = Scripted({**found(), START: [answer]})

    outcome = await adapter(upstream).perform(EXEC)

    assert outcome.fate is Fate.UNKNOWN
    assert upstream.sent == [GET, START]


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b'"x"', b"{", b"\xff"])
async def test_an_answer_that_is_no_object_is_an_outcome_and_no_defect_of_ours(body: bytes) -> None:
    outcome = await adapter(Scripted({**found(), STAT: [Answer(200, body)]})).perform(INFO)

    assert (outcome.fate, outcome.status) == (Fate.UNKNOWN, 502)
    assert "no JSON object" in outcome.message


async def test_a_zero_that_is_left_out_is_exit_code_zero_and_a_signal_is_minus_one() -> None:
    good, killed = {"end": {"exited": True, "status": "exit status 0"}}, {"end": {"status": "signal: killed"}}
    upstream = Scripted({**found(), START: [Answer(200, frames(good, end={})), Answer(200, frames(killed, end={}))]})
    backend = adapter(upstream)

    assert [(await backend.perform(EXEC)).value.exit_code for _ in range(2)] == [0, -1]


async def test_a_request_that_never_left_has_done_nothing() -> None:
    upstream = Scripted({**found(), START: [UpstreamFailed("refused", sent=False)]})

    outcome = await adapter(upstream).perform(EXEC)

    assert (outcome.fate, outcome.status) == (Fate.FAILED, 502)


# Sending again.


async def test_a_sandbox_that_changes_its_state_is_asked_again_until_it_has() -> None:
    changing = Answer(409, {"code": 409, "message": "sandbox is still transitioning"})
    upstream = Scripted({**found(), STAT: [changing, Answer(429, b"", headers=[(b"Retry-After", b"0")]), ENTRY]})

    outcome = await adapter(upstream).perform(INFO)

    assert outcome.ok
    assert upstream.sent == [GET, STAT, STAT, STAT]


async def test_a_sandbox_that_the_edge_lost_is_asked_for_and_sent_to_once_more_if_it_runs() -> None:
    upstream = Scripted({**found(), STAT: [GONE, ENTRY]})

    outcome = await adapter(upstream).perform(INFO)

    assert outcome.ok
    assert upstream.sent == [GET, STAT, GET, STAT]


@pytest.mark.parametrize(
    ("answer", "status"), [(Answer(200, {**MADE, "state": "paused"}), 400), (Answer(404, {"code": 404}), 404)]
)
async def test_a_paused_sandbox_and_one_that_is_gone_are_told_apart(answer: Answer, status: int) -> None:
    upstream = Scripted({GET: [Answer(200, MADE), answer], START: [GONE]})

    outcome = await adapter(upstream).perform(EXEC)

    assert (outcome.fate, outcome.status) == (Fate.FAILED, status)
    assert upstream.sent == [GET, START, GET]


async def test_a_refused_token_is_asked_for_anew() -> None:
    fresh = Answer(200, {**MADE, "envdAccessToken": "fresh"})
    upstream = Scripted({GET: [Answer(200, MADE), fresh], STAT: [Answer(401, {"code": 401}), ENTRY]})

    assert (await adapter(upstream).perform(INFO)).ok
    assert headers_of(upstream.requests[-1])["x-access-token"] == "fresh"


async def test_a_body_that_has_gone_by_is_not_sent_again() -> None:
    async def body():
        yield b"x"

    upstream = Scripted({**found(), "POST /files": [GONE, Answer(200, [])]})
    upload = Operation(name="fs.upload", sandbox="isandbox", arguments={"path": "/f"}, body=body())

    outcome = await adapter(upstream).perform(upload)

    assert not outcome.ok
    assert upstream.sent.count("POST /files") == 1


async def test_a_reader_that_fails_is_not_the_origins_failure() -> None:
    async def body():
        yield b"x"
        raise ConnectionResetError("client went away")

    class Reading(Scripted):
        async def send(self, request):
            try:
                return await super().send(request)
            except ConnectionResetError as error:
                raise UpstreamFailed("could not read the body", sent=True) from error

    upstream = Reading({**found(), "POST /files": [Answer(200, [])]})
    upload = Operation(name="fs.upload", sandbox="isandbox", arguments={"path": "/f"}, body=body())

    with pytest.raises(ConnectionResetError):
        await adapter(upstream).perform(upload)


# The control plane.


async def test_a_server_without_v2_is_spoken_to_in_v1_from_then_on() -> None:
    upstream = Scripted({"POST /v2/sandboxes": [Answer(404, {"code": 404})], "POST /sandboxes": [Answer(201, MADE)]})
    backend = adapter(upstream)

    assert [(await backend.perform(CREATE)).ok for _ in range(2)] == [True, True]

    assert upstream.sent == ["POST /v2/sandboxes", "POST /sandboxes", "POST /sandboxes"]
    sent = json.loads(bytes(upstream.requests[-1].body))  # type: ignore[arg-type]
    assert (sent["secure"], sent["metadata"]) == (True, {"crossfade_nonce": "n-1", "id": "1"})
    assert headers_of(upstream.requests[-1])["idempotency-key"] == "n-1"


async def test_a_create_that_was_not_answered_is_found_by_its_nonce_and_not_made_twice() -> None:
    upstream = Scripted(
        {
            "POST /v2/sandboxes": [UpstreamFailed("cut", sent=True)],
            "GET /v2/sandboxes": [Answer(200, [{**MADE, "metadata": {"crossfade_nonce": "n-1"}}])],
        }
    )

    outcome = await adapter(upstream).perform(CREATE)

    assert (outcome.ok, outcome.value.id) == (True, "isandbox")
    assert upstream.sent == ["POST /v2/sandboxes", "GET /v2/sandboxes"]


async def test_a_create_that_left_no_trace_stays_of_unknown_fate() -> None:
    upstream = Scripted(
        {"POST /v2/sandboxes": [Answer(504, b"late")], "GET /v2/sandboxes": [Answer(200, [])]},
    )

    assert (await adapter(upstream).perform(CREATE)).fate is Fate.UNKNOWN


async def test_an_unknown_snapshot_is_refused_before_anything_is_sent() -> None:
    upstream = Scripted({})

    outcome = await adapter(upstream).perform(Operation(name="sandbox.create", arguments={"snapshot": "other"}))

    assert (outcome.status, outcome.code) == (400, "BAD_REQUEST")
    assert "'other'" in outcome.message
    assert upstream.sent == []


async def test_a_list_is_read_to_its_last_page() -> None:
    first = Answer(200, [MADE], headers=[(b"X-Next-Token", b"t")])
    upstream = Scripted({"GET /v2/sandboxes": [first, Answer(200, [{**MADE, "sandboxID": "iother"}])]})
    asked = Operation(name="sandbox.list", arguments={"labels": {"a b": "c/d"}})

    outcome = await adapter(upstream).perform(asked)

    assert [each.id for each in outcome.value] == ["isandbox", "iother"]
    assert "metadata=a%252520b%3Dc%25252Fd" in upstream.requests[0].target
    assert "nextToken=t" in upstream.requests[1].target


async def test_no_token_is_in_what_a_sandbox_is_told_to_be() -> None:
    outcome = await adapter(Scripted(found(trafficAccessToken="traffic"))).perform(
        Operation(name="sandbox.get", sandbox="isandbox")
    )

    assert "secret-token" not in repr(outcome.value)
    assert "traffic" not in repr(outcome.value)


# Addresses and headers.


@pytest.mark.parametrize(
    ("domain", "base"),
    [("", "https://sandbox.e2b.app"), ("cluster.test", "https://49983-isandbox.cluster.test")],
)
async def test_a_sandbox_is_reached_where_its_domain_says(domain: str, base: str) -> None:
    upstream = Scripted({**found(domain=domain or None), STAT: [ENTRY]})

    assert (await adapter(upstream).perform(INFO, Purpose.SETTLE)).ok

    request = upstream.requests[-1]
    sent = headers_of(request)
    assert (request.base, request.purpose) == (base, Purpose.SETTLE)
    assert (sent["e2b-sandbox-id"], sent["e2b-sandbox-port"]) == ("isandbox", "49983")
    assert (sent["x-access-token"], sent["x-crossfade-purpose"]) == ("secret-token", "settle")


async def test_no_deadline_is_sent_with_a_process_for_it_would_be_its_life() -> None:
    upstream = Scripted({**found(), START: [Answer(200, frames({"end": {}}, end={}))]})

    await adapter(upstream).perform(EXEC)

    sent = headers_of(upstream.requests[-1])
    assert "connect-timeout-ms" not in sent
    assert "x-crossfade-purpose" not in sent


async def test_a_preview_link_is_the_ports_host_with_its_token() -> None:
    upstream = Scripted({"POST /v2/sandboxes": [Answer(201, {**MADE, "trafficAccessToken": "traffic"})]})
    backend = adapter(upstream)
    await backend.perform(CREATE)

    link = (
        await backend.perform(Operation(name="sandbox.preview", sandbox="isandbox", arguments={"port": 8080}))
    ).value

    assert (link.url, link.token) == ("https://8080-isandbox.e2b.app", "traffic")


async def test_the_end_is_put_off_while_a_sandbox_is_used_and_not_by_our_own_work() -> None:
    refresh = "POST /sandboxes/isandbox/refreshes"
    upstream = Scripted({**found(endAt="2020-01-01T00:00:00Z"), STAT: [ENTRY], refresh: [Answer(204)]})
    backend = adapter(upstream)

    await backend.perform(INFO, Purpose.SETTLE)
    assert refresh not in upstream.sent
    for _ in range(3):
        await backend.perform(INFO)
    await everything_else()

    assert upstream.sent.count(refresh) == 1


async def test_a_download_that_nobody_reads_is_let_go() -> None:
    answer = Answer(200, b"content")
    backend = adapter(Scripted({**found(), "GET /files": [answer]}))
    outcome = await backend.perform(Operation(name="fs.download", sandbox="isandbox", arguments={"path": "/f"}))

    assert isinstance(outcome.value, Content)
    await outcome.value.stream.aclose()  # type: ignore[attr-defined]

    assert answer.closed


@pytest.mark.parametrize("name", ["sandbox.labels", "sandbox.interval", "sandbox.ssh"])
async def test_what_e2b_has_not_is_unsupported(name: str) -> None:
    outcome = await adapter(Scripted({})).perform(Operation(name=name, sandbox="isandbox"))

    assert (outcome.fate, outcome.status) == (Fate.UNSUPPORTED, 501)
