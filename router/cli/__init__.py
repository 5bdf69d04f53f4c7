"""The command line. One module per group of commands, each exporting `commands`: a list of click commands."""

import importlib
import sys

import click

from crossfade.errors import CrossfadeError

# Modules, not commands: a command's imports are paid when the command line is built, so each module keeps them lazy.
_GROUPS = (
    *("serve", "sandbox", "capabilities", "check", "doctor"),
    *("status", "flags", "explain", "calls", "diffs", "report", "config"),
    *("twins", "orphans", "backfill", "relink", "kill", "ramp", "notify", "jobs", "dashboard", "capture"),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
def crossfade() -> None:
    """Move agent sandboxes from one backend to another, tool by tool, without an outage."""


def main() -> None:
    """Run the command line. Errors that people can act on are one line on stderr, with their exit code."""
    for name in _GROUPS:
        for command in importlib.import_module(f"router.cli.{name}").commands:
            crossfade.add_command(command)
    try:
        crossfade(standalone_mode=False)
    except CrossfadeError as error:
        click.echo(f"crossfade: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
