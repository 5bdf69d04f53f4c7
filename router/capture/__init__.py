"""Capture and replay: whole calls kept with their secrets masked, driven again on either side."""
