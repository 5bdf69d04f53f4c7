"""Other proxies that do part of the same work, each configured as its own documents suggest, with one thread."""
