"""`crossfade capabilities`: what each provider can do, operation by operation."""

import json

import click

from router.cli.changing import AS_JSON


@click.command()
@AS_JSON
@click.option("--markdown", is_flag=True, help="Print the page docs/capabilities.md.")
def capabilities(as_json: bool, markdown: bool) -> None:
    """What each provider can do: every operation as native, emulated (how) or unsupported (why).

    What only Daytona can do and no operation stands for (language servers, computer use, volumes) is listed too: it is
    passed on while a sandbox is on Daytona, and refused with 501 by its name once its seat is elsewhere.
    """
    from router.front.daytona import capabilities as table

    if as_json:
        click.echo(json.dumps(table.plain(), indent=2))
    elif markdown:
        click.echo(table.markdown(), nl=False)
    else:
        for line in table.lines():
            click.echo(line)


commands: list[click.Command] = [capabilities]
