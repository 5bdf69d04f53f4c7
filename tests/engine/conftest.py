"""Twins of two real embedded sandboxes, as tests/twins has them."""

from tests.twins.conftest import backends, stand

__all__ = ["backends", "stand"]
