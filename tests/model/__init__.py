"""The consistency that docs/consistency.md offers, held against random histories of real calls on real processes."""
