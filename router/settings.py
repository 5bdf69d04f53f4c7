"""Settings: one TOML file, parsed once into frozen values; nothing else reads the file or the environment."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from crossfade.decision import MirrorExecute
from crossfade.errors import SettingsError
from crossfade.stage import TOOLS
from router.settings_sign_in import DashboardSettings, OidcSettings
from router.settings_text import certificates_problem, line_of, url_problem
from router.settings_watch import BudgetSettings, CaptureSettings, NotifySettings, RampSettings, ReportSettings

DEFAULT_FILE = "crossfade.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where we listen. `public_url` goes into the addresses we hand out; empty: what a client's Host header says."""

    api: str = "127.0.0.1:8800"
    admin: str = "127.0.0.1:8801"
    admin_token: str = field(default="", repr=False)  # for /v1 on the admin listener; empty: /v1 is off
    client_keys: tuple[str, ...] = field(default=(), repr=False)  # good without asking old, for every sandbox
    refused_keys: tuple[str, ...] = field(default=(), repr=False)  # clients' keys that leaked
    public_url: str = ""
    drain_seconds: float = 20.0  # how long calls in flight may finish after SIGTERM
    body_limit_bytes: int = 1_048_576  # largest JSON body held in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class OldOrigin:
    """The side that serves today: a Daytona-speaking API. `url` ends in /api."""

    kind: str = "daytona"
    url: str = ""
    key: str = field(default="", repr=False)  # for work on twins; clients' own keys are relayed, never kept
    ca_file: str = ""  # certificates trusted besides the system's roots


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrigin:
    """The side to move to. `url` and `sandbox_url` are for self-hosted and embedded E2B; the cloud needs neither."""

    kind: str = "e2b"
    domain: str = "e2b.app"
    url: str = ""
    sandbox_url: str = ""
    key: str = field(default="", repr=False)
    ca_file: str = ""  # certificates trusted besides the system's roots: a private authority, as with BYOC
    templates: Mapping[str, str] = field(default_factory=dict)  # snapshot or "image:…" -> template; "*": all others
    user: str = "root"
    home_dir: str = "/root"
    work_dir: str = "/workspace"
    longest_run_seconds: float = 86_400.0  # that the plan allows without a pause: 3600 hobby, 86400 pro; 0: no end
    creates_per_second: float = 1.0  # that the plan allows: 1 hobby, 5 pro


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSettings:
    """Where stages come from."""

    source: str = "embedded"
    sdk_key: str = field(default="", repr=False)  # of the LaunchDarkly environment; a server-side SDK key
    stream_url: str = ""  # where a relay proxy is used instead of LaunchDarkly itself
    base_url: str = ""
    events_url: str = ""
    api_url: str = "https://app.launchdarkly.com"  # by which `crossfade flags` changes the account's flags
    api_token: str = field(default="", repr=False)  # an API access token that may write flags
    project: str = ""
    environment: str = ""
    send_events: bool = True  # to LaunchDarkly: which stages were served, and how both sides did
    events_sample: float = 0.05  # share of compared calls that become a migration event
    seed: int = 20_260_101  # shared by all tools, so that tools of one sandbox move together


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """What is copied to the other vendor, and how much of it may wait."""

    eligible_orgs: tuple[str, ...] = ()  # nobody until listed; "*" lists everybody
    roots: tuple[str, ...] = ("/workspace",)  # directories whose state the follower gets
    lane_calls: int = 64  # calls waiting to be compared, per sandbox
    lane_total: int = 2_000  # and in all
    call_seconds: float = 30.0  # how long a mirrored call may take
    patience_seconds: float = 2.0  # how long a split call waits for the follower
    body_limit_bytes: int = 4_194_304  # largest request body kept for the follower
    settle_seconds: float = 1.0  # quiet time before a dirty follower is settled
    orphan_grace_seconds: float = 60.0  # after an unknown outcome at the follower, and after a crash
    move_idle_seconds: float = 60.0  # without a call, after which an idle sandbox's seat may move; 0: at starts only
    system_roots: tuple[str, ...] = ("/",)  # below them, what is changed outside the roots holds the seat
    adopt: str = "off"  # sandboxes older than the router; touch: they get a follower at their next call
    fill_bytes_per_second: float = 0.0  # of such sandboxes, all together; 0: as fast as it goes
    shadow_egress: str = "blocked"  # followers reach no other machine; open: they may
    command_rules: str = ""  # file of rules by which commands are classed, besides our own


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSettings:
    """Per tool: share of calls compared, and which executes may be repeated on the follower."""

    sample: float = 1.0
    mirror_execute: MirrorExecute = MirrorExecute.NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewSettings:
    """Links to ports of sandboxes: ours where `domain` or `path` is set, the provider's own otherwise."""

    domain: str = ""  # links are <port>-<sandbox id>.<domain>; host, or host:port where the port is not the scheme's
    scheme: str = "https"  # of such links
    path: str = ""  # links are <public_url><path>/<port>-<sandbox id>, where no domain is set
    secret: str = field(default="", repr=False)  # signs tokens, cookies and links; empty: made of the origins' keys
    login_url: str = ""  # where a browser that shows no right is sent; empty: 401


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """What old SDKs and daemons do to each other, put right in relayed calls too; translated ones always have it."""

    exec_environment: bool = False  # SDKs before 0.167 pass variables in a form that daemons since 0.156 cut
    terminal_in_one: bool = False  # SDKs since 0.197 make and open a terminal in one handshake, older daemons in two
    error_text: bool = False  # SDKs before 0.163 show an error's text, daemons since 0.148 often send none
    part_names: bool = False  # SDKs read the names of a bulk download's parts in UTF-8, daemons write them in Latin-1


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Where twins, flags, records and rollups are kept, and for how long."""

    url: str = "sqlite:///crossfade.db"
    keep_records_days: float = 14.0
    keep_rollups_days: float = 400.0
    keep_bytes: int = 5 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """OpenTelemetry; nothing is exported while `otlp_endpoint` is empty."""

    otlp_endpoint: str = ""
    service_name: str = "crossfade"
    sample: float = 1.0  # share of calls that become a span
    call_header: bool = True  # answers carry X-Crossfade-Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set; every key has a default but the origins' addresses and keys."""

    listen: Listen = field(default_factory=Listen)
    old: OldOrigin = field(default_factory=OldOrigin)
    new: NewOrigin = field(default_factory=NewOrigin)
    flags: FlagSettings = field(default_factory=FlagSettings)
    mirror: Mirror = field(default_factory=Mirror)
    tools: Mapping[str, ToolSettings] = field(default_factory=dict)
    preview: PreviewSettings = field(default_factory=PreviewSettings)
    repairs: Repairs = field(default_factory=Repairs)
    store: Store = field(default_factory=Store)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    dashboard: DashboardSettings = field(default_factory=DashboardSettings)
    oidc: OidcSettings = field(default_factory=OidcSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    ramp: RampSettings = field(default_factory=RampSettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    capture: CaptureSettings = field(default_factory=CaptureSettings)
    file: str = ""

    def tool(self, name: str) -> ToolSettings:
        return self.tools.get(name, _DEFAULT_TOOL)


_DEFAULT_TOOL = ToolSettings()
# Section in the file -> (field of Settings, its class).
SECTIONS: Mapping[str, tuple[str, type]] = MappingProxyType(
    {
        "listen": ("listen", Listen),
        "origins.old": ("old", OldOrigin),
        "origins.new": ("new", NewOrigin),
        "flags": ("flags", FlagSettings),
        "mirror": ("mirror", Mirror),
        "preview": ("preview", PreviewSettings),
        "front.repairs": ("repairs", Repairs),
        "store": ("store", Store),
        "telemetry": ("telemetry", TelemetrySettings),
        "dashboard": ("dashboard", DashboardSettings),
        "oidc": ("oidc", OidcSettings),
        "ramp": ("ramp", RampSettings),
        "budget": ("budget", BudgetSettings),
        "report": ("report", ReportSettings),
        "notify": ("notify", NotifySettings),
        "capture": ("capture", CaptureSettings),
    }
)
_CHOICES = {
    ("origins.old", "kind"): ("daytona",),
    ("origins.new", "kind"): ("e2b",),
    ("mirror", "shadow_egress"): ("blocked", "open"),
    ("mirror", "adopt"): ("off", "touch"),
    ("flags", "source"): ("embedded", "launchdarkly"),
    ("preview", "scheme"): ("https", "http"),
    ("report", "language"): ("en", "ru"),
    ("report", "webhook_kind"): ("slack", "teams"),
}
# Texts that have a shape: the pattern, and what to write.
_SHAPES = {
    ("preview", "domain"): (r"[a-z0-9.-]+(:[0-9]{1,5})?", "a host name in small letters, such as preview.example.org"),
    ("preview", "path"): (r"/(?!(?:api|toolbox|health)$)[A-Za-z0-9_-]+", "one word behind a slash, such as /preview"),
    ("report", "send_at"): (r"[a-z]+day ([01]\d|2[0-3]):[0-5]\d", "a moment of a week, such as monday 06:00"),
    ("report", "mail_server"): (r"smtps?://[^\s/]+", "smtp://host:587, with user:password@ where one is asked for"),
    ("report", "mail_from"): (r"[^@\s]+@[^@\s]+", "an address, such as crossfade@example.org"),
    ("report", "webhook_url"): (r"https?://[^\s]+", "the whole address of the webhook"),
    ("preview", "login_url"): (r"https?://[^\s#]+", "an address, such as https://example.org/login"),
}


def load(path: str | None = None) -> Settings:
    """Read the file named, or $CROSSFADE_CONFIG, or ./crossfade.toml. Raises SettingsError with file and line."""
    name = path or os.environ.get("CROSSFADE_CONFIG") or DEFAULT_FILE
    try:
        text = Path(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        message = f"no settings file '{name}'; write one (docs/settings.md) or name it by --config or CROSSFADE_CONFIG"
        raise SettingsError(message) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read settings file '{name}': {error}") from None
    return parse(text, name)


def parse(text: str, name: str = "<settings>") -> Settings:
    """Settings from TOML text. Raises SettingsError naming file, line, key and fix."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name}: not TOML: {error}") from None
    return _Reader(text, name).settings(tree)


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self.lines = text.splitlines()
        self.name = name

    def settings(self, tree: Mapping[str, Any]) -> Settings:
        origins = tree.get("origins", {})
        known = {"tools", *(section.partition(".")[0] for section in SECTIONS)}
        self._refuse_unknown(tree, known, "")
        self._refuse_unknown(origins, {"old", "new"}, "origins")
        self._refuse_unknown(tree.get("front", {}), {"repairs"}, "front")
        values: dict[str, Any] = {"file": self.name}
        for section, (attribute, kind) in SECTIONS.items():
            table: Any = tree
            for part in section.split("."):
                table = table.get(part, {}) if isinstance(table, Mapping) else {}
            values[attribute] = self._section(section, table, kind)
        values["tools"] = self._tools(tree.get("tools", {}))
        settings = Settings(**values)
        if not settings.old.url:
            raise self._error(
                "origins.old", "url", "is missing; set it to the address of your Daytona API, ending in /api"
            )
        if problem := settings.oidc.problem(settings.dashboard.public_url):
            raise self._error("oidc", *problem)
        for section, origin in (("origins.old", settings.old), ("origins.new", settings.new), ("oidc", settings.oidc)):
            if origin.ca_file and (unread := certificates_problem(origin.ca_file)):
                raise self._error(section, "ca_file", unread)
        if settings.flags.source == "launchdarkly" and not settings.flags.sdk_key:
            key = 'is missing; give the environment\'s server-side SDK key, such as { env = "LAUNCHDARKLY_SDK_KEY" }'
            raise self._error("flags", "sdk_key", key)
        return settings

    def _tools(self, table: Mapping[str, Any]) -> dict[str, ToolSettings]:
        self._refuse_unknown(table, set(TOOLS), "tools")
        return {name: self._section(f"tools.{name}", value, ToolSettings) for name, value in table.items()}

    def _section(self, section: str, table: Any, kind: type) -> Any:
        if not isinstance(table, Mapping):
            raise self._error(section, "", f"must be a table: write [{section}]")
        hints = get_type_hints(kind)
        self._refuse_unknown(table, {each.name for each in fields(kind)}, section)
        return kind(**{key: self._value(section, key, value, hints[key]) for key, value in table.items()})

    def _value(self, section: str, key: str, value: Any, kind: Any) -> Any:
        if isinstance(value, Mapping) and kind is str:
            value = self._secret(section, key, value)
        if (choices := _CHOICES.get((section, key))) and value not in choices:
            raise self._error(section, key, f"is {value!r}; known: {', '.join(choices)}")
        if kind is MirrorExecute:
            if value not in list(MirrorExecute):
                raise self._error(section, key, f"is {value!r}; known: {', '.join(MirrorExecute)}")
            return MirrorExecute(value)
        if kind == tuple[str, ...]:
            items = value if isinstance(value, list) else [None]
            found = tuple(self._secret(section, key, each) if isinstance(each, Mapping) else each for each in items)
            if not all(isinstance(each, str) for each in found):
                raise self._error(section, key, 'must be a list of texts, such as ["/workspace"]')
            return found
        if kind == Mapping[str, str]:
            if not isinstance(value, Mapping) or not all(isinstance(each, str) for each in value.values()):
                raise self._error(section, key, "must be a table of texts")
            return dict(value)
        expected = (int, float) if kind is float else kind
        if not isinstance(value, expected) or (isinstance(value, bool) and kind is not bool):
            raise self._error(section, key, f"must be {_NAMES.get(kind, kind)}, not {value!r}")
        if kind in (int, float):
            self._number(section, key, value)
        if kind is str and key in _URLS.get(section, ()):
            self._url(section, key, str(value))
        if value and (shape := _SHAPES.get((section, key))) and not re.fullmatch(shape[0], str(value)):
            raise self._error(section, key, f"is {value!r:.80}; write {shape[1]}")
        return value

    def _number(self, section: str, key: str, value: float) -> None:
        if not -_MOST <= value <= _MOST:  # nan is not between them either
            raise self._error(section, key, f"must be a finite number, not {value!r:.40}")
        if value < 0:
            raise self._error(section, key, f"must not be negative, but is {value!r}")
        if key in ("sample", "events_sample", "dropped_over", "warn_at") and value > 1:
            raise self._error(section, key, f"is a share from 0 to 1, not {value!r}; write 0.1 for 10 %")

    def _url(self, section: str, key: str, value: str) -> None:
        """Refuse an address that no request could be sent to. Empty means that the key is not set."""
        if not value:
            return
        try:
            parts = urlsplit(value)
            problem = url_problem(value, parts.scheme, parts.hostname, parts.port)
        except ValueError as error:  # a port that is no number, a bracket that does not close
            problem = f"is no address: {error}"
        if problem:
            # The value is not repeated: it may hold a password.
            raise self._error(section, key, f"{problem}; write it such as {_URLS[section][key]}")

    def _secret(self, section: str, key: str, value: Mapping[str, Any]) -> str:
        """`{ env = "NAME" }` or `{ file = "PATH" }`."""
        if set(value) == {"env"}:
            variable = str(value["env"])
            if variable not in os.environ:
                raise self._error(section, key, f"names the environment variable {variable}, which is not set")
            return os.environ[variable]
        if set(value) == {"file"}:
            try:
                return Path(str(value["file"])).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise self._error(section, key, f"cannot be read: {error}") from None
        raise self._error(section, key, 'must be a text, { env = "NAME" } or { file = "PATH" }')

    def _refuse_unknown(self, table: Any, known: set[str], section: str) -> None:
        if not isinstance(table, Mapping):
            raise self._error(section, "", f"must be a table: write [{section}]")
        for key in table:
            if key not in known:
                raise self._error(section, key, f"is not a setting; known: {', '.join(sorted(known))}")

    def _error(self, section: str, key: str, problem: str) -> SettingsError:
        where = ".".join(part for part in (section, key) if part)
        return SettingsError(f"{self.name}:{line_of(self.lines, section, key)}: {where} {problem}")


# Keys that hold an address, and what one looks like.
_URLS: Mapping[str, Mapping[str, str]] = {
    "listen": {"public_url": "https://sandboxes.example.org"},
    "origins.old": {"url": "https://app.daytona.io/api"},
    "origins.new": {"url": "https://api.e2b.app", "sandbox_url": "http://127.0.0.1:3000"},
    "flags": {
        "api_url": "https://app.launchdarkly.com",
        "stream_url": "https://relay.example.org",
        "base_url": "https://relay.example.org",
        "events_url": "https://relay.example.org",
    },
    "dashboard": {"public_url": "https://crossfade.example.org", "admin_url": "http://127.0.0.1:8801"},
    "oidc": {"issuer": "https://accounts.example.org"},
    "notify": {
        "slack_url": "https://hooks.slack.com/services/...",
        "teams_url": "https://prod-1.westeurope.logic.azure.com/workflows/...",
        "webhook_url": "https://alerts.example.org/crossfade",
    },
    "telemetry": {"otlp_endpoint": "http://collector:4318"},
}
_MOST = 2**63 - 1  # what TOML itself says a number may be; more overflows where it is counted with
_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
