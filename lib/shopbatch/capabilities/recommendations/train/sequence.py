"""Train the sequence part: converts histories into documents and runs the training loop on one or more workers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.sequence import SequencePlan, start_vectors
from shopbatch.capabilities.recommendations.sequence_documents import Encode
from shopbatch.capabilities.recommendations.sequence_model import SequenceModel
from shopbatch.capabilities.recommendations.sequence_part import SequencePart
from shopbatch.capabilities.recommendations.train.config import TrainRecommenderConfig
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest
from shopbatch.runs.report import Report
from shopbatch.training import blocks, runs
from shopbatch.training.blocks import Pack
from shopbatch.training.checkpoint_files import best_name
from shopbatch.training.checkpoints import Checkpoints
from shopbatch.training.config import LoopConfig, batch_share, identity
from shopbatch.training.parallel import Parallel
from shopbatch.training.worker import Run
from shopbatch.warehouse.store import Store

VERSION = 1  # of making documents and training; if it is raised, the next run trains again
_JUDGED = 10_000  # about so many purchases of the window choose the best weights; each is ranked among all products
_LAST = 200  # users whose loss is computed at the end of a training with a fixed number of steps


def check_loop(config: TrainRecommenderConfig) -> None:
    """Raise UserError if the settings of the Transformer or of its training loop do not fit together.

    A user's products must fit into a block, `heads` must divide `hidden`, and the workers must be able to share a
    batch.
    """
    sequence, loop = config.sequence, config.loop
    if sequence.enabled == "off":
        return
    if loop.block_tokens < sequence.max_items:
        raise UserError(
            f"loop.block_tokens={loop.block_tokens} is less than sequence.max_items={sequence.max_items}: a user's "
            "products would not fit into a block; set a greater loop.block_tokens"
        )
    if sequence.hidden % sequence.heads:
        raise UserError(f"sequence.hidden={sequence.hidden} is no multiple of sequence.heads={sequence.heads}")
    batch_share(loop, config.workers.count)


@dataclass(frozen=True)
class Trained:
    """A trained sequence part, or the reason why there is none.

    Attributes:
        part: The trained part; its weights in both lists are 0 until `parts.choose` sets them. None if it was not
            trained, or helps in no list.
        steps: Number of optimizer steps up to the best weights.
        blocks: Number of blocks of the training data.
        why: Why no part was trained; "" if one was.
    """

    part: SequencePart | None = None
    steps: int = 0
    blocks: int = 0
    why: str = ""


@dataclass
class SequenceTraining:
    """Trains the sequence part during one run of `train_recommender`.

    Attributes:
        config: Settings of the job.
        store: The warehouse.
        report: The report to fill.
        runs: The trainings so far, whose checkpoints are deleted at the end.
    """

    config: TrainRecommenderConfig
    store: Store
    report: Report
    runs: list[Run] = field(default_factory=list)

    def delete_checkpoints(self) -> None:
        """Delete the checkpoints of all trainings; called when the model is published."""
        for run in self.runs:
            runs.delete_checkpoints(run)

    def first(self, early: History, until: History, known: np.ndarray) -> Trained:
        """Train on the days before the validation window; purchases in the window choose the best weights.

        Returns the reason instead of a part if training is turned off or there are too few users.

        Args:
            early: The purchases before the validation window.
            until: The purchases up to the end of the validation window.
            known: True for products with enough buyers, bool [items].
        """
        sequence = self.config.sequence
        if sequence.enabled == "off":
            return Trained(why="sequence.enabled=off")
        since = int(early.day.max(initial=0)) + 1
        train, judged = histories(early, known), histories(until, known, since)
        if sequence.enabled == "auto" and train.num_rows < sequence.least_users:
            return Trained(
                why=f"{train.num_rows:,} users with purchases on two days, fewer than sequence.least_users="
                f"{sequence.least_users}"
            )
        if not train.num_rows or not judged.num_rows:
            return Trained(why="no user bought products with enough buyers on two days")
        return self._train("sequence", known, train, judged, None)

    def again(self, first: Trained, whole: History, known: np.ndarray) -> SequencePart:
        """Train on all days, for as many passes over the data as gave the best weights in the first training.

        Args:
            first: The first training.
            whole: All purchases.
            known: True for products with enough buyers, bool [items].
        """
        train = histories(whole, known)
        steps_of = first.steps / max(first.blocks, 1)
        trained = self._train("sequence on everything", known, train, train.slice(0, _LAST), steps_of)
        assert trained.part is not None
        return trained.part

    def _train(
        self, stage: str, known: np.ndarray, train: pa.Table, judged: pa.Table, steps_of: float | None
    ) -> Trained:
        """Train the Transformer and load its best weights.

        Args:
            stage: Name of the stage in the report.
            known: True for products with enough buyers, bool [items].
            train: Histories to train on, from `histories`.
            judged: Histories to judge by.
            steps_of: Number of steps for each block of training data; None to train until the loss stops improving.
        """
        config, items = self.config, np.flatnonzero(known)
        sizes, seed = config.sequence.sizes, config.loop.seed
        with self.report.stage(stage) as timed:
            parts = {"train": train, "val": judged}
            about = {"version": VERSION, "max_items": sizes.max_items}
            pack = blocks.prepare(self.store, parts, about, Encode(sizes.max_items), config.loop.block_tokens, seed)
            loop = self._loop(pack.blocks["train"], steps_of)
            start = start_vectors(pack.read("train"), len(items), sizes.hidden, seed)
            plan = SequencePlan(len(items), sizes, start, seed)
            run = self._run(plan, pack, loop)
            self.runs.append(run)
            state = runs.train(run, self.report, self.store, config.platform.watchdog_seconds)
            self._tell(stage)
            objective: Any = plan.build()
            Checkpoints(run.folder, run.key, Parallel()).load(objective, name=best_name(int(state["best_step"])))
            timed.rows = int(state["tokens"])
        return Trained(SequencePart(SequenceModel(objective), items), int(state["best_step"]), pack.blocks["train"])

    def _tell(self, stage: str) -> None:
        """Rename the metrics and the loss curve of a training after its stage, because a run can have two trainings."""
        metrics, figures = self.report.metrics, self.report.figures
        metrics[f"training of the {stage}"] = metrics.pop("training")
        figures[-1] = replace(figures[-1], title=f"Loss of the {stage}")

    def _loop(self, blocks_: int, steps_of: float | None) -> LoopConfig:
        """Return the settings of the training loop for `blocks_` blocks of data; `steps_of` as for `_train`."""
        loop, least = self.config.loop, self.config.sequence.min_steps
        if steps_of is None:
            return loop.model_copy(update={"epochs": max(loop.epochs, least * loop.batch_blocks / max(blocks_, 1))})
        count = max(1, round(steps_of * blocks_))
        epochs = (count + 1) * loop.batch_blocks / max(blocks_, 1)
        return loop.model_copy(update={"epochs": epochs, "max_steps": count, "eval_steps": count, "patience": 0})

    def _run(self, plan: SequencePlan, pack: Pack, loop: LoopConfig) -> Run:
        key = digest(
            {"version": VERSION, "pack": pack.name, "config": identity(plan.config, loop), "of": plan.products}
        )
        folder = f"{self.store.root}/_training/train_recommender/{key}"
        return Run(plan, pack, loop, self.config.workers, folder, key)


def histories(history: History, known: np.ndarray, since: int | None = None) -> pa.Table:
    """Return the users' histories as a table for `Encode`, with known products only.

    The known products are renumbered from 0 in their old order.

    Args:
        history: The purchases.
        known: True for products to keep, bool [items].
        since: First day whose products are prediction targets; None for all days but each user's first.

    Returns:
        Columns products, days and since, with a row for each user who has a target. With `since`, only evenly spaced
        users are returned if there are more than about 10,000 targets.
    """
    rows = history.of_items(np.flatnonzero(known))
    position, user = rows.positions(), rows.user
    target = (position > 0) if since is None else (position > 0) & (rows.day >= since)
    some = np.unique(user[target])
    if since is not None:
        some = some[:: -(-int(target.sum()) // _JUDGED) or 1]
    chosen = rows.of_users(some)
    starts = pa.array(chosen.starts, pa.int32())
    columns = [pa.ListArray.from_arrays(starts, pa.array(values, pa.int32())) for values in (chosen.item, chosen.day)]
    return pa.table([*columns, pa.repeat(pa.scalar(since, pa.int32()), len(some))], names=["products", "days", "since"])
