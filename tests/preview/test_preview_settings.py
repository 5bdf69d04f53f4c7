"""The [preview] section: what is refused, with line and fix, and what is shown of it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from crossfade.errors import SettingsError
from router.cli.config import config
from router.settings import PreviewSettings, parse

OLD = '[origins.old]\nurl = "http://old/api"\n[preview]\n'


def test_unset_there_are_no_previews_of_ours() -> None:
    assert parse('[origins.old]\nurl = "http://old/api"\n').preview == PreviewSettings()


@pytest.mark.parametrize(
    "line",
    [
        *('domain = "preview.example.org"', 'domain = "localhost:8800"', 'domain = "10.0.0.1.sslip.io"', 'domain = ""'),
        *('path = "/preview"', 'path = "/p"', 'path = ""', 'scheme = "http"', 'secret = "s"'),
        *('login_url = "https://example.org/in?app=1"', 'login_url = ""'),
    ],
)
def test_what_may_be_set(line: str) -> None:
    assert parse(OLD + line).preview != PreviewSettings() or line.endswith('""')


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        ('domain = "https://preview.example.org"', "such as preview.example.org"),
        ('domain = "*.preview.example.org"', "such as preview.example.org"),
        ('domain = "Preview.Example.org"', "small letters"),
        ('domain = "preview.example.org/x"', "such as preview.example.org"),
        ('path = "preview"', "such as /preview"),
        ('path = "/"', "such as /preview"),
        ('path = "/preview/"', "such as /preview"),
        ('path = "/a/b"', "one word"),
        ('path = "/api"', "one word"),
        ('path = "/toolbox"', "one word"),
        ('scheme = "ftp"', "known: https, http"),
        ('login_url = "example.org/in"', "such as https://example.org/login"),
        ("domain = 5", "must be a text"),
        ('domian = "x"', "is not a setting"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(line: str, fix: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(OLD + line, "crossfade.toml")

    assert str(refused.value).startswith("crossfade.toml:4: preview.")
    assert fix in str(refused.value)


def test_the_secret_is_shown_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "crossfade.toml"
    file.write_text(OLD + 'secret = "very-secret"\ndomain = "preview.example.org"\n')

    shown = CliRunner().invoke(config, ["show", "--config", str(file)]).output

    assert "preview.domain = 'preview.example.org'" in shown
    assert "very-secret" not in shown + repr(parse(file.read_text()))
