"""What commands that change something have in common: who, why, and whether they mean it."""

import contextlib
import getpass
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from crossfade.errors import SettingsError

if TYPE_CHECKING:
    from router.store.flags import SqlFlagRows

CONFIG = click.option("--config", metavar="FILE", help="Settings file (default: $CROSSFADE_CONFIG or crossfade.toml).")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
REASON = click.option("--reason", help="Why; kept in the history. Required.")
AUTHOR = click.option("--author", help="Who (default: $CROSSFADE_AUTHOR or the login name).")
YES = click.option("--yes", is_flag=True, help="Do not ask.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")


def signed(author: str | None, reason: str | None) -> tuple[str, str]:
    """Author and reason of a change. Raises UsageError without them."""
    why = (reason or "").strip()
    if not why:
        raise click.UsageError('a change needs its reason: add --reason "..."')
    return author or os.environ.get("CROSSFADE_AUTHOR") or _login(), why


def agree(change: str, yes: bool) -> None:
    """Ask whether to do it. Raises Abort unless the answer is yes."""
    try:
        agreed = yes or click.confirm(f"change {change}?", err=True)
    except click.Abort:
        agreed = False
    if not agreed:
        click.echo("nothing changed; --yes does not ask", err=True)
        raise click.Abort


@contextlib.contextmanager
def flag_rows(config: str | None, *, create: bool) -> Iterator[tuple["SqlFlagRows", int]]:
    """The store's flags, and the seed of its buckets. Raises SettingsError where flags are an account's."""
    from router.settings import load
    from router.store.flags import open_flag_rows

    settings = load(config)
    if settings.flags.source == "launchdarkly":
        raise SettingsError(
            "flags.source is launchdarkly: this is looked at in LaunchDarkly's dashboard; "
            'to keep them here, set flags.source = "embedded"'
        )
    rows = open_flag_rows(settings.store.url, create=create)
    try:
        yield rows, settings.flags.seed
    finally:
        rows.close()


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container may run as a number without a name.
        raise click.UsageError("who changes it is not known: add --author, or set CROSSFADE_AUTHOR") from None
