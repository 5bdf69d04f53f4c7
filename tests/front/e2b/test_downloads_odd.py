"""Downloads of what no file can be called."""

import pytest

from tests.front.e2b.conftest import Sandbox


@pytest.mark.parametrize("path", ["/tmp/" + "n" * 300, "/tmp/" + "d/" * 2_100])
async def test_a_name_that_no_file_can_have_is_refused_in_envds_words(sandbox: Sandbox, path: str) -> None:
    answer = await sandbox.send("GET", "/files", params={"path": path})

    assert answer.status_code in (404, 500)
    assert "/tmp/" in answer.json()["message"]
