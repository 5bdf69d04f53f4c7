"""What sends the load: wrk where a closed loop is wanted, small clients of our own where wrk cannot."""
