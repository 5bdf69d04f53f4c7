"""What of the machine a sandbox is shown."""

import sys
from pathlib import Path

from router.backends.local.view import machine_view, shown_for, top_of, visible_path


def test_directories_of_the_system_need_no_showing() -> None:
    assert shown_for("/usr/local/bin") is None


def test_tools_below_home_directories_are_shown_where_they_are() -> None:
    assert shown_for("/root/.cargo/bin") == "/root/.cargo"
    assert shown_for("/home/ann/.nvm/versions/bin") == "/home/ann/.nvm"
    assert shown_for("/snap/bin") == "/snap"


def test_what_a_sandbox_has_of_its_own_is_not_shown() -> None:
    for entry in ("/tmp/tools/bin", "/workspace/bin", "relative", "/root", "/home/ann", "/bin2"):
        assert shown_for(entry) is None, entry


def test_absent_entries_environments_and_repetitions_are_left_out(tmp_path: Path) -> None:
    environment = str(Path(sys.prefix, "bin"))

    entries = visible_path(f"/usr/bin:/no/such/dir:{environment}:/usr/bin:relative:")

    assert entries.count("/usr/bin") == 1
    assert "/no/such/dir" not in entries
    assert environment not in entries or sys.prefix == sys.base_prefix


def test_every_mount_is_read_only_but_devices() -> None:
    view = machine_view("/usr/bin:/bin")

    assert [target for _, target, read_only in view.binds if not read_only] == ["/dev"]
    assert {top_of(source) for source, _ in view.links} <= {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}
