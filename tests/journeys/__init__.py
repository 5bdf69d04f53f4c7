"""Journeys: whole programs on real sockets, driven by genuine SDKs, counted from outside."""
