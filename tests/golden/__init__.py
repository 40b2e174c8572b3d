"""Folders as released versions have left them: one for each version, never changed again."""
