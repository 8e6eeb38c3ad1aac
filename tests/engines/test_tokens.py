"""What of a model folder is read, and which folders are refused."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from shopbatch.core.errors import UserError
from shopbatch.engines.base import encode_all
from shopbatch.engines.configs import OpenVinoConfig, TorchConfig
from shopbatch.engines.factory import open_engine
from shopbatch.models.folder import ModelError
from tests.engines import tiny

pytestmark = pytest.mark.slow  # graphs are traced and compiled

TEXTS = ["one", "another text", "第三"]


TORCH = TorchConfig(max_tokens=32)


def vectors(folder, texts=TEXTS, config=TORCH):
    return encode_all(open_engine(config, str(folder)), pa.array(texts)).vectors


def hidden_states(folder, text):
    """Of one text, by transformers alone: [layers + 1, tokens, hidden]."""
    tokenizer = open_engine(TorchConfig(max_tokens=32), str(folder)).reader.tokenizer
    model = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    with torch.no_grad():
        ids = torch.tensor([tokenizer.encode(text).ids])
        return torch.stack(model(ids, output_hidden_states=True).hidden_states)[:, 0].numpy()


def test_the_vector_is_what_encoder_json_says(model_dir):
    found = vectors(model_dir)
    for row, text in zip(found, TEXTS, strict=True):
        states = hidden_states(model_dir, f"query: {text}")
        wanted = [states[1].mean(0), states[2].mean(0), states[1].max(0), states[2].max(0)]
        np.testing.assert_allclose(row, np.concatenate(wanted), atol=1e-5)


def test_without_encoder_json_it_is_the_mean_of_the_last_layer(tmp_path):
    folder = tiny.build(tmp_path / "m")
    for config in (TorchConfig(max_tokens=32), OpenVinoConfig(max_tokens=32, precision="fp32")):
        for row, text in zip(vectors(folder, config=config), TEXTS, strict=True):
            np.testing.assert_allclose(row, hidden_states(folder, text)[-1].mean(0), atol=1e-5)


def test_the_first_token_and_the_embedding_layer(tmp_path):
    folder = tiny.build(tmp_path / "m", layers=[0], pooling=["cls"])
    wanted = hidden_states(folder, "one")[0, 0]
    for config in (TorchConfig(max_tokens=32), OpenVinoConfig(max_tokens=32, precision="fp32")):
        np.testing.assert_allclose(vectors(folder, ["one"], config)[0], wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "named"),
    [({"layers": [4]}, "layers [4]"), ({"pooling": ["median"]}, "pooling"), ({"poling": ["mean"]}, "poling")],
)
def test_an_encoder_json_that_can_not_be_is_named(tmp_path, spec, named):
    folder = tiny.build(tmp_path / "m", **spec)
    with pytest.raises(ModelError) as error:
        vectors(folder)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("config", [TorchConfig(max_tokens=65), OpenVinoConfig(max_tokens=65)])
def test_more_tokens_than_the_model_has_positions_are_the_users_mistake(model_dir, config):
    with pytest.raises(UserError, match=r"max_tokens=65.*at most 64"):
        open_engine(config, str(model_dir))


def test_missing_weights_are_not_invented(tmp_path):
    folder = tiny.build(tmp_path / "m")
    state = load_file(folder / "model.safetensors")
    del state["encoder.layer.1.output.dense.weight"]
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"encoder\.layer\.1\.output\.dense\.weight"):
        vectors(folder)


def test_code_in_a_model_folder_is_not_run(tmp_path):
    folder = tiny.build(tmp_path / "m")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: pass\n")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "evil.Model", "AutoConfig": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"evil\.py is of a kind that is refused"):
        vectors(folder)
    (folder / "evil.py").rename(tmp_path / "evil.py")
    with pytest.raises(ModelError, match="auto_map"):
        vectors(folder)
    assert not (tmp_path / "ran").exists()


def test_only_pickled_weights_are_refused(tmp_path):
    folder = tiny.build(tmp_path / "m")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError):
        vectors(folder)


@pytest.mark.parametrize("config", [TorchConfig(), OpenVinoConfig()])
def test_a_folder_that_is_no_model(tmp_path, config):
    with pytest.raises(ModelError, match=r"config\.json"):
        open_engine(config, str(tmp_path))
    with pytest.raises(ModelError, match="nowhere"):
        open_engine(config, str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="needs a model"):
        open_engine(config, None)


def test_configurations_are_light_to_import():
    heavy = ("torch", "openvino", "ray")
    check = f"import sys, shopbatch.engines.factory; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
