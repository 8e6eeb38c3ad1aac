"""Sample data for the source tables, filled by `shopbatch sample`.

Real public data, a generated shop of any size, or an invented boutique for search and the shopping guide.
"""

from shopbatch.sample.boutique import fill_boutique
from shopbatch.sample.fill import SampleReport
from shopbatch.sample.generated import fill_generated
from shopbatch.sample.real import fill_real
from shopbatch.sample.shop import Mess

__all__ = ["Mess", "SampleReport", "fill_boutique", "fill_generated", "fill_real"]
