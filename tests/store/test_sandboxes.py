"""Evidence by sandbox, from the store."""

from crossfade.comparison import Severity
from crossfade.judgement import Judgement, Saying
from router.store.database import Database
from router.store.fold import HOUR
from router.store.judgements import SqlJudgements
from router.store.queries import window
from router.store.records import SqlRecords
from router.store.sandboxes import SandboxUnits
from tests.store.store_examples import NOON, differing, record


def units(database: Database, **span: float) -> dict[str, SandboxUnits]:
    (tool,) = window(database, **span).tools
    return {each.sandbox: each for each in tool.units}


def write(database: Database, *records: object) -> None:
    writer = SqlRecords(database)
    for each in records:
        writer.add(each)  # type: ignore[arg-type]
    writer.close()


def test_a_sandbox_is_summed_hour_by_hour_until_it_rests(database: Database) -> None:
    write(
        database,
        *(record(sandbox="a", at=NOON + hour * HOUR) for hour in (0, 1, 5)),
        differing(sandbox="a", at=NOON + HOUR),
        record(sandbox="a", at=NOON, shadow_fate="failed"),
    )
    found = units(database)["a"]

    assert (found.pairs.calls, found.pairs.sums) == (4, [1, 4, 0, 1])
    assert (found.compared, found.differing) == (5, 1)


def test_a_window_has_two_ends(database: Database) -> None:
    write(database, *(record(sandbox=f"{hour}", at=NOON + hour * HOUR) for hour in range(4)))

    assert units(database, since=NOON + HOUR, until=NOON + 3 * HOUR).keys() == {"1", "2"}
    assert window(database, NOON + HOUR, NOON + 3 * HOUR).tools[0].counts["calls"] == 2


def test_what_is_explained_differs_no_more(database: Database) -> None:
    write(database, *(differing(sandbox="a") for _ in range(3)), differing(sandbox="b", signatures=("other",)))
    accepted = Judgement(
        at=NOON, saying=Saying.ACCEPT, subject="fs.info mode value", author="ada", reason="k", severity=Severity.CONTENT
    )
    SqlJudgements(database).add(accepted)

    found = units(database)
    assert [found[name].pairs.sums[0] for name in ("a", "b")] == [0, 1]


def test_the_arm_is_what_the_first_version_wished_and_ends_with_it(database: Database) -> None:
    at_first = {"sandbox": "a", "flag_version": 3, "wish": "new", "answering": "old"}
    write(
        database,
        record(**at_first),
        record(**at_first, fate="failed", status=500),
        record(sandbox="a", at=NOON + HOUR, flag_version=4, wish="new", fate="failed", status=500),
    )
    found = units(database)["a"]

    assert (found.version, found.wished_new, found.moved) == (3, True, False)
    assert (found.arm.calls, found.arm.sums[:2]) == (2, [1, 1])


def test_a_sandbox_whose_wish_changes_under_one_version_has_moved(database: Database) -> None:
    write(
        database,
        *(record(sandbox=name, flag_version=3, wish="old", answering="old") for name in "abc"),
        *(record(sandbox="a", at=NOON + HOUR, flag_version=3, wish="new") for _ in range(2)),
        record(sandbox="b", at=NOON + 2 * HOUR, flag_version=4, wish="new"),
        *(record(sandbox="c", flag_version=3, stage="off", wish="new") for _ in range(2)),  # off is no share
    )

    assert [name for name, each in units(database).items() if each.moved] == ["a"]


def test_calls_that_no_flag_decided_are_in_no_arm(database: Database) -> None:
    write(database, record(sandbox="a", flag_version=0, wish="old"), record(sandbox="b", stage="off", flag_version=2))

    assert [each.arm.calls for each in units(database).values()] == [0, 0]
