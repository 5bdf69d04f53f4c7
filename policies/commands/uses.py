"""What a command's class allows: whether it counts as a read, whether it may be repeated only to be compared."""

from policies.commands.classes import Class, Classed

MOST_SECONDS = 2.0  # what took longer is copied: state never waits for a repetition (twins, P4)


def reads(found: Classed, *, session: bool, clean: bool) -> bool:
    """Whether it changes nothing, so that it makes no follower doubtful.

    `session`: typed into a shell that lives on, where a name may have been given another meaning. `clean`: no variable
    set for it changes what programs do.
    """
    return found.by is Class.READ and clean and (found.anywhere or not session)


def why_not_repeated(found: Classed, *, clean: bool, seconds: float) -> str:
    """Why a one-shot command is not repeated where only local ones are; empty when it may be.

    Reports count these texts: they are few, and hold nothing of the command.
    """
    if not clean:
        return "its environment may change what programs do"
    if found.by not in (Class.READ, Class.LOCAL):
        return f"class {found.by}"
    if found.processes:
        return "it reads the state of processes"
    if found.leaves_running:
        return "it leaves something running"
    return f"it took more than {MOST_SECONDS:g} s" if seconds > MOST_SECONDS else ""
