"""`crossfade dashboard`: the pages, and who may sign in."""

import os
from pathlib import Path

import click

from crossfade.errors import SettingsError
from router.cli.changing import AS_JSON, CONFIG

_PASSWORD = "CROSSFADE_DASHBOARD_PASSWORD"


@click.group(invoke_without_command=True)
@CONFIG
@click.option("--ready-file", metavar="PATH", help="Write the dashboard's own URL here once it is served.")
@click.pass_context
def dashboard(context: click.Context, config: str | None, ready_file: str | None) -> None:
    """Serve the dashboard, beside a running router whose admin API it asks ([dashboard], listen.admin_token)."""
    if context.invoked_subcommand is not None:
        return
    from router.dashboard.app import run
    from router.settings import load

    run(load(config), ready_file=ready_file)


@dashboard.group()
def user() -> None:
    """Who may sign in."""


@user.command()
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "operator"]), required=True, help="Look, or look and change.")
@click.option("--password-file", metavar="PATH", help=f"Take the password from here; else ${_PASSWORD}; else ask.")
@CONFIG
def add(name: str, role: str, password_file: str | None, config: str | None) -> None:
    """Add somebody, or give them another password and role; their sign-ins end."""
    from router.dashboard.users import Role, Users
    from router.settings import load

    file = load(config).dashboard.users_file
    Users(file).put(name, Role(role), _password(password_file))
    click.echo(f"{name} may sign in as {role} ({file})")


@user.command()
@click.argument("name")
@CONFIG
def remove(name: str, config: str | None) -> None:
    """Take somebody out; their sign-ins end with the next request."""
    from router.dashboard.users import Users
    from router.settings import load

    Users(load(config).dashboard.users_file).remove(name)
    click.echo(f"{name} may not sign in any more")


@user.command(name="list")
@CONFIG
@AS_JSON
def list_users(config: str | None, as_json: bool) -> None:
    """Names and roles."""
    import json

    from router.dashboard.users import Users
    from router.settings import load

    found = [
        {"name": each.name, "role": str(each.role)} for each in Users(load(config).dashboard.users_file).all().values()
    ]
    if as_json:
        click.echo(json.dumps({"schema": "crossfade.users/1", "users": found}, indent=2))
        return
    for each in found:
        click.echo(f"{each['name']:<24}{each['role']}")
    if not found:
        click.echo("nobody yet: crossfade dashboard user add NAME --role operator", err=True)


def _password(file: str | None) -> str:
    """From a file, the environment or a person; never from the words of the command, which others can see."""
    if file is not None:
        try:
            return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"cannot read the password from '{file}': {error}") from None
    if found := os.environ.get(_PASSWORD):
        return found
    return str(click.prompt("password", hide_input=True, confirmation_prompt=True, err=True))


commands: list[click.Command] = [dashboard]
