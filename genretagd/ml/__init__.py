"""Decode audio, compute log-mel spectrograms, run the model: the one door to the numeric libraries."""
