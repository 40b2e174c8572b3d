"""What this package costs, beside what a user would do by hand: `python -m benchmarks` measures all of it."""
