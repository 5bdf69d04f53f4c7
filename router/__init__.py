"""The running proxy: everything that does I/O."""
