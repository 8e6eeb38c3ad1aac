"""Find the sentiment model (head and encoder) that `score_reviews` uses, and register the one that ships."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shopbatch.capabilities.sentiment.head import NAME, SentimentHead
from shopbatch.models import e5_small
from shopbatch.models.folder import ModelError
from shopbatch.models.registry import Model, NoLiveModel, adopt, base, find, resolve
from shopbatch.models.registry_files import live_version

SHIPPED = Path(__file__).with_name("shipped_model")  # docs/sample-data.md says how it was trained


@dataclass(frozen=True)
class Sentiment:
    """The sentiment model of a run of `score_reviews`.

    Attributes:
        encoder: Folder of the encoder; "" for the fake engine.
        head: Folder of the head; "" for the fake engine.
        digests: Their digests, by `encoder` and `head`; part of the recipe.
    """

    encoder: str
    head: str
    digests: Mapping[str, str]


def sentiment(root: str, reference: str, kind: str) -> tuple[Sentiment, dict[str, Any]]:
    """Find a sentiment head and the encoder that it was trained on, and return both with the head's metrics.

    Args:
        root: The warehouse.
        reference: The head: `name@live`, `name@digest` or a folder.
        kind: Kind of the engine. `fake` needs no model: the paths are then "" and the metrics {}.

    Raises:
        ModelError: A model is missing or damaged.
    """
    if kind == "fake":
        return Sentiment("", "", {"encoder": "fake", "head": "fake"}), {}
    head, encoder = head_and_encoder(f"{root}/_models", reference)
    digests = {"encoder": encoder.digest, "head": head.digest}
    return Sentiment(encoder.path, head.path, digests), dict(head.manifest.get("metrics", {}))


def head_and_encoder(root: str, reference: str) -> tuple[Model, Model]:
    """Return the head with this reference, and the encoder that it was trained on.

    Args:
        root: The registry's folder or URI.
        reference: `name@live`, `name@digest` or a folder.

    Raises:
        ModelError: A model is missing or damaged.
    """
    try:
        head = resolve(root, reference)
    except NoLiveModel as error:
        if reference != f"{NAME}@live":
            raise
        raise NoLiveModel(
            f"{error}; `shopbatch init` registers the one that ships, `shopbatch run train_sentiment_head` trains yours"
        ) from None
    return head, find(root, SentimentHead.load(head.path).encoder)  # only in the registry: files name no other folder


def ensure_live(root: str) -> None:
    """Register the shipped head as `sentiment@live` if no head is live, and repair it if it is damaged.

    If the live head is the shipped one, it and its encoder are made again where they are damaged.

    Args:
        root: The registry's folder or URI.

    Raises:
        ModelError: Another head is live, and it is damaged.
    """
    live = ""
    with suppress(NoLiveModel):
        live = live_version(root, NAME)
    if live in ("", resolve(root, str(SHIPPED)).digest):
        register_shipped(root)
    else:
        find(root, f"{NAME}@live")


def prepare(root: str) -> None:
    """Compile the live model's encoder into this machine's cache, so that the workers of the first run need not do it.

    Nothing happens for a registry in an object store. A missing or damaged model is ignored here; the run reports it.

    Args:
        root: The registry's folder or URI.
    """
    if "://" in root:
        return
    from shopbatch.engines.encoders.openvino_encoder import exported_encoder

    with suppress(ModelError, OSError):  # a run that needs the model reports the error
        exported_encoder(Path(head_and_encoder(root, f"{NAME}@live")[1].path), for_machine=True)


def register_shipped(root: str) -> Model:
    """Register the head that ships with the package, and its encoder, so that reviews can be scored without training.

    Args:
        root: The registry's folder or URI.

    Returns:
        The head, which is now live.

    Raises:
        ModelError: The encoder comes from a package that is not installed, or is not the one that the head needs.
    """
    head = resolve(root, str(SHIPPED))
    reference = SentimentHead.load(head.path).encoder
    try:
        find(root, reference)
    except ModelError:
        encoder = base(root, e5_small.NAME)
        if encoder.reference != reference:
            raise ModelError(f"the shipped sentiment model needs {reference}, not {encoder.reference}") from None
    return adopt(root, head, live=True)
