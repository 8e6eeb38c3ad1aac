"""Sample data for the source tables: real public data, or a generated shop of any size. `shopbatch sample` fills it."""

from shopbatch.sample.fill import SampleReport
from shopbatch.sample.generated import fill_generated
from shopbatch.sample.real import fill_real
from shopbatch.sample.shop import Mess

__all__ = ["Mess", "SampleReport", "fill_generated", "fill_real"]
