"""Worker processes: every touch of a user's file happens in one, which can be killed at any instant."""
