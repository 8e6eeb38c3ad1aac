"""Secrets and personal data, planted wherever they may come from, appear only in the columns of the source."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store
from tests.cluster.head import SECRETS, TOKEN, Head, last_line
from tests.inference import toy

PERSONAL = ("canary.person@shop.example", "+44 7911 123456", "4556 7375 8689 9855", "13987650123")
TEXTS = [f"Mine broke at once, write to {PERSONAL[0]} or call {PERSONAL[1]}", f"I paid with {PERSONAL[2]}"]
TEXTS += [f"请联系我 {PERSONAL[3]}", f"{PERSONAL[0]} {PERSONAL[2]} {PERSONAL[3]}"]


def put(store: Store) -> None:
    texts = [*TEXTS, *(f"text {i}" for i in range(60)), "", "x" * 200_000 + PERSONAL[0]]
    data = toy.reviews(
        [{"review_id": f"r{i}", "title": t[:90], "text": t, "language": "en"} for i, t in enumerate(texts)]
    )
    file = store.write_file(REVIEWS, data.cast(REVIEWS.schema()), "first", 0)
    store.commit(REVIEWS, [file], "replace", "first")


def test_canaries_are_only_where_they_were_put(head: Head, store: Store) -> None:
    put(store)
    env = {**SECRETS, "SHOPBATCH_WAREHOUSE": store.root}
    conf = "platform.spark.conf={spark.hadoop.fs.s3a.secret.key: canarysecretCONF0123456789}"
    words = ("submit", "score_reviews", "engine.kind=fake", "gates.reject_share=1.0", "--wait")
    here = {**env, "RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": str(head.folder)}
    local = ("run", "score_reviews", "engine.kind=fake", "gates.reject_share=1.0", "platform.cpus=2", conf)
    raised = ("engine.raise_on=canary.person", "engine.light=false")
    done = [
        head.shopbatch(*local, *raised, **here),  # ends with the traceback of a worker
        head.shopbatch(*words, *raised, **env),
        head.shopbatch(*words, "engine.fail_on=canary.person", **env),  # rows on which the engine fails
        head.shopbatch(*words, conf, **env),  # refused before anything is sent
    ]
    assert [d.returncode for d in done] == [1, 1, 0, 2], [d.stderr[-800:] for d in done]
    assert (
        "told to raise by" in done[0].stderr and "told to raise by" in last_line(done[1])["message"]
    )  # they were there
    done.append(head.shopbatch("logs", done[1].stderr.split("submitted: ")[1].split(",")[0], **env))
    assert "told to raise by" in done[-1].stdout and "[email]" in done[-1].stdout and "[email]" in done[0].stderr
    needles = [*SECRETS.values(), *PERSONAL, "canarysecretCONF0123456789", TOKEN]
    for each in done:
        assert not _contained(needles, (each.stdout + each.stderr).encode()), each.args
    contained = {str(path): _contained(needles, data) for path, data in _bytes(head.folder, Path(store.root))}
    assert len(contained) > 100 and not {path: what for path, what in contained.items() if what}


def _bytes(ray: Path, warehouse: Path) -> Iterable[tuple[Path, bytes]]:
    """Every file of Ray's sessions and of the warehouse except the data files of the source; Parquet as text."""
    for path in [*ray.rglob("*"), *warehouse.rglob("*")]:
        if not path.is_file() or path.is_symlink():
            continue
        if path.suffix == ".parquet":
            if path.is_relative_to(warehouse / "reviews"):
                continue
            yield path, json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False).encode()
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
                yield path, b"".join(archive.read(name) for name in archive.namelist())
        else:
            yield path, path.read_bytes()


def _contained(needles: Iterable[str], data: bytes) -> list[str]:
    return [needle for needle in needles if needle.encode() in data or json.dumps(needle)[1:-1].encode() in data]
