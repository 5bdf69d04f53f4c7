"""The demo: genuine Daytona SDK agents, driven through crossfade while tools move from old to new."""
