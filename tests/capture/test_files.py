"""Files of captures: capped, in order, and read back as they were written."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.errors import SettingsError
from router.capture.call import CapturedCall, calls_in, line
from router.capture.files import PARTS, Files, files_in

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
plains = st.dictionaries(st.text("abc", max_size=4), values, max_size=4)


@given(plains, st.none() | st.binary(max_size=20), st.none() | plains)
def test_a_call_comes_back_as_it_was_kept(
    tmp_path_factory: pytest.TempPathFactory,
    arguments: dict[str, object],
    body: bytes | None,
    old: dict[str, object] | None,
) -> None:
    path = tmp_path_factory.getbasetemp() / "one.jsonl"
    call = CapturedCall(
        id="c", at=1.5, sandbox="s", own=("s",), operation="fs.upload", arguments=arguments, body=body, old=old,
        signatures=("fs.info mode value",),
    )  # fmt: skip
    path.write_bytes(line(call))

    assert list(calls_in(path)) == [call]


def test_a_last_line_that_breaks_off_is_left_out(tmp_path: Path) -> None:
    whole = line(CapturedCall(id="c", at=1, sandbox="s", operation="fs.info"))
    (tmp_path / "torn.jsonl").write_bytes(whole + whole[:-5])

    assert [call.id for call in calls_in(tmp_path / "torn.jsonl")] == ["c"]


def test_what_is_no_capture_is_told_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_bytes(b'{"a": 1}\n')

    with pytest.raises(SettingsError, match=r"other\.jsonl:1 is no captured call"):
        list(calls_in(tmp_path / "other.jsonl"))
    with pytest.raises(SettingsError, match="cannot read"):
        list(calls_in(tmp_path / "none.jsonl"))


def test_all_files_together_are_never_larger_than_their_cap_and_the_newest_stay(tmp_path: Path) -> None:
    files = Files(tmp_path, keep_bytes=8_000, keep_days=1)
    for number in range(400):
        assert files.add(f"{number:099}\n".encode())
        files.flush()
        assert sum(path.stat().st_size for path in files_in(tmp_path)) <= 8_000
    files.close()

    kept = b"".join(path.read_bytes() for path in files_in(tmp_path)).split()
    assert [int(each) for each in kept] == list(range(400 - len(kept), 400))
    assert len(kept) >= (PARTS - 1) * 10


def test_a_line_larger_than_a_file_is_not_written(tmp_path: Path) -> None:
    files = Files(tmp_path, keep_bytes=800, keep_days=1)

    assert not files.add(b"x" * 101)
    assert files.add(b"x" * 100)
    files.close()


def test_old_files_go(tmp_path: Path) -> None:
    for name, days in (("calls-00000000000000001-1.jsonl", 3), ("calls-00000000000000002-1.jsonl", 0.5)):
        (tmp_path / name).write_bytes(b"{}\n")
        os.utime(tmp_path / name, (time.time() - days * 86_400,) * 2)
    files = Files(tmp_path, keep_bytes=8_000, keep_days=1)
    files.add(b"{}\n")
    files.close()

    assert files_in(tmp_path)[0].name == "calls-00000000000000002-1.jsonl"
    assert len(files_in(tmp_path)) == 2
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files_in(tmp_path)[1:])
