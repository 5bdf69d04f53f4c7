"""Settings: every slip names file, line, key and fix."""

import dataclasses
from pathlib import Path

import pytest

from crossfade.decision import MirrorExecute
from crossfade.errors import SettingsError
from router.admin.shown import masked
from router.settings import load, parse

OLD = '[origins.old]\nurl = "http://daytona/api"\n'  # two lines

WRONG: dict[str, tuple[str, int, str, str]] = {
    "unknown section": (
        OLD + "[miror]\n",
        3,
        "miror",
        "known: budget, capture, dashboard, flags, front, listen, mirror",
    ),
    "unknown key": (OLD + "[mirror]\n\nlane_cals = 3\n", 5, "mirror.lane_cals", "known: adopt, body_limit_bytes"),
    "unknown key on top": ("sead = 3\n" + OLD, 1, "sead", "known: budget, capture, dashboard, flags"),
    "unknown origin": (OLD + '[origins.newer]\nkey = "x"\n', 3, "origins.newer", "known: new, old"),
    "unknown tool": (OLD + "[tools.shel]\nsample = 1\n", 3, "tools.shel", "known: browser"),
    "key of another section": (OLD + "[store]\n[listen]\nseed = 3\n", 5, "listen.seed", "known: admin"),
    "text for a number": (OLD + '[mirror]\nlane_calls = "64"\n', 4, "mirror.lane_calls", "a whole number, not '64'"),
    "fraction for a whole": (OLD + "[mirror]\nlane_calls = 1.5\n", 4, "mirror.lane_calls", "a whole number, not 1.5"),
    "truth for a number": (OLD + "[flags]\nseed = true\n", 4, "flags.seed", "a whole number, not True"),
    "number for a text": (OLD + "[store]\nurl = 5\n", 4, "store.url", "a text, not 5"),
    "number for a truth": (OLD + "[telemetry]\ncall_header = 1\n", 4, "telemetry.call_header", "true or false"),
    "text for a list": (OLD + '[mirror]\nroots = "/w"\n', 4, "mirror.roots", 'such as ["/workspace"]'),
    "numbers in a list": (OLD + "[mirror]\neligible_orgs = [1]\n", 4, "mirror.eligible_orgs", "a list of texts"),
    "text for a table": (OLD + '[origins.new]\ntemplates = "x"\n', 4, "origins.new.templates", "a table of texts"),
    "text for a section": ('store = "x"\n' + OLD, 1, "store", "write [store]"),
    "text for origins": ('origins = "x"\n', 1, "origins", "write [origins]"),
    "number for a tool": (OLD + "[tools]\nshell = 3\n", 4, "tools.shell", "write [tools.shell]"),
    "bad choice": (OLD + '[flags]\nsource = "cloud"\n', 4, "flags.source", "is 'cloud'; known: embedded"),
    "bad kind": (OLD + '[origins.new]\nkind = "f2b"\n', 4, "origins.new.kind", "known: e2b"),
    "bad mirror": (OLD + '[tools.web]\nmirror_execute = "maybe"\n', 4, "tools.web.mirror_execute", "known: never"),
    "negative": (OLD + "[mirror]\ncall_seconds = -1\n", 4, "mirror.call_seconds", "must not be negative"),
    "negative whole": (OLD + "[flags]\nseed = -1\n", 4, "flags.seed", "must not be negative"),
    "endless": (OLD + "[mirror]\ncall_seconds = inf\n", 4, "mirror.call_seconds", "a finite number, not inf"),
    "negative endless": (OLD + "[store]\nkeep_records_days = -inf\n", 4, "store.keep_records_days", "a finite number"),
    "too large": (OLD + f"[store]\nkeep_bytes = 1{'0' * 400}\n", 4, "store.keep_bytes", "a finite number, not 1000"),
    "no number": (OLD + "[listen]\ndrain_seconds = nan\n", 4, "listen.drain_seconds", "a finite number, not nan"),
    "share of nan": (OLD + "[tools.web]\nsample = nan\n", 4, "tools.web.sample", "a finite number, not nan"),
    "share in percent": (OLD + "[tools.web]\nsample = 10\n", 4, "tools.web.sample", "write 0.1 for 10 %"),
    "share a bit over": (OLD + "[telemetry]\nsample = 1.01\n", 4, "telemetry.sample", "from 0 to 1, not 1.01"),
    "negative share": (OLD + "[tools.web]\nsample = -0.1\n", 4, "tools.web.sample", "must not be negative"),
    "no scheme": ('[origins.old]\nurl = "daytona/api"\n', 2, "origins.old.url", "such as https://app.daytona.io/api"),
    "host for a scheme": ('[origins.old]\nurl = "daytona:3000/api"\n', 2, "origins.old.url", "begin with http://"),
    "other scheme": ('[origins.old]\nurl = "ftp://daytona/api"\n', 2, "origins.old.url", "begin with http://"),
    "no host": ('[origins.old]\nurl = "http:///api"\n', 2, "origins.old.url", "names no host"),
    "port alone": ('[origins.old]\nurl = "http://:80/api"\n', 2, "origins.old.url", "names no host"),
    "bad port": ('[origins.old]\nurl = "http://daytona:port/api"\n', 2, "origins.old.url", "is no address"),
    "port 0": ('[origins.old]\nurl = "http://daytona:0/api"\n', 2, "origins.old.url", "names port 0"),
    "bracket": ('[origins.old]\nurl = "http://[::1/api"\n', 2, "origins.old.url", "is no address"),
    "query": ('[origins.old]\nurl = "http://daytona/api?x=1"\n', 2, "origins.old.url", "without a query"),
    "blank": ('[origins.old]\nurl = "http://daytona/api "\n', 2, "origins.old.url", "or blanks"),
    "new without scheme": (OLD + '[origins.new]\nurl = "e2b:80"\n', 4, "origins.new.url", "https://api.e2b.app"),
    "sandboxes": (OLD + '[origins.new]\nsandbox_url = "//e2b"\n', 4, "origins.new.sandbox_url", "begin with http://"),
    "public": (OLD + '[listen]\npublic_url = "here"\n', 4, "listen.public_url", "begin with http://"),
    "collector": (
        OLD + '[telemetry]\notlp_endpoint = "c:4318"\n',
        4,
        "telemetry.otlp_endpoint",
        "http://collector:4318",
    ),
    "no url": ('\n[origins.old]\nkey = "k"\n', 2, "origins.old.url", "address of your Daytona API"),
    "nothing": ("", 1, "origins.old.url", "address of your Daytona API"),
    "secret not set": (
        OLD + '[origins.new]\nkey = { env = "CROSSFADE_NO_SUCH" }\n',
        *(4, "origins.new.key", "environment variable CROSSFADE_NO_SUCH, which is not set"),
    ),
    "secret of no kind": (OLD + '[origins.new]\nkey = { vault = "x" }\n', 4, "origins.new.key", '{ env = "NAME" }'),
    "secret file missing": (OLD + '[origins.new]\nkey = { file = "/no/f" }\n', 4, "origins.new.key", "/no/f"),
}


@pytest.mark.parametrize(("text", "line", "key", "fix"), WRONG.values(), ids=WRONG)
def test_a_slip_names_file_line_key_and_fix(text: str, line: int, key: str, fix: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text, "my.toml")

    assert str(caught.value).startswith(f"my.toml:{line}: {key} ")
    assert fix in str(caught.value)


def test_what_is_not_toml_is_told_with_its_line() -> None:
    with pytest.raises(SettingsError, match=r"my\.toml: not TOML: .*line 3"):
        parse(OLD + "what?\n", "my.toml")


def test_a_missing_file_is_told_with_the_ways_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml.*--config or CROSSFADE_CONFIG"):
        load(str(tmp_path / "none.toml"))


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SettingsError, match="cannot read settings file"):
        load(str(tmp_path / "x.toml"))


def test_an_address_is_all_that_is_needed() -> None:
    settings = parse(OLD)

    assert settings.old.url == "http://daytona/api"
    assert settings.tool("shell").mirror_execute is MirrorExecute.NEVER
    assert settings.mirror.eligible_orgs == ()


def test_a_secret_comes_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    settings = parse(OLD + f'[origins.new]\nkey = {{ file = "{tmp_path}/key" }}\n')

    assert settings.new.key == "s3cret"
    assert "s3cret" not in repr(settings)


def test_keys_of_clients_come_from_where_secrets_come_from_and_are_shown_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("f1le\n")
    monkeypatch.setenv("SUNA_KEY", "3nv")
    keys = f'client_keys = ["t3xt", {{ file = "{tmp_path}/key" }}, {{ env = "SUNA_KEY" }}]'
    settings = parse(f"[listen]\n{keys}\n{OLD}")
    shown = f"{settings!r} {masked(dataclasses.asdict(settings))}"

    assert settings.listen.client_keys == ("t3xt", "f1le", "3nv")
    assert not any(key in shown for key in settings.listen.client_keys)


def test_whole_numbers_do_for_numbers() -> None:
    assert parse(OLD + "[mirror]\ncall_seconds = 5\n").mirror.call_seconds == 5


def test_the_ends_of_a_share_can_be_set() -> None:
    settings = parse(OLD + "[tools.web]\nsample = 0\n[tools.kb]\nsample = 1\n")

    assert (settings.tool("web").sample, settings.tool("kb").sample) == (0, 1)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8900/api", "https://[::1]:8900/api", "HTTP://daytona/api"])
def test_an_address_may_be_of_any_host(url: str) -> None:
    assert parse(f'[origins.old]\nurl = "{url}"\n').old.url == url


def test_an_address_from_the_environment_is_checked_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSFADE_TEST_URL", "name:s3cret@daytona/api")

    with pytest.raises(SettingsError, match=r"my\.toml:2: origins\.old\.url does not begin") as caught:
        parse('[origins.old]\nurl = { env = "CROSSFADE_TEST_URL" }\n', "my.toml")
    assert "s3cret" not in str(caught.value)
