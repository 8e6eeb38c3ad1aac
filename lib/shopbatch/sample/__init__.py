"""Sample data for the source tables, written by `shopbatch sample`.

There are three samples: real public data (`fill_real`), a generated shop of any size (`fill_generated`), and an
invented boutique for trying search and the shopping guide (`fill_boutique`).
"""

from shopbatch.sample.boutique import fill_boutique
from shopbatch.sample.fill import SampleReport
from shopbatch.sample.generated import fill_generated
from shopbatch.sample.real import fill_real
from shopbatch.sample.shop import Mess

__all__ = ["Mess", "SampleReport", "fill_boutique", "fill_generated", "fill_real"]
