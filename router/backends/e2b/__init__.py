"""E2B as a backend: operations over its control plane and envd, on raw HTTP."""
