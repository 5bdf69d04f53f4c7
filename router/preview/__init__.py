"""Preview links that are ours: ports of sandboxes, by host or by path, on whichever side the sandbox is now."""
