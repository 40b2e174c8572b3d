"""What stands between the package and IPython: magics, their options, verbs, completion."""
