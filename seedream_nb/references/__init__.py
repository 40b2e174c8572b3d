"""Reference images: what was written, what a value can do, the service's limits, and what must stay home."""
