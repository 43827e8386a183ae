"""The reader's pages: a worklist, scans with their maps, reviews, runs and models, in a browser."""
