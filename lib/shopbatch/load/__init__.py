"""Load users' own files into the source tables and check every value (command `shopbatch load TABLE FILE`)."""

from shopbatch.load.image_report import ImageReport
from shopbatch.load.images import load_images
from shopbatch.load.loading import load_file, load_query
from shopbatch.load.policies import PolicyReport, load_policies
from shopbatch.load.report import LoadReport

__all__ = ["ImageReport", "LoadReport", "PolicyReport", "load_file", "load_images", "load_policies", "load_query"]
