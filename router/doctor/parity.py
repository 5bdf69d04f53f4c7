"""What an agent finds in a sandbox of each side: user, directories, tools, ports. Template parity (twins.md P19)."""

from collections.abc import Iterator, Mapping

from router.doctor.finding import Finding, note, ok, problem, warning
from router.doctor.scratch import Scratch

# What settling and probing run on both sides.
NEEDED = ("bash", "find", "xargs", "sha256sum", "base64", "tar", "tr", "head")
# What agents use.
USED = ("git", "python3", "pip", "node", "npm", "tmux", "curl", "chromium", "google-chrome", "supervisord")
# A line `name=value` each.
COMMAND = r"""
echo "user=$(id -un)"; echo "uid=$(id -u)"; echo "home=$HOME"; echo "work dir=$PWD"; echo "PATH=$PATH"
echo "umask=$(umask)"; echo "locale=${LC_ALL:-${LC_CTYPE:-${LANG:-}}}"
echo "architecture=$(uname -m)"; echo "kernel=$(uname -r)"
libc=$( (ldd --version 2>&1 || true) | head -n1 | tr 'A-Z' 'a-z')
case "$libc" in *musl*) echo libc=musl ;; *glibc*|*gnu\ libc*) echo libc=glibc ;; *) echo libc= ;; esac
case "$(find --version 2>/dev/null | head -n1)" in *GNU*) echo find=GNU ;; *) echo find= ;; esac
echo "python=$(python3 -V 2>&1 | head -n1)"
echo "disk free=$(df -Pk . | tail -n1 | tr -s ' ' | cut -d' ' -f4)"
ports=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | tr -s ' ' | grep ' 0A ' | cut -d' ' -f3)
ports=$(printf '%s\n' "$ports" | sed 's/.*://' | sort -u)
echo "ports=$(for p in $ports; do printf '%d ' "0x$p"; done)"
for t in TOOLS; do
  command -v "$t" >/dev/null 2>&1 && echo "tool $t=yes" || echo "tool $t="
done
""".replace("TOOLS", " ".join((*NEEDED, *USED)))
# Where the sides must agree, or processes that move find another world.
_MUST = ("architecture", "libc")
_SHOULD = ("user", "uid", "home", "work dir", "PATH", "umask", "locale", "python", "ports")
Facts = Mapping[str, str]


async def facts(sandbox: Scratch) -> Facts:
    """What is found in it. Raises NotMade."""
    _, output = await sandbox.sh(COMMAND)
    lines = [line.partition("=") for line in output.decode("utf-8", "replace").splitlines() if "=" in line]
    return {name: value.strip() for name, _, value in lines}


def alone(side: str, found: Facts) -> Iterator[Finding]:
    """What one side lacks that twins need."""
    missing = [tool for tool in NEEDED if not found.get(f"tool {tool}")]
    if missing:
        yield problem(side, f"the template lacks {', '.join(missing)}", "add them to the template: settling runs them")
    if found.get("find") != "GNU":
        yield problem(side, "find is not GNU find", "add findutils to the template: changes are found by it")
    if not missing and found.get("find") == "GNU":
        yield ok(side, "the template has what settling runs")
    said = ", ".join(f"{name} {found.get(name) or '-'}" for name in ("user", "home", "work dir", "kernel", "python"))
    yield note(side, said)


def compared(old: Facts, new: Facts) -> Iterator[Finding]:
    """Where they differ, and what that means."""
    for name in _MUST:
        if old.get(name) != new.get(name):
            told = f"{name}: {old.get(name) or '?'} on old, {new.get(name) or '?'} on new"
            yield problem("parity", told, "build the new template for the same; what was installed on old fails there")
    for name in _SHOULD:
        if old.get(name) != new.get(name):
            told = f"{name}: {old.get(name) or '-'} on old, {new.get(name) or '-'} on new"
            yield warning("parity", told, "make the new template agree, or know that agents see it")
    gone = [tool for tool in USED if old.get(f"tool {tool}") and not new.get(f"tool {tool}")]
    if gone:
        yield warning("parity", f"new lacks {', '.join(gone)}, which old has", "add them to the new template")
    try:
        less = int(new["disk free"]) < int(old["disk free"]) * 0.8
    except (KeyError, ValueError):
        less = False
    if less:
        told = f"disk free: {_gib(old['disk free'])} on old, {_gib(new['disk free'])} on new"
        yield warning("parity", told, "give the new template a larger disk")
    if all(old.get(name) == new.get(name) for name in (*_MUST, *_SHOULD)) and not gone:
        yield ok("parity", "both templates look alike")


def _gib(kib: str) -> str:
    return f"{int(kib) / 1024**2:.1f} GiB"
