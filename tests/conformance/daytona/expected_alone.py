"""What only Daytona can do, and what of the SDK is no call at all."""

# Scenarios of what no other provider has. Through the router, with every sandbox on E2B, each answer is a 501 that
# names the capability; what the embedded Daytona says of them is its own matter.
ALONE = {
    "alone_computer_use": "computer use",
    "alone_desktop": "computer use",
    "alone_language_server": "language servers (LSP)",
    "alone_ssh": "ssh access",
    "alone_control": "",
    "account_volumes": "",
    "account_snapshots": "",
    "account_secrets": "",
    "account_warm_pools": "",
    "activity_refreshed": "",
    "entrypoint_logs_followed": "",
    "preview_link_signed": "signed links to ports",
    "sandbox_directories": "",
}
# Helpers that the SDK calls on its way to a storage of its own.
HELPERS = {"SnapshotService.process_image_context"}
