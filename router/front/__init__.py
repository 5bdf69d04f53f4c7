"""What clients speak to: the APIs that crossfade serves."""
