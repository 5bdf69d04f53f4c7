"""Code of each language, run as the adapters run it; TypeScript by what stands in for npx where there is none."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from router.backends.languages import LANGUAGES

SECONDS = 60
SAYS = {
    "python": "import sys; print(sys.argv[1:]); sys.exit(3)",
    "javascript": "console.log(JSON.stringify(process.argv.slice(1))); process.exitCode = 3",
    "typescript": "const n: number = 'no number'; console.log(JSON.stringify(process.argv.slice(1))); process.exit(3)",
}
NEEDS = {"python": "python3", "javascript": "node", "typescript": "ts-node"}
# Says how it was called, and gives what it was to run.
NPX = """\
#!/bin/sh
echo "$npm_config_loglevel" "$@"
for each; do [ -f "$each" ] && echo "$each" >"$SEEN" && cat "$each"; done
exit 3
"""


def ran(
    words: Sequence[str], stdin: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        input=stdin,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_code_has_its_arguments_and_its_exit_code_as_an_argument_and_on_standard_input(language: str) -> None:
    if not shutil.which(NEEDS[language]):
        pytest.skip(f"no {NEEDS[language]} here")
    before, reads = LANGUAGES[language]

    told = [ran([*before, SAYS[language], "a b", "$c"]), ran([*reads, "a b", "$c"], SAYS[language])]

    assert [each.returncode for each in told] == [3, 3]
    assert [each.stdout.replace("'", '"').replace(", ", ",") for each in told] == ['["a b","$c"]\n'] * 2


def test_typescript_is_taken_for_a_plain_script_whose_types_nobody_checks(tmp_path: Path) -> None:
    environment, _ = standing_in(tmp_path)
    before, _ = LANGUAGES["typescript"]

    told = ran([*before, "let x", "a b"], environment=environment)

    assert told.stdout == 'error ts-node -T --ignore-diagnostics 5107 -O {"module":"CommonJS"} -e let x a b\n'
    assert told.returncode == 3


def test_large_typescript_is_a_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    environment, seen = standing_in(tmp_path)
    _, reads = LANGUAGES["typescript"]
    code = f"let x = '{'y' * 200_000}'"

    told = ran([*reads, "a b"], code, environment)

    file = seen.read_text().strip()
    called, script = told.stdout.split("\n", 1)
    assert called == f'error ts-node -T --ignore-diagnostics 5107 -O {{"module":"CommonJS"}} {file} a b'
    assert script == f"process.argv.splice(1, 1); {code}"
    assert told.returncode == 3
    assert not Path(file).exists()


def standing_in(directory: Path) -> tuple[dict[str, str], Path]:
    """An environment in which npx tells how it was called, and the file in which it leaves the script's name."""
    npx, seen = directory / "npx", directory / "seen"
    npx.write_text(NPX)
    npx.chmod(0o755)
    return {"PATH": f"{directory}:{os.environ['PATH']}", "SEEN": str(seen)}, seen
