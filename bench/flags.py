"""Sets every tool's flag by the command line, in one process: `python -m bench.flags CONFIG STAGE [TOOL=STAGE ...]`."""

import sys

from crossfade.stage import TOOLS
from router.cli.flags import commands


def main() -> None:
    """One `crossfade flags set` for each tool."""
    config, stage, *others = sys.argv[1:]
    own = dict(each.split("=") for each in others)
    flags = next(command for command in commands if command.name == "flags")
    for tool in TOOLS:
        words = [
            "set",
            tool,
            own.get(tool, stage),
            "--reason",
            "bench",
            "--author",
            "bench",
            "--yes",
            "--config",
            config,
        ]
        flags.main(words, prog_name="crossfade flags", standalone_mode=False)


if __name__ == "__main__":
    main()
