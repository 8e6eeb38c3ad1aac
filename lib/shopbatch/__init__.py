"""shopbatch: distributed batch jobs that put large language models to work for online shops."""

__version__ = "0.1.0"
