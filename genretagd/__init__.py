"""genretagd listens to music files and writes their genre into their tags."""

__version__ = "0.1.0"
