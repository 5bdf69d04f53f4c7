"""The E2B API (control plane and envd), spoken to clients; serves the embedded sandboxes."""
