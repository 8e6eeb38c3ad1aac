"""A product whose planned copy breaks a rule gets careful copy: no product is left without."""

import json

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.copywriting.config import PlanConfig, Rules
from shopbatch.capabilities.copywriting.facts import content_of, known_facts
from shopbatch.capabilities.copywriting.plan import plan
from shopbatch.capabilities.copywriting.rules import Judge
from shopbatch.capabilities.copywriting.stage import DescriptionStage
from shopbatch.capabilities.copywriting.writer import AttemptSampling, Prompt
from shopbatch.engines.configs import Sampling
from shopbatch.grounding.check import Facts

# the plan says that a tent with two berths sleeps two, which the check does not know
TENT = {
    "title": "Trekvane Tent Ridgeback Moss",
    "category": "Tents",
    "brand": "Trekvane",
    "attributes.Berth": "2",
    "attributes.Hydrostatic head": "3000 mm",
    "attributes.Poles": "aluminium",
}
CHARCOAL = {"category": "CHARCOAL AND LIGHTER FLUID", "product_type": "CHARCOAL", "package_size": "2 CT.20 LB"}
KETTLE = {"title": "Glass Kettle", "product_type": "Kettle", "brand": "Boilby", "attributes.Capacity": "1.7 L"}


def stage() -> DescriptionStage:
    return DescriptionStage(PlanConfig(), "", {}, "en", Prompt(""), AttemptSampling(Sampling()), Rules())


def test_a_product_whose_planned_copy_breaks_a_rule_gets_careful_copy() -> None:
    content = content_of([TENT, KETTLE, CHARCOAL])
    tent, kettle, _ = known_facts(content)
    usual = plan(tent, "en")
    assert Judge(Rules(), "en", "")(usual, "stop", Facts(tent)).reason == "ungrounded_unbacked", "else take another one"
    made = stage()
    raw = made.open().run(content, np.ones(3, np.int8))
    assert made.judge(raw).to_pylist() == [None, None, None]
    texts = [
        made.text(*row) for row in zip(*(raw[n].to_pylist() for n in ("text", "writer", "attributes")), strict=True)
    ]
    assert texts[1] == plan(kettle, "en"), "all others keep their copy"
    copy = json.loads(texts[0])
    assert "sleeps" not in texts[0] and {"Berth: 2", "Poles: Aluminium"} <= set(copy["bullets"])
    assert "lb" not in texts[2].lower() and json.loads(texts[2])["headline"] == "Charcoal", "the size cannot be read"
    passed = pa.table({"product_id": ["a", "b", "c"], "content_hash": ["0", "1", "2"]})
    assert made.publish(passed, raw)["headline"].to_pylist()[0] == copy["headline"]
