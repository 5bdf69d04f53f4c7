"""Twins: which side answers a call, and how the other side is kept equal."""
