"""Training: from folders of music to a model bundle. Needs `pip install 'genretagd[train]'`."""
