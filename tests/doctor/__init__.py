"""What is wrong before the first call."""
