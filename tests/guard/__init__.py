"""Keeps every test on this machine. The folder is on PYTHONPATH, so that child processes are kept as well."""
