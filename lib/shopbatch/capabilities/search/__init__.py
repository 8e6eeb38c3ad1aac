"""Product search: embeds and indexes the catalogue, and answers queries by words (BM25F) and by vectors."""
