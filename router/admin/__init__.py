"""The admin listener: health, metrics, and `/v1`, by which routers are looked at and steered."""
