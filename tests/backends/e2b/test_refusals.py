"""What E2B refuses, in Daytona's words."""

import json

import pytest

from crossfade.outcome import Fate
from router.backends.e2b.refusals import edge_error, refusal
from router.wire.connect import ConnectError


@pytest.mark.parametrize("words", ["file name too long", "not a directory", "too many levels of symbolic links"])
def test_a_path_that_no_file_can_have_is_the_callers_doing(words: str) -> None:
    message = f"error statting file: lstat /workspace/x: {words}"
    for outcome in (
        refusal(ConnectError("internal", message)),
        edge_error(500, json.dumps({"message": message}).encode()),
    ):
        assert (outcome.status, outcome.code, outcome.fate) == (400, "BAD_REQUEST", Fate.FAILED)
        assert words in outcome.message


def test_any_other_internal_error_stays_the_providers() -> None:
    assert refusal(ConnectError("internal", "disk on fire")).status == 500
    assert edge_error(500, b'{"message": "disk on fire"}').fate is Fate.UNKNOWN


def test_what_the_system_forbids_begins_with_daytonas_word_for_it() -> None:
    for outcome in (
        refusal(ConnectError("internal", "rename /a /b: operation not permitted")),
        edge_error(500, b'{"message": "open /proc/x: permission denied"}'),
    ):
        assert (outcome.status, outcome.code) == (403, "FORBIDDEN")
        assert outcome.message.startswith("forbidden: ")
