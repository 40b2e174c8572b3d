"""Colab's own versions, a stand-in for `google.colab`, and what is tested with them: `make test-colab`."""
