"""Tests of router/engine."""
