"""What the scenarios of sandboxes' lives give, and which methods of the SDK have no error, or no success."""

from typing import Any

from tests.conformance.daytona.expected import Refused

RESULTS: dict[str, Any] = {
    "sandbox_waited_for": ["stopped", "started"],
    "sandbox_waited_for_in_vain": "DaytonaTimeoutError",
    "sandbox_stopped_refuses": [True, True, True],
    "sandbox_deleted_by_itself": True,
    "sandbox_from_an_image": ["started", 3],
    "sandbox_names": [True, True, Refused(409)],
    "sandbox_archive_refused": Refused(400),
    "sandbox_not_found_by_label": "DaytonaError",
    "all_calls_of_a_deleted_sandbox": [],
}


def _held(unconnected: str) -> dict[str, Any]:
    return {"connected": True, "exit": 137, "after": [False, unconnected, "DaytonaError", "DaytonaError"]}


_LACKS = {"volumes": Refused(501), "network": Refused(501)}
BY_ERA: dict[str, dict[str, Any]] = {
    "intervals_refused": {
        "0.21": ["DaytonaError", "DaytonaError"],
        "0.115": ["DaytonaError", "DaytonaError"],
        "newest": ["DaytonaBadRequestError", "DaytonaBadRequestError"],
    },
    "pty_held": {"0.21": {}, "0.115": _held("DaytonaError"), "newest": _held("DaytonaConnectionError")},
    "created_with_what_one_side_lacks": {"0.21": {"volumes": Refused(501)}, "0.115": _LACKS, "newest": _LACKS},
}

# Of the newest SDK: calls that cannot fail, or that fail elsewhere.
NEVER_FAIL = {
    *("Daytona.close", "Daytona.list", "Sandbox.create_lsp_server", "Sandbox.wait_for_resize_complete"),
    "Sandbox.wait_for_sandbox_stop",  # what is gone has stopped
    "FileSystem.download_files",  # says of each file what became of it: files_downloaded_together
    "FileSystem.download_file_stream",  # fails when it is read: file_streamed
    # A terminal's own errors are told by wait's result.
    *("PtyHandle.disconnect", "PtyHandle.is_connected", "PtyHandle.wait", "PtyHandle.wait_for_connection"),
}
# What the embedded Daytona cannot do, either: whole classes, and single methods.
NEVER_DONE = {
    *("LspServer", "ComputerUse", "Mouse", "Keyboard", "Screenshot", "Display", "RecordingService", "Accessibility"),
    *("VolumeService", "SnapshotService", "SecretService", "WarmPoolService"),
    *(f"Process.get_entrypoint_{what}" for what in ("session", "logs", "logs_async")),
    *(f"Sandbox.{what}" for what in ("fork", "pause", "recover", "resize", "create_snapshot", "set_public", "set_ttl")),
    *(f"Sandbox.{what}_ssh_access" for what in ("create", "revoke", "validate")),
    *(f"Sandbox.{what}_signed_preview_url" for what in ("create", "expire")),
    *(f"Sandbox.update_{what}" for what in ("env", "secrets", "network_settings")),
    *("Sandbox.upload_url", "Sandbox.download_url", "Sandbox.rotate_signing_key", "Sandbox.set_auto_pause_interval"),
    *("Sandbox.get_metrics", "Sandbox.get_metrics_latest"),
}
