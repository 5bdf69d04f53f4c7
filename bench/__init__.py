"""What the router costs: the same calls directly, relayed, and mirrored and compared."""
