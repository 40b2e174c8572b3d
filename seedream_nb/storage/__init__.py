"""What is kept on disk: pictures and references, the journal, and the history that is read from it."""
