"""The ledger: what was done to which file version, what can be undone, what is still to be told."""
