"""The store: its schema on one page, its transactions, and what the gate is handed to read by."""
