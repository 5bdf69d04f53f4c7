"""Upstream HTTP and websocket client, relay, proxy header rules. The only place that opens connections to origins."""
