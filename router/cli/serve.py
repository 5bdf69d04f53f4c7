"""`crossfade serve`: run the router."""

import click


@click.command()
@click.option("--config", metavar="FILE", help="Settings file (default: $CROSSFADE_CONFIG or crossfade.toml).")
@click.option("--ready-file", metavar="PATH", help="Write the API's own URL here once it is served.")
def serve(config: str | None, ready_file: str | None) -> None:
    """Run the router: what SUNA's SDK talks to, in front of both origins."""
    from router.app import run
    from router.settings import load

    run(load(config), ready_file=ready_file)


commands: list[click.Command] = [serve]
