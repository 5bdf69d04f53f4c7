"""Git as Daytona offers it, over the git program of a sandbox: what to run, what it said, why it would not."""
