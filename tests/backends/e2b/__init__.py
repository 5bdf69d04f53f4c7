"""The E2B adapter: its rules, its shell texts, its requests."""
