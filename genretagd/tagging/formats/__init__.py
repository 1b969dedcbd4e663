"""The containers: where each keeps its tags, and which splices put others in their place."""
