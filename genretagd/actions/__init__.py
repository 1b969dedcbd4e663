"""Action plugins: what happens after a track is tagged."""
