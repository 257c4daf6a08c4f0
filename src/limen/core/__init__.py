"""What is true: the rules, as pure functions and values. Standard library only; no IO, clock, randomness or logging."""
