import pyarrow as pa
import pytest
from tests.inference import toy

pytestmark = pytest.mark.usefixtures("ray_local")

def rows(n, start=0):
    return [{"review_id": f"r{i}", "product_id": f"p{i%7}", "text": f"text number {i % (n*4//5)}", "language":"en"} for i in range(start, start+n)]

def test_it(store):
    toy.put(store, toy.reviews(rows(5000)), toy.reviews([{"review_id":"x1","text":None},{"review_id":"x2","text":"  "},{"review_id":"r3","text":"newer"}]))
    r = toy.run(store, toy.spec())
    print(r.line())
    r = toy.run(store, toy.spec())
    print(r.line())
    print(store.snapshot("review_sentiment").read(limit=3).to_pylist())
    print(store.snapshot("review_sentiment_rejects").read(limit=30).to_pylist())
