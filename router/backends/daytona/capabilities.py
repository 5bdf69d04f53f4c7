"""What Daytona can do for us: everything, since its API is the one that clients speak."""

from router.backends.capabilities import Capabilities, declared

CAPABILITIES: Capabilities = declared(
    native=("sandbox.*", "fs.*", "process.*", "session.*", "pty.*", "interpreter.*", "git.*"),
)
