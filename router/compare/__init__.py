"""Comparators at work: in a process that can be killed."""
