"""Tests in a real JupyterLab or Notebook 7, in a real browser."""
