"""Where stages come from; the only folder that knows the LaunchDarkly SDK."""
