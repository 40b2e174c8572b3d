"""Us beside what people would use instead, in one run against one local server: `python -m benchmarks.peers`."""
