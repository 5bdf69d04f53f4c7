"""What the scenarios of exact words, order, dates, close codes and parts give."""

from typing import Any

RESULTS: dict[str, Any] = {
    "file_dated": True,
    "files_in_order": [".z", "10", "9", "B", "a", "a b", "b", "ä"],
    "error_texts": [True, True, True, True],
    "file_in_parts": [[200, None, "0123456789"], [206, "bytes 2-4/10", "234"], [206, "bytes 7-9/10", "789"]],
    "close_codes": [[1000, '{"exitCode":0}'], [1011, '{"exitCode":3,"exitReason":"non-zero exit"}']],
}
