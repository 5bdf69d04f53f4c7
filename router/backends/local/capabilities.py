"""What embedded sandboxes can do."""

from router.backends.capabilities import Capabilities, declared

CAPABILITIES: Capabilities = declared(
    native=("sandbox.*", "fs.*", "process.*", "session.*", "pty.*", "interpreter.*", "git.*"),
    unsupported={"sandbox.ssh": "embedded sandboxes run no ssh server"},
)
