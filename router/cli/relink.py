"""`crossfade relink`: which addresses of sandboxes, given out before the router was there, have to be changed."""

import json

import click

from crossfade.errors import SettingsError
from router.cli.admin import ADMIN, ask
from router.cli.changing import AS_JSON, CONFIG


@click.command()
@click.option("--all", "everybody", is_flag=True, help="Every twin, also those made through the router.")
@click.option("--sql", metavar="TABLE.COLUMN", multiple=True, help="Print UPDATE statements for this column.")
@click.option("--was", metavar="DOMAIN", required=True, help="The domain of Daytona's links, behind <port>-<id>.")
@CONFIG
@ADMIN
@AS_JSON
def relink(
    everybody: bool, sql: tuple[str, ...], was: str, config: str | None, admin: str | None, as_json: bool
) -> None:
    """Print what the platform has to update, so that nobody goes to old by an address from before.

    Of sandboxes older than the router, or whose seat is on new: the part of every link to their ports that changes.
    Changes nothing. Afterwards: crossfade twins trust SANDBOX.
    """
    from router.settings import load

    now = load(config).preview.domain
    if not now:
        raise SettingsError("sandboxes have no addresses at the router until preview.domain is set")
    told = ask(config, admin, "GET", "/v1/twins")
    found = [each for each in told["twins"] if everybody or each["bypass"] or each["seat"] == "new"]
    links = [{"sandbox": each["id"], "was": f"-{each['id']}.{was}", "is": f"-{each['id']}.{now}"} for each in found]
    if as_json:
        click.echo(json.dumps({"schema": "crossfade.relink/1", "links": links}, indent=2))
        return
    for each in links:
        if not sql:
            click.echo(f"{each['was']}  ->  {each['is']}")
        for place in sql:
            table, _, column = place.rpartition(".")
            if not table or not all(part.replace("_", "").isalnum() for part in (*table.split("."), column)):
                raise click.UsageError(f"'{place}' is not TABLE.COLUMN")
            was_, is_ = (each[name].replace("'", "''") for name in ("was", "is"))
            click.echo(
                f"UPDATE {table} SET {column} = replace({column}, '{was_}', '{is_}') WHERE {column} LIKE '%{was_}%';"
            )
    click.echo(f"{len(links)} of {len(told['twins'])} sandboxes", err=True)


commands: list[click.Command] = [relink]
