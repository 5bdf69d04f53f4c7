"""Settings of all tests."""

import os

from hypothesis import settings

# No deadline: a busy machine is no failure. Where CI says so, the same examples each run; elsewhere new ones.
settings.register_profile("crossfade", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("crossfade")
