"""Each week by itself, each target once."""

import itertools
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crossfade.errors import SettingsError
from router.delivery.message import Message, Undelivered
from router.delivery.weekly import Weekly, due_week
from router.store.database import Database, open_database
from router.store.deliveries import delivered
from router.store.records import SqlRecords
from tests.delivery.post_office import mail_server, webhook
from tests.delivery.test_delivery import MESSAGE, SECRET
from tests.store.store_examples import record

MONDAY = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
HOUR = 3600.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path}/state.db")
    yield database
    database.close()


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def weekly(database: Database, clock: Clock, to: Mapping[str, Callable[[Message], None]], made: list[str]) -> Weekly:
    def make(week: str) -> Message:
        made.append(week)
        return MESSAGE

    return Weekly(database, to, make, send_at="monday 06:00", now=clock)


@pytest.mark.parametrize(
    ("moment", "hours", "week"),
    [("monday 06:00", 5.9, "2026-W46"), ("monday 06:00", 6.0, "2026-W47"), ("friday 17:30", 100.0, "2026-W46")],
)
def test_a_week_is_due_at_its_moment_of_the_next(moment: str, hours: float, week: str) -> None:
    assert due_week(moment, MONDAY + hours * HOUR) == week


@pytest.mark.parametrize("moment", ["06:00", "someday 06:00", "monday 24:00", "monday 6:00"])
def test_what_is_no_moment_is_refused(moment: str) -> None:
    with pytest.raises(SettingsError, match="write monday 06:00"):
        due_week(moment, MONDAY)


def test_each_target_gets_each_week_once_also_after_a_restart(database: Database) -> None:
    clock, made, got = Clock(MONDAY + 7 * HOUR), [], list[str]()
    to = {"one": lambda _: got.append("one"), "two": lambda _: got.append("two")}
    first = weekly(database, clock, to, made)
    first.step()
    first.step()
    weekly(database, clock, to, made).step()
    clock.now += 7 * 24 * HOUR
    first.step()

    assert got == ["one", "two", "one", "two"]
    assert made == ["2026-W47", "2026-W48"]


def test_a_target_that_fails_is_tried_again_ever_later_and_the_other_is_not_kept_waiting(database: Database) -> None:
    clock, got, tried = Clock(MONDAY + 7 * HOUR), [], []

    def fail(_: Message) -> None:
        tried.append(clock.now)
        if len(tried) < 4:
            raise Undelivered("not now")

    found = weekly(database, clock, {"bad": fail, "good": lambda _: got.append(clock.now)}, [])
    assert found.step() == {"bad": "not now", "good": ""}
    for _ in range(60):
        clock.now += 30
        found.step()

    assert [later - earlier for earlier, later in itertools.pairwise(tried)] == [60.0, 120.0, 240.0]
    assert len(got) == 1


def test_a_report_that_cannot_be_made_is_tried_again(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def make(week: str) -> Message:
        raise SettingsError("no such week")

    clock = Clock(MONDAY + 7 * HOUR)
    found = Weekly(database, {"one": lambda _: None}, make, send_at="monday 06:00", now=clock)

    assert found.step() == {"one": "no such week"}
    assert found.step() == {}
    assert "report not delivered" in caplog.text


def settings_file(tmp_path: Path, mail: int, chat: str) -> Path:
    file = tmp_path / "crossfade.toml"
    file.write_text(
        '[origins.old]\nurl = "http://127.0.0.1:1/api"\n'
        f'[store]\nurl = "sqlite:///{tmp_path}/store.db"\n'
        f'[report]\nlanguage = "ru"\nfolder = "{tmp_path}/reports"\nmail_server = "smtp://127.0.0.1:{mail}"\n'
        f'mail_from = "c@example.org"\nmail_to = ["ada@example.org"]\nwebhook_url = "{chat}"\n'
    )
    return file


def crossfade(*words: str) -> list[str]:
    return [sys.executable, "-c", "from router.cli import main; main()", *words]


def test_jobs_delivers_what_is_due_and_goes_on_until_it_is_told_to_end(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/store.db")
    writer = SqlRecords(database)
    week = due_week("monday 06:00", time.time())
    middle = datetime.strptime(f"{week}-3", "%G-W%V-%u").replace(tzinfo=UTC).timestamp()
    writer.add(record(at=middle))
    writer.close()
    database.close()
    with mail_server() as office, webhook(SECRET) as hook:
        config = str(settings_file(tmp_path, office.port, hook.url))
        program = subprocess.Popen(crossfade("jobs", "--config", config), stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 90
        database = open_database(f"sqlite:///{tmp_path}/store.db", create=False)
        while len(delivered(database, week)) < 3 and time.monotonic() < deadline and program.poll() is None:
            time.sleep(0.1)
        database.close()
        program.send_signal(signal.SIGTERM)
        _, said = program.communicate(timeout=30)
        again = subprocess.run(
            crossfade("jobs", "--once", "--config", config), capture_output=True, text=True, timeout=90
        )

    assert (program.returncode, again.returncode) == (0, 0), said + again.stderr
    assert (len(office.letters), len(hook.bodies)) == (1, 1)
    assert office.letters[0]["Subject"].startswith(f"Отчёт о миграции, неделя {week}")
    assert (tmp_path / "reports" / f"crossfade-{week}.html").is_file()
    assert "report delivered" in said
    assert SECRET not in said + again.stderr


def test_report_send_says_who_got_it_and_fails_when_somebody_did_not(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path}/store.db").close()
    with mail_server() as office, webhook(SECRET, answers=[404]) as hook:
        config = str(settings_file(tmp_path, office.port, hook.url))
        words = ("report", "--week", "last", "--no-pdf", "--send", "--out", str(tmp_path / "out"), "--config", config)
        done = subprocess.run(crossfade(*words), capture_output=True, text=True, timeout=90)

    assert done.returncode == 3
    assert "mail: delivered" in done.stderr
    assert "chat: the slack webhook at 127.0.0.1 did not take the report" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert len(office.letters) == 1
