"""Settings of what watches the migration: ramps, who is told, and what is kept of calls."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RampSettings:
    """Ramps are planned by `crossfade ramp`; here is how often a router looks at those that run."""

    every_seconds: float = 60.0
    verify_per_hour: float = 6.0  # twins believed equal that are compared whole; drift stops a ramp; 0: none


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSettings:
    """What mirroring may cost, in hours of sandboxes: a provider bills those, whatever they do."""

    follower_hours_per_day: float = 0.0  # 0: no limit
    warn_at: float = 0.8  # share of it at which somebody is told


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """What the weekly report adds, and where it goes when `crossfade jobs` or `--send` sends it."""

    language: str = "en"
    currency: str = "$"
    old_per_hour: float = 0.0  # price of a running sandbox on old for an hour; 0: hours are told without money
    new_per_hour: float = 0.0
    send_at: str = "monday 06:00"  # UTC, of the week after
    folder: str = ""  # empty: no folder, and so with the others
    folder_url: str = ""  # where people reach the folder; a chat's message links to it
    mail_server: str = field(default="", repr=False)  # smtp://user:password@host:587, or smtps://
    mail_ca_file: str = ""  # certificates trusted besides the system's roots
    mail_from: str = ""
    mail_to: tuple[str, ...] = ()
    webhook_url: str = field(default="", repr=False)
    webhook_kind: str = "slack"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """Who is told of alarms, and how much is one. The addresses of hooks are secrets."""

    slack_url: str = field(default="", repr=False)  # an incoming webhook
    teams_url: str = field(default="", repr=False)  # a workflow's webhook
    webhook_url: str = field(default="", repr=False)  # gets JSON, for programs
    webhook_secret: str = field(default="", repr=False)  # signs what webhook_url gets
    router: str = ""  # how this router calls itself; empty: the machine's name
    every_seconds: float = 4.0  # how often alarms are looked at
    per_minute: float = 20.0  # notices to one target, at most
    behind_over: int = 10  # followers that could not be settled
    quarantined_over: int = 0  # twins
    held_over: int = 100  # sandboxes
    dropped_over: float = 0.1  # share of a tool's due comparisons, over the last ten minutes
    deletes_over: int = 0  # deletes that failed three times
    halted_minutes: float = 60.0  # how long a ramp may halt before somebody is told


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """Whole calls in files, secrets masked, to be driven again by `crossfade replay`. Off unless `sample` is set."""

    sample: float = 0.0  # share of sandboxes whose calls are kept; 0: nothing is
    folder: str = "crossfade-captures"
    keep_bytes: int = 256 * 1024**2  # of all files together; the oldest go first
    keep_days: float = 7.0
    body_bytes: int = 1024**2  # largest upload that is kept
