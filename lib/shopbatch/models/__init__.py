"""Model folders: builds base models from Python packages, checks and loads folders, and keeps a registry of them."""
