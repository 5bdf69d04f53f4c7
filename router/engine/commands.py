"""Commands of calls: by which rules they are classed, and what a call's command allows."""

from pathlib import Path

from crossfade.errors import SettingsError
from policies.commands.rules import Rules, RulesError, built_in, extended
from router.settings import Mirror


def rules_of(mirror: Mirror) -> Rules:
    """The built-in rules and those of the operator's file. Raises SettingsError naming file and rule."""
    name = mirror.command_rules
    if not name:
        return built_in()
    try:
        return extended(built_in(), Path(name).read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read mirror.command_rules '{name}': {error}") from None
    except RulesError as error:
        raise SettingsError(f"mirror.command_rules: {error}") from None
