"""Reference images: from what was written or passed to files that meet the service's limits, without private data."""
