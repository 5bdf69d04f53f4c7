"""The front under malformed input: generated requests on a real router's socket, and what they may not cost it."""
