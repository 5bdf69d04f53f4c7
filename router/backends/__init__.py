"""One adapter per sandbox provider; all pass one contract test."""
