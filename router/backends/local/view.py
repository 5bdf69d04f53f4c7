"""What a sandbox sees of the machine: its tools, read-only, around directories of its own. A view, not isolation."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

# Top-level names that hold programs and their settings; they are shown as the machine has them, read-only.
MACHINE = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "opt", "nix", "gnu", "sys")
DEVICES = "dev"
SHADOWED = (*MACHINE, DEVICES, "proc")

OWN = ("workspace", "root", "home", "mnt", "srv", "run/lock", "var/log", "var/lib", "var/cache")
OWN_FOR_ALL = ("tmp", "var/tmp")  # mode 1777
HIDDEN = ("workspace", "mnt", "srv", "run", "var", "tmp")  # PATH entries of the machine below these are left out


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How to build a sandbox's root: bind mounts (source, target, read-only), directories of further tools that are
    shown where they are, symbolic links, and the PATH inside."""

    binds: tuple[tuple[str, str, bool], ...]
    tools: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    path: str

    def prepare(self, root: Path) -> None:
        """Make mount points and links below a sandbox's root directory. Safe to repeat."""
        for target in (*(target for _, target, _ in self.binds), *self.tools):
            (root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        (root / "proc").mkdir(exist_ok=True)
        for name, target in self.links:
            if not os.path.lexists(root / name):
                (root / name).symlink_to(target)


def prepare_own(root: Path, path: str) -> None:
    """Make the directories that are the sandbox's own. Safe to repeat; what a user removed comes back."""
    for name in OWN:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in OWN_FOR_ALL:
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(0o1777)
    profile = root / "root" / ".profile"
    if not profile.exists():
        # A login shell's /etc/profile resets PATH and would lose the machine's tools.
        profile.write_text(f"PATH='{path}'\nexport PATH\n")


def machine_view(path: str) -> View:
    """The view of this machine, given the PATH its tools are found by."""
    binds: list[tuple[str, str, bool]] = []
    links: list[tuple[str, str]] = []
    for name in MACHINE:
        source = Path("/", name)
        if source.is_symlink():
            links.append((name, str(source.readlink())))
        elif source.is_dir():
            binds.append((str(source), f"/{name}", True))
    binds.append((f"/{DEVICES}", f"/{DEVICES}", False))
    entries = visible_path(path)
    tools = dict.fromkeys(shown for entry in entries if (shown := shown_for(entry)))
    return View(binds=tuple(binds), tools=tuple(tools), links=tuple(links), path=":".join(entries))


def visible_path(path: str) -> list[str]:
    """PATH entries that a sandbox can use, this interpreter's own first where `python3` is no program of the system.

    A virtual environment's entry is left out, and a shim's is put behind: both lead to files that are not shown.
    """
    entries = [entry for entry in path.split(":") if entry != str(Path(sys.prefix, "bin")) or not in_environment()]
    found = shutil.which("python3", path=":".join(entries))
    if found is None or top_of(found) not in MACHINE:
        entries.insert(0, str(Path(os.path.realpath(sys.base_prefix), "bin")))
    return [
        entry
        for entry in dict.fromkeys(entries)
        if Path(entry).is_dir() and (top_of(entry) in MACHINE or shown_for(entry) is not None)
    ]


def shown_for(entry: str) -> str | None:
    """The directory that must be shown, where it is, for a PATH entry to work; None: none need or none can be."""
    parts = Path(entry).parts
    top = top_of(entry)
    if not entry.startswith("/") or top in SHADOWED or top in HIDDEN:
        return None
    depth = {"root": 3, "home": 4}.get(top, len(parts) - 1)  # /root/.cargo, /home/ann/.nvm, /snap for /snap/bin
    return str(Path(*parts[:depth])) if 1 < depth <= len(parts) else None


def in_environment() -> bool:
    return sys.prefix != sys.base_prefix


def top_of(path: str) -> str:
    return path.lstrip("/").partition("/")[0]
