"""What may a shell command change? Commands are parsed, then classed by rules: read, local, external or unknown."""
