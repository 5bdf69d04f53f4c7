"""Who is told: against real HTTP servers on sockets."""
