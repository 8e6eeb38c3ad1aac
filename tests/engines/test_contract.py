"""What every engine promises, the same asserts for each."""

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.engines.base import encode_all
from shopbatch.engines.configs import FakeConfig, OpenVinoConfig, TorchConfig
from shopbatch.engines.factory import open_engine

MAX_TOKENS, BATCH_TOKENS = 48, 200
CONFIGS = {
    "fake": FakeConfig(dim=12),
    "torch": TorchConfig(max_tokens=MAX_TOKENS, batch_tokens=BATCH_TOKENS),
    "openvino": OpenVinoConfig(precision="fp32", max_tokens=MAX_TOKENS, batch_tokens=BATCH_TOKENS),
}
TEXTS = [
    "lovely dress, fits well",
    "",
    " ",
    "质量很差，不会再买",
    "very long " * 20_000,
    "nul \0 byte",
    "emoji 😀👩‍👩‍👧 and e\u0301 and \u202eright to left",
    "x",
    "lovely dress, fits well",
    *(f"review number {i} " + "so " * (i % 17) for i in range(60)),
]


@pytest.fixture(scope="module", params=CONFIGS)
def encoder(request, model_dir):
    return open_engine(CONFIGS[request.param], str(model_dir))


def texts(values=TEXTS):
    return pa.array(values, pa.string())


def test_plan_names_every_row_once(encoder):
    plan = encoder.plan(texts())
    assert sorted(np.concatenate(plan).tolist()) == list(range(len(TEXTS)))
    assert all(len(batch) for batch in plan)


def test_a_row_has_the_same_vector_alone_and_in_any_batch(encoder):
    together = encode_all(encoder, texts())
    assert together.vectors.shape == (len(TEXTS), encoder.dim)
    assert (together.vectors.dtype, together.tokens.dtype) == (np.float32, np.int32)
    for i, text in enumerate(TEXTS):
        alone = encoder.encode(texts([text]))
        np.testing.assert_allclose(alone.vectors[0], together.vectors[i], atol=2e-5, err_msg=repr(text[:40]))
        assert alone.tokens[0] == together.tokens[i]


def test_different_texts_have_different_vectors_and_equal_ones_equal(encoder):
    vectors = encode_all(encoder, texts()).vectors
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors[0], vectors[8], atol=2e-5)
    other = [i for i in range(len(TEXTS)) if i != 8]
    distances = np.abs(vectors[other][:, None] - vectors[other][None]).max(2) + np.eye(len(other))
    assert distances.min() > 1e-3


def test_no_texts(encoder):
    assert encoder.plan(texts([])) == []
    encoded = encoder.encode(texts([]))
    assert encoded.vectors.shape == (0, encoder.dim)
    assert encoded.tokens.shape == (0,)
    assert encode_all(encoder, texts([])).vectors.shape == (0, encoder.dim)


def test_a_slice_of_an_array_is_read_from_its_own_beginning(encoder):
    whole = encode_all(encoder, texts())
    part = encode_all(encoder, texts().slice(5, 4))
    np.testing.assert_allclose(part.vectors, whole.vectors[5:9], atol=2e-5)


@pytest.mark.parametrize("kind", ["torch", "openvino"])
def test_batches_keep_to_the_token_budget_and_waste_little(kind, model_dir):
    encoder = open_engine(CONFIGS[kind], str(model_dir))
    lengths = encode_all(encoder, texts()).tokens
    assert lengths.max() == MAX_TOKENS
    padded = [len(batch) * lengths[batch].max() for batch in encoder.plan(texts())]
    assert max(padded) <= BATCH_TOKENS
    assert sum(padded) < 1.15 * lengths.sum()


def test_the_backends_agree(model_dir):
    reference = encode_all(open_engine(CONFIGS["torch"], str(model_dir)), texts())
    exact = encode_all(open_engine(CONFIGS["openvino"], str(model_dir)), texts())
    assert np.abs(exact.vectors - reference.vectors).max() < 1e-4
    np.testing.assert_array_equal(exact.tokens, reference.tokens)
    fast = OpenVinoConfig(precision="bf16", max_tokens=MAX_TOKENS, batch_tokens=BATCH_TOKENS)
    rough = encode_all(open_engine(fast, str(model_dir)), texts()).vectors
    cosine = (rough * reference.vectors).sum(1) / np.linalg.norm(rough, axis=1)
    assert (cosine / np.linalg.norm(reference.vectors, axis=1)).min() > 0.99


def test_recipes_differ_by_what_changes_a_result_and_by_nothing_else():
    for kind, config in CONFIGS.items():
        assert config.identity()["kind"] == kind
    base = OpenVinoConfig()
    assert base.model_copy(update={"threads": 7, "batch_tokens": 1}).identity() == base.identity()
    assert base.model_copy(update={"max_tokens": 7}).identity() != base.identity()
    assert base.model_copy(update={"precision": "fp32"}).identity() != base.identity()
    assert TorchConfig(dtype="bfloat16").identity() != TorchConfig().identity()
    assert FakeConfig(fail_on="x", slow_ms=3).identity() == FakeConfig().identity()
