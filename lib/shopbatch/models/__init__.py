"""Model folders and the registry that keeps them; how models are loaded, and models that are built from packages."""
