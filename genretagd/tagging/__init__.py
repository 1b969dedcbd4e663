"""Read and safely write the genre fields of every tag format; the only importer of mutagen."""
