"""The path of one call: route, classify, decide, admit, answer; then evidence and record."""
