"""Flags go up and down under load: no call fails, nobody moves back on the way up, nothing read is stale."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.journeys.probes import Probe, create, records, set_flags
from tests.journeys.stack import FILE_TOOLS, PROCESS_TOOLS, Stack, stack
from tests.journeys.trees import clean_twins, tree

UP = (10, 50, 100)
DOWN = (50, 10, 0)
FLAGS = {"files": FILE_TOOLS, "processes": PROCESS_TOOLS}


@dataclass(eq=False)
class Agent:
    """One sandbox at work: it knows what it wrote and holds every read against it."""

    probe: Probe
    home: str  # agents of one sandbox keep to folders of their own, so that each knows what it must read
    chance: random.Random
    files: dict[str, bytes] = field(default_factory=dict)
    counter: int = 0
    failures: list[str] = field(default_factory=list)
    step: str = ""
    steps: dict[str, str] = field(default_factory=dict)  # call -> step of the ramp

    async def work(self, calls: int) -> None:
        """Some calls of mixed tools, one after another, as an agent makes them."""
        for _ in range(calls):
            kind = self.chance.choices(
                (self.write, self.read, self.list, self.info, self.delete, self.execute, self.session),
                (6, 8, 3, 3, 1, 2, 1),
            )[0]
            before = len(self.probe.calls)
            await kind(self.chance.choice(("files", "upload", "vision")))
            for _, call in self.probe.calls[before:]:
                self.steps[call] = self.step

    def _expect(self, answer: httpx2.Response, status: int, what: str) -> bool:
        if answer.status_code != status:
            self.failures.append(f"{self.probe.id} {self.step}: {what}: {answer.status_code} {answer.text[:200]}")
        return answer.status_code == status

    async def write(self, tool: str) -> None:
        self.counter += 1
        path = f"{self.home}/d{self.chance.randrange(3)}/f{self.chance.randrange(5)}"
        data = f"{self.probe.id} {self.counter}\n".encode() * self.chance.choice((1, 50, 4_000))
        if self._expect(await self.probe.upload(path, data, tool=tool), 200, f"write {path}"):
            self.files[path] = data

    async def read(self, tool: str) -> None:
        if not self.files:
            return
        path = self.chance.choice(sorted(self.files))
        got = await self.probe.download(path, tool=tool)
        if self._expect(got, 200, f"read {path}") and got.content != self.files[path]:
            self._stale(f"{path} came back as {got.content[:60]!r}, not {self.files[path][:60]!r}", got)

    async def info(self, tool: str) -> None:
        if not self.files:
            return
        path = self.chance.choice(sorted(self.files))
        got = await self.probe.info(path, tool=tool)
        if self._expect(got, 200, f"info {path}") and got.json()["size"] != len(self.files[path]):
            self._stale(f"{path} has {got.json()['size']} bytes, not {len(self.files[path])}", got)

    async def list(self, tool: str) -> None:
        if not self.files:
            return
        folder = self.chance.choice(sorted(self.files)).rpartition("/")[0]
        got = await self.probe.list(folder, tool=tool)
        wanted = {path.rpartition("/")[2] for path in self.files if path.startswith(folder + "/")}
        if self._expect(got, 200, f"list {folder}") and {each["name"] for each in got.json()} != wanted:
            self._stale(f"{folder} lists {[each['name'] for each in got.json()]}, not {sorted(wanted)}", got)

    async def delete(self, tool: str) -> None:
        if len(self.files) < 3:
            return
        path = self.chance.choice(sorted(self.files))
        if self._expect(await self.probe.delete(path, tool=tool), 204, f"delete {path}"):
            del self.files[path]

    async def execute(self, _tool: str) -> None:
        """A command that reads what file calls wrote, and writes what they will read."""
        self.counter += 1
        path, text = f"{self.home}/d{self.chance.randrange(3)}/made", f"{self.probe.id} command {self.counter}\n"
        folder = path.rpartition("/")[0]
        known = self.chance.choice(sorted(self.files)) if self.files else ""
        command = f"mkdir -p {folder} && printf '{text.strip()}\\n' > {path}" + (
            f" && wc -c < {known}" if known else ""
        )
        got = await self.probe.exec(command, tool=self.chance.choice(("shell", "browser")))
        if not self._expect(got, 200, command):
            return
        self.files[path] = text.encode()
        size = len(self.files[known]) if known else 0
        if got.json()["exitCode"] != 0 or (known and known != path and got.json()["result"].strip() != str(size)):
            self._stale(f"{command}: {got.json()}, {known} has {size} bytes", got)

    async def session(self, _tool: str) -> None:
        self.counter += 1
        name, path = f"{self.home.rpartition('/')[2]}-{self.counter}", f"{self.home}/d0/session"
        text = f"{self.probe.id} session {self.counter}\n"
        self._expect(await self.probe.session(name), 201, f"session {name}")
        got = await self.probe.session_exec(
            name, f"mkdir -p {self.home}/d0; echo '{text.strip()}' > {path}; cat {path}"
        )
        if self._expect(got, 200, f"session {name}"):
            self.files[path] = text.encode()
            if text not in got.text.replace("\\n", "\n"):
                self._stale(f"session {name} printed {got.text[:200]}", got)
        ended = await self.probe.call("session.delete", "DELETE", f"/process/session/{name}", tool="shell")
        self._expect(ended, 204, f"end of session {name}")

    def _stale(self, what: str, answer: httpx2.Response) -> None:
        self.failures.append(f"{self.probe.id} {self.step}: {what} (call {answer.headers.get('x-crossfade-call')})")


@pytest.mark.parametrize(
    ("sandboxes", "calls"), [(30, 12), pytest.param(200, 15, marks=pytest.mark.full)], ids=["30", "200"]
)
async def test_a_ramp_up_and_down(tmp_path: Path, sandboxes: int, calls: int) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    async with stack(tmp_path, settle=0.5) as system, await system.client() as client:
        agents = await _ramp(system, client, sandboxes, calls, seed)
        await system.router.stop()
        found = records(system)
        differing = [pair async for pair in _differing(system)]
        clean = len(clean_twins(tmp_path / "crossfade.db"))

    assert [failure for agent in agents for failure in agent.failures] == []
    steps = {call: step for agent in agents for call, step in agent.steps.items()}
    assert {call: found[call]["status"] for call in steps if found[call]["status"] >= 400} == {}
    assert _moved_back(found, steps) == []
    on_new = Counter(steps[call] for call in steps if found[call]["answering"] == "new")
    print(f"answered by new: {dict(on_new)}; clean twins: {clean} of {sandboxes}")
    assert on_new["up 10"] <= on_new["up 50"] < on_new["up 100"]
    assert clean >= sandboxes // 2
    assert differing == []


async def _ramp(system: Stack, client: httpx2.AsyncClient, sandboxes: int, calls: int, seed: int) -> list[Agent]:
    """Agents work all the while; a share of them is born before each step, so that every seat there is takes part."""
    agents: list[Agent] = []
    probes: list[Probe] = []
    names = [f"up {percent}" for percent in (0, *UP)] + [f"down {percent}" for percent in DOWN]
    born = -(-sandboxes // 4)
    gate = asyncio.Semaphore(24)

    async def one(agent: Agent, step: str, amount: int) -> None:
        agent.step = step
        async with gate:
            await agent.work(amount)

    for name, percent in zip(names, (0, *UP, *DOWN), strict=True):
        value = {0: "shadow", 100: "live"}.get(percent, f"live={percent},shadow={100 - percent}")
        # The change falls into the midst of calls: half of the step's work is under way when the flags move.
        moving = asyncio.gather(*(one(agent, f"moving to {name}", calls // 3) for agent in agents))
        await asyncio.to_thread(set_flags, system, dict.fromkeys((*FILE_TOOLS, *PROCESS_TOOLS), value))
        await asyncio.gather(moving, asyncio.sleep(0.8))
        for _ in range(min(born, sandboxes - len(probes))):
            probe = await create(client)
            hands = 2 if len(probes) % 3 == 0 else 1  # calls of one sandbox overlap, too
            probes.append(probe)
            for hand in range(hands):
                chance = random.Random(f"{seed}:{len(agents)}")
                agents.append(Agent(Probe(client, probe.id), f"/workspace/agent{hand}", chance))
        await asyncio.gather(*(one(agent, name, calls - calls // 3) for agent in agents))
    return agents


def _moved_back(found: dict[str, dict[str, Any]], steps: dict[str, str]) -> list[str]:
    """Sandboxes and tools that were on new at one step of the way up and on old at the same or a later one.

    What the flag asks for counts for every tool. Who answers counts where one side answers all: for process tools; a
    file call that the other side cannot answer rightly just now is held on the seat, and its reason says so.
    """
    order = [f"up {percent}" for percent in (0, *UP)]
    first_on_new: dict[tuple[str, str, str], tuple[float, str]] = {}
    back = []
    for call, record in sorted(found.items(), key=lambda item: item[1]["at"]):
        step = steps.get(call)
        if step not in order:
            continue
        by = ("wish", "answering") if record["tool"] in PROCESS_TOOLS else ("wish",)
        for name in by:
            subject = (record["sandbox"], record["tool"], name)
            if record[name] == "new":
                first_on_new.setdefault(subject, (record["at"], step))
            elif subject in first_on_new:
                back.append(f"{subject}: new since {first_on_new[subject]}, old at {step}: {record['reason']}")
        if record["wish"] == "new" and record["answering"] == "old" and "held on old" not in record["reason"]:
            back.append(f"{call}: old answered without a reason: {record['reason']}")
    return back


async def _differing(system: Stack) -> Any:
    """Clean twins whose trees are not equal, found without the program's own eyes."""
    for twin, (old, new) in clean_twins(system.directory / "crossfade.db").items():
        on_old, on_new = await asyncio.gather(
            *(
                tree(system.directory / side / name / "files" / "workspace")
                for side, name in (("old", old), ("new", new))
            )
        )
        if on_old != on_new:
            yield twin, on_old.items() ^ on_new.items()
