"""Sample data for the source tables: real public data, a generated shop of any size, or a boutique for search. `shopbatch sample` fills it."""

from shopbatch.sample.boutique import fill_boutique
from shopbatch.sample.fill import SampleReport
from shopbatch.sample.generated import fill_generated
from shopbatch.sample.real import fill_real
from shopbatch.sample.shop import Mess

__all__ = ["Mess", "SampleReport", "fill_boutique", "fill_generated", "fill_real"]
