"""Durable records, rollups, twins and flags; the only folder that knows SQL."""
