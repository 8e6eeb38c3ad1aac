"""Users' own files into the source tables, checked value by value. `shopbatch load TABLE FILE`."""

from shopbatch.load.loading import load_file
from shopbatch.load.report import LoadReport

__all__ = ["LoadReport", "load_file"]
