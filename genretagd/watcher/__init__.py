"""Notice new and changed files; the only importer of watchdog."""
