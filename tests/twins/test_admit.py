"""Admission against the model of twins.md §1: whatever the interleaving, reads and clean claims are right.

The machine below keeps what really stands on both sides (which admission never sees) and drives the real `admit` and
`finish`. A regular register is the oracle: a read returns a value that the seat held during it, or one of a write that
was open during it.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from router.twins.admit import Ask, Go, How, admit, finish
from router.twins.state import Settling, Twin

PATHS = ("/workspace/a", "/workspace/b")


def twin(*, follower: FollowerState = FollowerState.JOINED, seat: Origin = Origin.OLD, clean: bool = True) -> Twin:
    made = Twin(row=TwinRow(id="s", routing_key="k", follower=follower, seat=seat))
    made.clean_gen = made.gen if clean else -1
    return made


def read_of(path: str, wish: Origin = Origin.NEW) -> Ask:
    return Ask(wish=wish, paths=frozenset((path,)), bounded=True)


def write_of(path: str, wish: Origin = Origin.NEW) -> Ask:
    return Ask(wish=wish, paths=frozenset((path,)), bounded=True, mutates=True)


EXECUTE = Ask(wish=Origin.NEW, paths=frozenset(("/",)), mutates=True, unbounded=True)


def test_a_clean_follower_answers_reads_alone() -> None:
    go = admit(twin(), read_of(PATHS[0]), 0.0)

    assert (go.side, go.how) == (Origin.NEW, How.CLEAN)


def test_an_execute_is_answered_by_the_seat_and_makes_reads_go_there() -> None:
    made = twin()
    go = admit(made, EXECUTE, 0.0)
    finish(made, go.call, equal=False)

    assert go.side is Origin.OLD
    assert admit(made, read_of(PATHS[0]), 0.0).how is How.SEAT


def test_a_write_marks_dirty_before_its_first_byte_once() -> None:
    made = twin()

    assert admit(made, write_of(PATHS[0]), 0.0).mark_dirty_first


def test_two_overlapping_writes_leave_the_path_dirty() -> None:
    made = twin()
    first, second = admit(made, write_of(PATHS[0]), 0.0), admit(made, write_of(PATHS[0]), 0.0)
    finish(made, first.call, equal=True)
    finish(made, second.call, equal=True)

    assert not made.known_equal(frozenset((PATHS[0],)), 0.0)


def test_nothing_is_read_at_the_follower_under_an_open_write() -> None:
    made = twin()
    admit(made, write_of("/workspace/d/f"), 0.0)

    for name, lists in (("/workspace/d/f", False), ("/workspace/d", False), ("/workspace/d", True)):
        ask = Ask(wish=Origin.NEW, paths=frozenset((name,)), bounded=True, lists=lists)
        assert admit(made, ask, 0.0).how is How.SEAT


def test_a_write_takes_the_token_of_its_path_away() -> None:
    made = twin(clean=False)
    made.tokens = {PATHS[0]: (1, 1, 0o644, False), PATHS[1]: (1, 1, 0o644, False)}
    go = admit(made, write_of(PATHS[0]), 0.0)
    finish(made, go.call, equal=True)

    assert made.tokens.keys() == {PATHS[1]}
    assert admit(made, read_of(PATHS[0]), 0.0).how is How.SEAT
    assert admit(made, read_of(PATHS[1]), 0.0).how is How.TOKEN


def test_a_split_write_is_known_alike_only_where_the_follower_has_what_the_seat_has() -> None:
    made = twin()
    alike = admit(made, write_of(PATHS[0]), 0.0)
    beside = admit(made, write_of(PATHS[0]), 0.0)
    for go in (alike, beside):
        finish(made, go.call, equal=True)
    dirty = admit(made, write_of(PATHS[0]), 0.0)
    finish(made, dirty.call, equal=True)
    made.tokens[PATHS[0]] = (1, 1, 0o644, False)
    brought = admit(made, write_of(PATHS[0]), 0.0)

    assert [go.how for go in (alike, beside, dirty, brought)] == [How.THROUGH] * 4
    assert [go.call.alike for go in (alike, beside, dirty, brought)] == [True, False, False, True]


def test_a_handle_is_answered_where_it_was_made() -> None:
    made = twin()
    made.handles["session:one"] = Origin.NEW

    assert admit(made, Ask(wish=Origin.OLD, handle="session:one"), 0.0).side is Origin.NEW


def test_a_lost_write_keeps_its_path_on_the_seat_until_it_cannot_land_any_more() -> None:
    made = twin()
    made.late[PATHS[0]] = 60.0

    assert admit(made, read_of(PATHS[0]), 59.0).side is Origin.OLD
    assert admit(made, read_of(PATHS[0]), 61.0).side is Origin.NEW


@dataclass
class Doing:
    """A call under way, and what the oracle knows of it."""

    go: Go
    kind: str
    path: str
    value: int
    allowed: set[int] = field(default_factory=set)
    on_seat: bool = False
    on_follower: bool = False
    token: object = None
    seat_token_equal: bool | None = None
    got: int | None = None


class Interleavings(RuleBasedStateMachine):
    """Writes that go to both sides, executes that leave processes behind, reads and settles, in any order."""

    doing = Bundle("doing")
    settles = Bundle("settles")

    def __init__(self) -> None:
        super().__init__()
        self.twin = twin()
        self.seat = dict.fromkeys(PATHS, 0)
        self.version = dict.fromkeys(PATHS, 0)
        self.follower = dict.fromkeys(PATHS, 0)
        self.open: list[Doing] = []
        self.left_behind: list[tuple[str, int]] = []
        self.next_value = 1

    def _seat_becomes(self, path: str, value: int) -> None:
        self.seat[path] = value
        self.version[path] += 1
        for other in self.open:
            if other.kind == "read" and other.path == path:
                other.allowed.add(value)

    @rule(target=doing, path=st.sampled_from(PATHS), wish=st.sampled_from(Origin))
    def write(self, path: str, wish: Origin) -> Doing:
        value = self.next_value
        self.next_value += 1
        one = Doing(admit(self.twin, write_of(path, wish), 0.0), "write", path, value)
        for other in self.open:
            if other.kind == "read" and other.path == path:
                other.allowed.add(value)
        self.open.append(one)
        return one

    @rule(target=doing, path=st.sampled_from(PATHS))
    def execute(self, path: str) -> Doing:
        value = self.next_value
        self.next_value += 1
        one = Doing(admit(self.twin, EXECUTE, 0.0), "execute", path, value)
        self.open.append(one)
        return one

    @rule(target=doing, path=st.sampled_from(PATHS))
    def read(self, path: str) -> Doing:
        allowed = {self.seat[path]} | {one.value for one in self.open if one.kind == "write" and one.path == path}
        one = Doing(admit(self.twin, read_of(path), 0.0), "read", path, 0, allowed, token=self.twin.tokens.get(path))
        self.open.append(one)
        return one

    @rule(one=doing)
    def reaches_seat(self, one: Doing) -> None:
        if one in self.open and not one.on_seat:
            one.on_seat = True
            if one.kind == "read":
                one.seat_token_equal = (0, self.version[one.path], 0, False) == one.token
            else:
                self._seat_becomes(one.path, one.value)

    @rule(one=doing)
    def reaches_follower(self, one: Doing) -> None:
        if one in self.open and not one.on_follower:
            one.on_follower = True
            if one.kind == "write" and one.go.how is How.THROUGH:
                self.follower[one.path] = one.value
            if one.kind == "read":
                one.got = self.follower[one.path]

    @rule(one=consumes(doing))
    def answered(self, one: Doing) -> None:
        if one not in self.open:
            return
        if not one.on_seat and one.go.how is not How.CLEAN:
            self.reaches_seat(one)
        if not one.on_follower:
            self.reaches_follower(one)
        if one.kind == "read":
            self._check_read(one)
        self.open.remove(one)
        finish(self.twin, one.go.call, equal=one.kind == "write" and one.go.how is How.THROUGH)
        if one.kind == "execute":
            self.left_behind.append((one.path, self.next_value))
            self.next_value += 1

    def _check_read(self, one: Doing) -> None:
        if one.go.how is How.CLEAN or (one.go.how is How.TOKEN and one.seat_token_equal):
            assert one.got in one.allowed, f"{one.go.how} read gave {one.got}, allowed {one.allowed}"
        else:
            assert self.seat[one.path] in one.allowed

    @rule()
    def process_writes(self) -> None:
        if self.left_behind:
            self._seat_becomes(*self.left_behind.pop())

    @rule()
    def probe_finds_nothing_running(self) -> None:
        if not self.left_behind and not any(one.kind == "execute" for one in self.open) and self.twin.hot:
            self.twin.hot = False
            self.twin.gen += 1

    @rule(target=settles, path=st.sampled_from(PATHS))
    def settle_reads(self, path: str) -> tuple[Settling, str, int, int] | None:
        if self.twin.open_mutations(frozenset((path,))):
            return None
        if any(other.path == path for other in self.twin.settling):
            return None  # as Settler.path does
        settling = Settling(path)
        self.twin.settling.append(settling)
        return settling, path, self.seat[path], self.version[path]

    @rule(settle=consumes(settles))
    def settle_lands(self, settle: tuple[Settling, str, int, int] | None) -> None:
        if settle is None:
            return
        settling, path, value, version = settle
        self.follower[path] = value
        self.twin.settling.remove(settling)
        if not settling.overlapped and self.version[path] == version:
            self.twin.tokens[path] = (0, version, 0, False)
            self.twin.dirty_paths.discard(path)

    @rule()
    def full_settle(self) -> None:
        if any(one.kind != "read" for one in self.open) or self.twin.settling:
            return
        self.follower.update(self.seat)
        self.twin.dirty_paths.clear()
        if not self.twin.hot:
            self.twin.clean_gen = self.twin.gen

    @invariant()
    def clean_means_equal(self) -> None:
        for path in PATHS:
            if self.twin.known_equal(frozenset((path,)), 0.0) and not self.twin.open_mutations(frozenset((path,))):
                assert self.follower[path] == self.seat[path], f"{path} is claimed equal"


Interleavings.TestCase.settings = settings(max_examples=400, stateful_step_count=40, deadline=None)
TestInterleavings = Interleavings.TestCase
