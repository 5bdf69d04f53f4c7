"""Embedded sandboxes: a directory tree plus processes on this machine. Isolates nothing."""
