"""The hot path: decides each request from memory. Knows the rules and what it is handed; no SQL, no web framework."""
