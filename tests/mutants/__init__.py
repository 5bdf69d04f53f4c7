"""Seeded faults in front and adapter, each of which the conformance suite has to notice."""
