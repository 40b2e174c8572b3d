"""The folder for PYTHONPATH that lets a kernel import the stand-in for `google.colab`."""
