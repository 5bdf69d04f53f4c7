"""Ramps that run: on a real store, with evidence given at the port."""
