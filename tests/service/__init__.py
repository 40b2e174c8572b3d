"""The service as its reference pages describe it: a description for tools, and a client that knows nothing else."""
