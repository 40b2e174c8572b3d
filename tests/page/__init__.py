"""The panel's modules without a notebook: their types, and their pure functions in node's own test runner."""
