"""The Daytona API, spoken to clients: control plane, toolbox, websockets."""
