"""Finished reports on their way: to a folder, by e-mail, to a chat; each week by itself, each target once.

A target that cannot be reached is an Undelivered, whose text holds no password and no address that works as one.
"""
