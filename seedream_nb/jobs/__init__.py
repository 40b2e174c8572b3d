"""Requests on their way: a job, the pipeline that carries it out, and the queue of all that are under way."""
