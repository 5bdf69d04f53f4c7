"""What E2B can do for us, and how the rest is made of what it can."""

from router.backends.capabilities import Capabilities, declared

_SETTING = "answered from origins.new.home_dir and work_dir"
_SEARCH = "one command in the sandbox (find, grep, sed), results as Daytona words them"

CAPABILITIES: Capabilities = declared(
    native={
        "sandbox.create": "template by origins.new.templates; API v2, then v1",
        "sandbox.get": "",
        "sandbox.list": "by metadata, all pages",
        "sandbox.start": "connect, which resumes",
        "sandbox.stop": "pause; sessions and interpreters end at the next start, as after a stop",
        "sandbox.delete": "",
        "sandbox.preview": "host name by port; previews of the router carry E2B's token",
        "fs.info": "",
        "fs.list": "",
        "fs.download": "ranges are cut by us where envd sends the whole",
        "fs.upload": "",
        "fs.mkdir": "",
        "fs.delete": "",
        "process.exec": "no deadline header; process groups are killed by our own timer",
        "pty.create": "",
        "pty.delete": "",
        "pty.resize": "",
        "pty.connect": "",
    },
    emulated={
        "sandbox.archive": "pause: a paused sandbox is E2B's cheap storage",
        "sandbox.work_dir": _SETTING,
        "sandbox.home_dir": _SETTING,
        "fs.move": "move, with Daytona's refusal where the destination exists",
        "fs.chmod": "chmod and chown by a command",
        "fs.find": _SEARCH,
        "fs.search": _SEARCH,
        "fs.replace": _SEARCH,
        "process.code": "an interpreter started by a command",
        "session.*": "a shell kept in the sandbox, its log and exit codes in files there; survives a router restart",
        "pty.list": "from the process list, by tag",
        "pty.get": "from the process list, by tag",
        "interpreter.*": "an interpreter program of ours, kept in the sandbox",
        "git.*": "the sandbox's own git",
    },
    unsupported={
        "sandbox.labels": "metadata is fixed at the create; the router keeps labels of sandboxes on E2B alone",
        "sandbox.interval": "E2B has one wall-clock end; the router keeps intervals and carries them out",
        "sandbox.ssh": "E2B has no ssh access",
    },
)
