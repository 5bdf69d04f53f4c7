"""The embedded flag source against the SDK and a real store."""
