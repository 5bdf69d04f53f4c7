"""Tests of the dashboard: its parts, its pages over a socket, and a real Chromium before a real router."""
