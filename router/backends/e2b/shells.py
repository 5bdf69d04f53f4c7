"""Shell texts of sessions: what runs in the sandbox so that sessions outlive whoever made them.

Layout below ROOT/<session>: `pid` of the shell's leader, `ended` (its exit code) once the shell has, and a directory
per command with `text`, `log` (lines with their stream's mark), `code` once it is over, its `runner`'s pid, and pipes
while it runs: `o` and `e` for its output, `k` for its exit code, `in` while it may be given input.
"""

import base64
import shlex

ROOT = "/tmp/.crossfade-sessions"
EXISTS, MISSING, ENDED, GONE = 44, 45, 46, 47  # exit codes of these texts
LONGEST_ID = 180  # bytes; as a directory's name it must stay below 255

# Whether the process $2 leads the session $1: its number may be another's by now, who must not be typed to, or killed.
_LEADS = r"""leads() {{
  case "$(tr '\0' ' ' <"/proc/$2/cmdline")" in *" $1 "*) ;; *) false ;; esac
}} 2>/dev/null
"""

# Becomes the shell's parent, leads its group and keeps its exit code. Commands arrive on its standard input.
# What a sandbox that was shut down left behind is no session.
_BOOT = r"""{leads}d=$1
mkdir -p -m 700 {root}
[ -e "$d/ended" ] || leads "$d" "$(cat "$d/pid" 2>/dev/null)" || rm -rf "$d"
mkdir "$d" 2>/dev/null || exit {exists}
printf %s $$ >"$d/pid"
echo ready
exec >/dev/null 2>&1
cd -- "$2"
bash <&0
printf %s $? >"$d/ended.new" && mv "$d/ended.new" "$d/ended"
for k in "$d"/*/k; do [ -p "$k" ] && echo 1<>"$k"; done
"""

# One per command: gives it pipes, marks its lines, and waits for its exit code, which becomes its own. A shell that is
# killed says nothing, so it is looked after every second. Pipes are opened for both ways, which never waits.
_RUN = r"""{leads}d=$1 c=$1/$2
[ -d "$d" ] || exit {missing}
[ ! -e "$d/ended" ] || exit {ended}
read -r p <"$d/pid" || [ -n "$p" ] || exit {missing}
leads "$d" "$p" || exit {ended}
mkdir "$c" && printf %s "$3" | base64 -d >"$c/text"
printf %s $$ >"$c/runner"
: >"$c/log"
mkfifo "$c/o" "$c/e" "$c/k" || exit {missing}
[ "$4" = quiet ] && : >"$c/quiet"
[ "$4" != none ] && mkfifo "$c/in" && exec 3<>"$c/in"
exec 4<>"$c/o" 5<>"$c/e" 6<>"$c/k"
mark() {{ # marks lines as they come; sed would hold the last one back to see whether it is the last
  if command -v perl >/dev/null; then exec perl -ne 'BEGIN {{ $| = 1; $m = shift }} chomp; s/\0//g; print "$m$_\n"' "$1"
  else while IFS= read -r l || [ -n "$l" ]; do printf '%s%s\n' "$1" "$l"; done; fi
}}
mark $'\x01\x01\x01' <"$c/o" >>"$c/log" 3>&- 4>&- 5>&- 6>&- & a=$!
mark $'\x02\x02\x02' <"$c/e" >>"$c/log" 3>&- 4>&- 5>&- 6>&- & b=$!
echo ready
exec >/dev/null 2>&1
x=
until read -r -t 1 -u 6 x || [ -e "$d/ended" ] || ! kill -0 "$p"; do :; done
[ -n "$x" ] || read -r -t 0.05 -u 6 x
exec 3>&- 4>&- 5>&-
if [ -n "$x" ]; then wait $a $b # until all that the command started let go of its output, as Daytona does
else
  x=137; [ -e "$d/ended" ] && read -r x <"$d/ended"
  for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 $a || kill -0 $b || break; read -r -t 0.05 -u 6 _; done
  kill $a $b
fi
rm -f "$c/o" "$c/e" "$c/k" "$c/in"
printf %s "$x" >"$c/code.new" && mv "$c/code.new" "$c/code"
exit "$x"
"""

_CLOSE = r"""{leads}d=$1
[ -d "$d" ] || exit {missing}
p=$(cat "$d/pid")
# While a process of its group runs, nobody else gets the number of a leader that has ended.
if leads "$d" "$p" || [ ! -e "/proc/$p" ]; then
  kill -TERM -- -$p 2>/dev/null
  i=0
  while [ $i -lt 50 ] && kill -0 -- -$p 2>/dev/null; do sleep 0.1; i=$((i+1)); done
  kill -KILL -- -$p 2>/dev/null
fi
for r in "$d"/*/runner; do [ -e "${{r%runner}}code" ] || kill -KILL "$(cat "$r")"; done 2>/dev/null
rm -rf "$d"
"""

_LIST = r"""{leads}cd {root} 2>/dev/null || exit 0
for s in $1; do [ -d "$s" ] || continue
  [ -e "$s/ended" ] || leads "{root}/$s" "$(cat "$s/pid" 2>/dev/null)" || continue
  echo "s $s"
  for c in "$s"/*/; do [ -e "$c/text" ] || continue
    b=${{c%/}}; code=$(cat "$c/code" 2>/dev/null || echo -)
    printf 'c %s %s %s\n' "${{b##*/}}" "$code" "$(base64 -w0 "$c/text")"
  done
done
:
"""

_INPUT = r"""c=$1
[ -e "$c/log" ] || exit {missing}
[ ! -e "$c/code" ] || exit {gone}
# First, so that it stands before what the command makes of it.
[ -e "$c/quiet" ] || printf '\001\001\001%s\n' "$2" >>"$c/log"
[ -p "$c/in" ] && printf '%s\n' "$2" 1<>"$c/in"
:
"""

_CLEAR = r"""{leads}cd {root} 2>/dev/null || exit 0
for p in */pid; do
  n=$(cat "$p")
  if leads "{root}/${{p%/pid}}" "$n" || [ ! -e "/proc/$n" ]; then kill -KILL -- -$n; fi
done 2>/dev/null
rm -rf {root}
"""


def _filled(text: str) -> str:
    leads = _LEADS.format()
    return text.format(leads=leads, root=ROOT, exists=EXISTS, missing=MISSING, ended=ENDED, gone=GONE)


BOOT, RUN, CLOSE, LIST, INPUT, CLEAR = (_filled(text) for text in (_BOOT, _RUN, _CLOSE, _LIST, _INPUT, _CLEAR))


def line(directory: str, text: str, *, reads_input: bool) -> str:
    """A command as one line for the session's shell. Its runner has made the pipes, and takes the exit code."""
    source = f"{directory}/in" if reads_input else "/dev/null"
    ran = f"eval {shlex.quote(text)} <{source} >{directory}/o 2>{directory}/e"
    # Only what is built in: the user may have changed PATH, or shadowed a name.
    return f"{ran}; builtin printf '%s\\n' $? 1<>{directory}/k\n"


def directory_of(session: str, command: str = "") -> str:
    """Where a session, or a command of it, keeps its files."""
    return f"{ROOT}/{name_of(session)}" + (f"/{_safe(command)}" if command else "")


def name_of(session: str) -> str:
    """A session's id as a directory's name."""
    return "s" + base64.urlsafe_b64encode(session.encode("utf-8", "surrogateescape")).decode().rstrip("=")


def session_of(name: str) -> str:
    """The session's id that a directory's name stands for."""
    return base64.urlsafe_b64decode(name[1:] + "=" * (-len(name[1:]) % 4)).decode("utf-8", "surrogateescape")


def _safe(command: str) -> str:
    """A command's id as a path's part: ours have letters, digits and dashes only."""
    return "".join(sign for sign in command if sign.isascii() and (sign.isalnum() or sign == "-")) or "none"
