"""Stands in for google.colab: in a test's kernel only, with what seedream_nb uses of it."""
