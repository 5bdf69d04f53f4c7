import asyncio

import pytest

from tests.front.e2b.conftest import Sandbox, Server


async def until(check):
    async with asyncio.timeout(10):
        while not await check():
            await asyncio.sleep(0.01)


async def test_both_versions_of_create_answer_with_a_sandbox(server: Server):
    one = await server.api("POST", "/v2/sandboxes", json={"templateID": "suna"})
    two = await server.api("POST", "/sandboxes", json={"templateID": "suna", "secure": True})
    plain = await server.api("POST", "/sandboxes", json={"templateID": "suna"})

    assert [one.status_code, two.status_code, plain.status_code] == [201, 201, 201]
    assert one.json().keys() >= {"sandboxID", "templateID", "clientID", "envdVersion", "envdAccessToken"}
    assert "envdAccessToken" in two.json()
    assert "envdAccessToken" not in plain.json()


async def test_the_default_lifetime_is_300_seconds_and_15_in_v1(server: Server):
    for path, seconds in (("/v2/sandboxes", 300), ("/sandboxes", 15)):
        id = (await server.api("POST", path, json={"templateID": "suna"})).json()["sandboxID"]
        detail = (await server.api("GET", f"/sandboxes/{id}")).json()
        (sandbox,) = [card for known, card in server_cards(server) if known == id]
        assert detail["state"] == "running"
        assert sandbox["end_at"] - sandbox["started_at"] == pytest.approx(seconds, abs=0.5)


def server_cards(server: Server):
    return [(one.id, one.meta["e2b"]) for one in server.sandboxes.all()]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"templateID": "nope"}, 404, "template 'nope' not found"),
        ({}, 404, "template '' not found"),
        ({"templateID": "suna", "timeout": -1}, 400, "Timeout must be between"),
        ({"templateID": "suna", "timeout": 90_000}, 400, "Timeout must be between"),
        ({"templateID": "suna", "timeout": "1"}, 400, "timeout must be a whole number"),
        ({"templateID": "suna", "metadata": {"a": 1}}, 400, "every value of metadata must be a string"),
        ({"templateID": "suna", "envVars": [1]}, 400, "envVars must be an object"),
    ],
)
async def test_a_create_that_cannot_be_meant_is_refused(server: Server, body, status, says):
    answer = await server.api("POST", "/v2/sandboxes", json=body)

    assert answer.status_code == status
    assert answer.json()["code"] == status
    assert says in answer.json()["message"]


async def test_bad_json_an_unknown_route_and_a_wrong_method_are_named(server: Server):
    broken = await server.api("POST", "/v2/sandboxes", content=b'{"templateID":')
    unknown = await server.api("GET", "/v9/sandboxes")
    method = await server.api("PATCH", "/v2/sandboxes")

    assert (broken.status_code, unknown.status_code, method.status_code) == (400, 404, 405)
    assert "not JSON" in broken.json()["message"]
    assert "GET /v9/sandboxes" in unknown.json()["message"]
    assert "allowed: GET, POST" in method.json()["message"]


@pytest.mark.parametrize("headers", [{"X-API-KEY": ""}, {"X-API-KEY": "wrong"}], ids=["none", "wrong"])
async def test_a_key_is_asked_for(server: Server, headers):
    answer = await server.api("GET", "/v2/sandboxes", headers=headers)

    assert answer.status_code == 401
    assert answer.json()["code"] == 401


async def test_an_idempotency_key_makes_one_sandbox(server: Server):
    body = {"templateID": "suna", "metadata": {"nonce": "1"}}
    headers = {"Idempotency-Key": "create-1"}
    answers = await asyncio.gather(*(server.api("POST", "/v2/sandboxes", json=body, headers=headers) for _ in range(4)))
    other = await server.api("POST", "/v2/sandboxes", json={"templateID": "suna"}, headers=headers)

    assert len({answer.json()["sandboxID"] for answer in answers}) == 1
    mine = (await server.api("GET", "/v2/sandboxes", params={"metadata": "nonce=1"})).json()
    assert len(mine) == 1
    assert other.status_code == 409


async def test_connect_says_whether_it_resumed(server: Server, sandbox: Sandbox):
    running = await server.api("POST", f"/v2/sandboxes/{sandbox.id}/connect", json={})
    paused = await server.api("POST", f"/sandboxes/{sandbox.id}/pause", json={})
    again = await server.api("POST", f"/sandboxes/{sandbox.id}/pause")
    resumed = await server.api("POST", f"/sandboxes/{sandbox.id}/connect", json={"timeout": 30})

    assert [one.status_code for one in (running, paused, again, resumed)] == [200, 204, 409, 201]
    assert resumed.json()["envdAccessToken"] == sandbox.made["envdAccessToken"]


async def test_connect_only_lengthens_the_life_of_a_running_sandbox(server: Server, sandbox: Sandbox):
    before = (await server.api("GET", f"/sandboxes/{sandbox.id}")).json()["endAt"]
    await server.api("POST", f"/v2/sandboxes/{sandbox.id}/connect", json={"timeout": 10})
    after = (await server.api("GET", f"/sandboxes/{sandbox.id}")).json()["endAt"]
    await server.api("POST", f"/sandboxes/{sandbox.id}/timeout", json={"timeout": 10})
    shortened = (await server.api("GET", f"/sandboxes/{sandbox.id}")).json()["endAt"]
    await server.api("POST", f"/sandboxes/{sandbox.id}/refreshes", json={"duration": 3000})
    refreshed = (await server.api("GET", f"/sandboxes/{sandbox.id}")).json()["endAt"]

    assert before == after
    assert shortened < after < refreshed


async def test_a_sandbox_ends_when_its_time_is_over(server: Server, sandbox: Sandbox):
    await server.api("POST", f"/sandboxes/{sandbox.id}/timeout", json={"timeout": 0})

    async def gone() -> bool:
        return (await server.api("GET", f"/sandboxes/{sandbox.id}")).status_code == 404

    await until(gone)
    answer = await sandbox.send("GET", "/health")
    assert answer.status_code == 502
    assert answer.json() == {"code": 502, "message": "The sandbox was not found", "sandboxId": sandbox.id}
    assert sandbox.id not in [one.id for one in server.sandboxes.all()]


async def test_an_auto_pause_keeps_the_sandbox(server: Server):
    sandbox = await server.create(timeout=1, autoPause=True)

    async def paused() -> bool:
        return (await server.api("GET", f"/sandboxes/{sandbox.id}")).json()["state"] == "paused"

    await until(paused)
    detail = (await server.api("GET", f"/sandboxes/{sandbox.id}")).json()
    assert detail["lifecycle"] == {"autoResume": False, "onTimeout": "pause"}
    assert (await sandbox.send("GET", "/health")).status_code == 502


async def test_an_auto_resume_wakes_the_sandbox_for_a_request(server: Server):
    sandbox = await server.create(timeout=60, autoPause=True, autoResume={"enabled": True})
    await server.api("POST", f"/sandboxes/{sandbox.id}/pause", json={})

    assert (await sandbox.send("GET", "/health")).status_code == 204
    assert (await server.api("GET", f"/sandboxes/{sandbox.id}")).json()["state"] == "running"


async def test_what_does_not_exist_is_404(server: Server):
    for method, path in [
        ("GET", "/sandboxes/inone"),
        ("DELETE", "/sandboxes/inone"),
        ("POST", "/sandboxes/inone/pause"),
        ("POST", "/v2/sandboxes/inone/connect"),
        ("GET", "/sandboxes/inone/metrics"),
    ]:
        answer = await server.api(method, path)
        assert answer.status_code == 404, path
        assert "inone" in answer.json()["message"]


async def test_delete_answers_204_once(server: Server, sandbox: Sandbox):
    first = await server.api("DELETE", f"/sandboxes/{sandbox.id}")
    second = await server.api("DELETE", f"/sandboxes/{sandbox.id}")

    assert (first.status_code, second.status_code) == (204, 404)


async def test_the_list_has_pages_filters_and_order(server: Server):
    made = [await server.create(metadata={"n": str(n), "of": "list"}) for n in range(5)]
    seen, token, pages = [], None, 0
    while token != "":
        query = {"limit": "2", "metadata": "of=list", "order": "asc", **({"nextToken": token} if token else {})}
        page = await server.api("GET", "/v2/sandboxes", params=query)
        seen += [one["sandboxID"] for one in page.json()]
        token, pages = page.headers.get("X-Next-Token", ""), pages + 1
    one = (await server.api("GET", "/v2/sandboxes", params={"metadata": "n=3&of=list"})).json()
    wrong = await server.api("GET", "/v2/sandboxes", params={"limit": "0"})

    assert (seen, pages) == ([one.id for one in made], 3)
    assert [card["sandboxID"] for card in one] == [made[3].id]
    assert wrong.status_code == 400


async def test_metrics_network_and_aliases_answer(server: Server, sandbox: Sandbox):
    assert isinstance((await server.api("GET", f"/sandboxes/{sandbox.id}/metrics")).json(), list)
    network = await server.api("PUT", f"/sandboxes/{sandbox.id}/network", json={"denyOut": ["0.0.0.0/0"]})
    assert network.status_code == 204
    assert (await server.api("GET", f"/sandboxes/{sandbox.id}")).json()["network"] == {"denyOut": ["0.0.0.0/0"]}
    assert (await server.api("GET", "/templates/aliases/suna")).status_code == 200
    assert (await server.api("GET", "/templates/aliases/nope")).status_code == 404
