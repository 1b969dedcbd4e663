"""The background service: start, scan, loop, and stop in reverse order."""
