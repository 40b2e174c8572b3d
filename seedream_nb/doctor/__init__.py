"""One real request, looked at: what the service answers beside what this version expects, without anything private."""
