"""``python -m genretagd`` is the command line."""

from genretagd.cli import main

if __name__ == "__main__":
    main()
