"""Daytona as a backend: operations over its control plane and toolbox."""
