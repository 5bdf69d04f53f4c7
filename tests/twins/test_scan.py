"""The change scan: what a tree holds, read by one command; and the plan that makes another tree equal to it."""

import base64
import contextlib
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.twins import scan
from router.twins.scan import Entry, Plan
from tests.backends.asking import Asking
from tests.twins.stand import ROOT, Stand, tree

loop = pytest.mark.asyncio(loop_scope="module")
FILE = Entry(kind="f", mode=0o644, size=1, modified="1.0", digest="aa")
DIRECTORY = Entry(kind="d", mode=0o755, size=0, modified="1.0", digest="")
LINK = Entry(kind="l", mode=0o777, size=0, modified="1.0", digest="target")

# Shell text that makes a tree of everything that trees hold, with every kind of odd name that a file can have.
ODD = rf"""set -e; cd {ROOT}
mkdir -p -- 'a dir/empty' '-rf' "$(printf 'new\nline')" "$(printf 'not-utf8-\377')"
printf x > "$(printf 'new\nline')/$(printf 'in\n\nside\n.')"
printf y > "$(printf 'not-utf8-\377')/$(printf '\200\201')"
printf z > ./--help; printf q > "it's \"quoted\" \$HOME \`id\` \\ *"; printf u > 'ünïcode ☃'
: > 'a dir/empty file'; printf '#!/bin/sh\n' > run.sh; chmod 755 run.sh; printf s > secret; chmod 600 secret
ln -s run.sh link; ln -s '/no where/at all' dangling; ln -s "$(printf 'odd\n-target\377')" 'odd link'; ln -s . here
chmod 1777 'a dir'; chmod 2750 'a dir/empty'; mkfifo pipe
printf '%s' "$(head -c 5000 /dev/urandom | base64)" > big"""


async def scanned(side: Asking) -> dict[str, Entry]:
    code, output = await side.sh(scan.command((ROOT,)))
    assert code == 0
    return dict(scan.read(output.encode()))


async def apply(side: Asking, texts: Iterator[str]) -> None:
    for text in texts:
        assert (await side.sh(text))[0] == 0, text


@loop
async def test_a_scan_sees_every_kind_of_name_mode_and_link(stand: Stand) -> None:
    assert await stand.old.sh(ODD) == (0, "")
    found = await scanned(stand.old)
    names = {path.removeprefix(ROOT).lstrip("/"): entry for path, entry in found.items()}

    assert names["new\nline/in\n\nside\n."].digest == _sha256(b"x")
    assert names["not-utf8-\udcff/\udc80\udc81"].digest == _sha256(b"y")
    assert names["--help"].digest == _sha256(b"z")
    assert names['it\'s "quoted" $HOME `id` \\ *'].kind == "f"
    assert (names["odd link"].kind, names["odd link"].digest) == ("l", "odd\n-target\udcff")
    assert (names["a dir"].mode, names["a dir/empty"].mode) == (0o1777, 0o2750)
    assert (names["run.sh"].mode, names["secret"].mode, names["big"].size) == (0o755, 0o600, 6755)
    assert names["a dir/empty file"].digest == _sha256(b"")
    assert "pipe" not in names
    assert not any(name.startswith("here/") for name in names), "links are not followed"


@loop
async def test_a_root_that_is_missing_is_an_empty_scan(stand: Stand) -> None:
    _, output = await stand.old.sh(scan.command(("/nowhere",)))

    assert scan.read(output.encode()) == {}


@loop
async def test_several_roots_are_one_scan(stand: Stand) -> None:
    await stand.old.sh("mkdir -p '/srv/other root'; echo 1 > '/srv/other root/f'; echo 2 > /workspace/f")
    _, output = await stand.old.sh(scan.command((ROOT, "/srv/other root")))

    assert sorted(scan.read(output.encode())) == [
        "/srv/other root", "/srv/other root/f", "/workspace", "/workspace/f",
    ]  # fmt: skip


@pytest.mark.parametrize("output", [b"", b"no base64!", base64.b64encode(b"d/755/1/1.0/\0/workspace\0")])
def test_what_is_no_whole_scan_is_refused(output: bytes) -> None:
    with pytest.raises(ValueError, match=r"scan|base64|argument"):
        scan.read(output)


def test_a_directory_that_cannot_be_looked_into_is_no_empty_one() -> None:
    # As "nobody" where the tests run as root, whom nothing is closed to.
    with _open_to_all() as directory:
        (directory / "closed").mkdir()
        (directory / "closed" / "file").write_text("unseen")
        (directory / "closed").chmod(0)
        whoever = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        command = ["sh", "-c", scan.command((str(directory),))]
        done = subprocess.run(command, capture_output=True, check=True, **whoever)  # type: ignore[call-overload]
        (directory / "closed").chmod(0o755)

    with pytest.raises(ValueError, match=r"cannot look into .*/closed: no permission"):
        scan.read(done.stdout)


@contextlib.contextmanager
def _open_to_all() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_equal_trees_need_nothing() -> None:
    entries = {ROOT: DIRECTORY, f"{ROOT}/f": FILE, f"{ROOT}/l": LINK}

    # Times are not kept equal: they are no reason to copy.
    assert scan.plan(entries, {path: replace(entry, modified="2.0") for path, entry in entries.items()}).empty


@pytest.mark.parametrize(("was", "now"), [("f", "d"), ("d", "f"), ("f", "l"), ("l", "f"), ("d", "l"), ("l", "d")])
def test_what_became_something_else_is_removed_first(was: str, now: str) -> None:
    kinds = {"f": FILE, "d": DIRECTORY, "l": LINK}
    plan = scan.plan({f"{ROOT}/x": kinds[now]}, {f"{ROOT}/x": kinds[was]})

    assert plan.delete == (f"{ROOT}/x",)
    made = {"f": plan.copy, "d": plan.directories, "l": tuple(plan.links)}
    assert made == {kind: (f"{ROOT}/x",) if kind == now else () for kind in kinds}


def test_roots_are_never_removed() -> None:
    assert scan.plan({}, {ROOT: DIRECTORY}, (ROOT,)).empty


def test_a_file_that_cannot_be_read_is_copied_every_time() -> None:
    unreadable = replace(FILE, digest="")

    assert scan.plan({f"{ROOT}/f": unreadable}, {f"{ROOT}/f": unreadable}).copy == (f"{ROOT}/f",)


@loop
async def test_the_texts_make_directories_links_modes_and_remove_the_rest(stand: Stand) -> None:
    assert await stand.old.sh(ODD) == (0, "")
    await stand.new.sh(
        f"cd {ROOT}; mkdir -p run.sh/x '-rf/-rf'; ln -s /etc 'a dir'; echo old > link; echo x > dangling"
    )
    plan = scan.plan(await scanned(stand.old), await scanned(stand.new), (ROOT,))
    await apply(stand.new, scan.before(plan))
    for path in plan.copy:
        await stand.new.put(path, await stand.old.get(path))
    await apply(stand.new, scan.after(plan))
    await stand.old.sh(f"rm {ROOT}/pipe")

    assert await tree(stand.old) == await tree(stand.new)
    assert scan.plan(await scanned(stand.old), await scanned(stand.new), (ROOT,)).empty


@loop
async def test_thousands_of_paths_fit_the_texts(stand: Stand) -> None:
    name = "n" * 200
    await stand.old.sh(f"cd {ROOT}; for i in $(seq 700); do mkdir {name}$i; done")
    plan = scan.plan(await scanned(stand.old), await scanned(stand.new), (ROOT,))
    assert max(len(text) for text in (*scan.before(plan), *scan.after(plan))) < 128 * 1024, "what Linux takes"
    await apply(stand.new, scan.before(plan))
    await apply(stand.new, scan.after(plan))
    made = await scanned(stand.new)
    back = scan.plan({ROOT: made[ROOT]}, made, (ROOT,))
    await apply(stand.new, scan.before(back))

    assert len(made) == 701
    assert scan.plan(await scanned(stand.old), made, (ROOT,)).empty
    assert len(await scanned(stand.new)) == 1


@loop
async def test_a_line_that_fails_fails_its_text_at_once(stand: Stand) -> None:
    await stand.new.put(f"{ROOT}/file", b"in the way")
    plan = Plan(
        copy=(), directories=(f"{ROOT}/file/below", f"{ROOT}/other"), links={f"{ROOT}/after": "x"}, modes={}, delete=()
    )
    codes = [(await stand.new.sh(text))[0] for text in scan.before(plan)]

    assert codes == [1]
    assert "after" not in await stand.new.names(ROOT), "nothing after it was done"


NAMES = st.binary(min_size=1, max_size=6).filter(lambda name: not set(name) & {0, 0x2F} and name not in (b".", b".."))
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map(lambda names: ROOT + "/" + os.fsdecode(b"/".join(names))),
    st.sampled_from([FILE, DIRECTORY, LINK, replace(FILE, digest="bb"), replace(DIRECTORY, mode=0o700)]),
    max_size=8,
)


def _whole(entries: dict[str, Entry]) -> dict[str, Entry]:
    """A tree that can be: every parent is there and is a directory."""
    parents = {str(parent): DIRECTORY for path in entries for parent in Path(path).parents if len(parent.parts) > 2}
    return {ROOT: DIRECTORY, **entries, **parents}


@given(TREES.map(_whole), TREES.map(_whole))
def test_a_plan_carried_out_in_its_order_makes_the_trees_equal(seat: dict[str, Entry], have: dict[str, Entry]) -> None:
    plan = scan.plan(seat, have, (ROOT,))
    left = dict(have)
    for path in plan.delete:
        below = [each for each in left if each == path or each.startswith(path + "/")]
        for each in below:
            del left[each]
    for path in plan.directories:
        assert str(Path(path).parent) in left, "its parent is made first"
        left[path] = replace(DIRECTORY, mode=0)
    for path, target in plan.links.items():
        left[path] = replace(LINK, digest=target)
    for path in plan.copy:
        assert left[str(Path(path).parent)].kind == "d"
        left[path] = replace(FILE, mode=0, digest=seat[path].digest)
    for path, mode in plan.modes.items():
        left[path] = replace(left[path], mode=mode)

    assert left == seat


def _sha256(data: bytes) -> str:

    return hashlib.sha256(data).hexdigest()
