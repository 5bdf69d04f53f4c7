"""Interpreter contexts: the program that keeps one in a sandbox, and an execution in it as a channel."""
