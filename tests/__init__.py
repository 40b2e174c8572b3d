"""The tests: one file per room of the package, with the room's name."""
