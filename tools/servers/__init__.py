"""Real servers, from the wheels that carry them: on loopback only, for tests and benchmarks."""
