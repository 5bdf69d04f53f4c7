"""Ramps that run: evidence is looked at each minute, and what policies/ramp.py decides of it is told or done."""
