"""The parts of the benchmark, each a coroutine that is given the field and returns what it found."""
