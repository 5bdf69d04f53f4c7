"""An origin whose certificate is of a private authority: trusted where the settings name it, and only there."""

from pathlib import Path

import pytest

from crossfade.errors import SettingsError
from router.settings import parse
from tests.engine.running import router
from tests.wire.http1.test_tls import certificates, pytestmark, tls_origin

__all__ = ["certificates", "pytestmark"]  # a fixture, and why these may be skipped


@pytest.mark.parametrize("named", [True, False], ids=["named", "not named"])
async def test_calls_reach_it_only_where_it_is_named(tmp_path: Path, certificates: Path, named: bool) -> None:
    extra = f'ca_file = "{certificates / "ca.pem"}"\n' if named else ""
    async with (
        tls_origin(certificates) as there,
        router(tmp_path, f"https://localhost:{there.port}", old_extra=extra) as front,
    ):
        status, _, body = await front.ask("GET /api/anything", "Authorization: Bearer k")

    assert (status, body) == (200, b"0") if named else status == 502


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_without_certificates_is_refused_with_its_line(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    text = f'[origins.old]\nurl = "https://h/api"\n[origins.new]\nca_file = "{file}"\n'

    with pytest.raises(SettingsError, match=r":4: origins\.new\.ca_file is '.*', which holds no certificates"):
        parse(text)
