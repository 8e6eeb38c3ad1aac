"""What the registry keeps tells nothing that a report would hide: no secret, and nobody's address, phone or card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from shopbatch.models import registry
from shopbatch.models.folder import ModelError
from tests.models.canaries import CANARIES, assert_clean

CONFIG = {
    "engine": {"api_key": CANARIES[0], "url": f"https://me:{CANARIES[0]}@shop.example/v1", "kind": "http"},
    "source": {"table": "t", "instruction": f"call {CANARIES[3]} or {CANARIES[2]}", "card": CANARIES[4]},
    "lines": [f"token={CANARIES[0]}", {"deep": [CANARIES[1], CANARIES[5]]}],
}


def build(folder: Path) -> None:
    save_file({"w": np.zeros(3, np.float32)}, folder / "model.safetensors")


def test_no_manifest_tells_a_secret_or_who_somebody_is(tmp_path: Path) -> None:
    root = str(tmp_path / "_models")
    about = {"config": CONFIG, "metrics": {CANARIES[2]: {"loss": {"value": 0.5}}, "en": {"note": CANARIES[3]}},
             "licence": f"ask {CANARIES[2]}", "base": f"/home/{CANARIES[2]}/model",
             "tables": {CANARIES[5]: 1}}  # fmt: skip
    rows = ["4111111111111111", "13812345678abcde"]  # hashes of rows that look like a card and a phone
    model = registry.publish(root, "toy", build, origin="o", rows=rows, **about)
    described = registry.describe(root, model, **about, more=CONFIG)
    kept = described.manifest
    assert kept["config"]["engine"]["kind"] == "http" and kept["metrics"]["[email]"]["loss"]["value"] == 0.5
    assert kept["rows"] == rows and kept["digest"] == model.digest
    registry.describe(root, model, rows=[])
    assert_clean(root)


def test_a_folder_from_elsewhere_gives_its_files_but_not_its_name(tmp_path: Path) -> None:
    root = str(tmp_path / "_models")
    for number, canary in enumerate(CANARIES[1:]):
        folder = tmp_path / f"{number}" / canary
        folder.mkdir(parents=True)
        build(folder)
        (folder / "v.txt").write_text(str(number))
        assert registry.base(root, str(folder)).manifest["base"]
    assert_clean(root)


@pytest.mark.parametrize("canary", CANARIES[1:])
def test_names_that_tell_something_are_refused(tmp_path: Path, canary: str) -> None:
    def with_file(folder: Path) -> None:
        build(folder)
        (folder / f"{canary}.json").write_text("{}")

    root = str(tmp_path / "_models")
    with pytest.raises(ModelError) as error:
        registry.publish(root, "toy", with_file)
    assert canary not in str(error.value) and "rename" in str(error.value)
    name = canary.lower().replace(" ", "-")
    with pytest.raises(ModelError, match="model name"):
        registry.publish(root, name, build)
    assert_clean(root)
