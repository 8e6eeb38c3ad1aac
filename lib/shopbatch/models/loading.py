"""Loads configurations, tokenizers and models from model folders; the only caller of transformers' `from_pretrained`.

Nothing is downloaded, code in the folder is never run, and weights are read from safetensors only. A missing weight is
an error, because transformers would fill it with random numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from tokenizers import Tokenizer

from shopbatch.core.errors import one_line
from shopbatch.models import json_files
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import ModelError
from shopbatch.models.screening import screen

_ROBERTA = ("roberta", "xlm-roberta", "camembert")  # positions start after the padding token's id
_LOCAL = {"trust_remote_code": False, "local_files_only": True}
# what transformers raises
_FAILURES = (OSError, ValueError, RuntimeError, AttributeError, LookupError, TypeError, ArithmeticError, ImportError,
             AssertionError, StrictDataclassError)  # fmt: skip


def model_config(folder: Path) -> dict[str, Any]:
    """Read `config.json` of a model folder as a dict.

    Raises:
        ModelError: The file is missing or damaged.
    """
    what = f"{folder} is not a model folder: config.json"
    tree = json_files.read(folder / "config.json", what)
    if not isinstance(tree, dict):
        raise ModelError(f"{what} cannot be read: it is not an object")
    return tree


def token_limit(folder: Path, config: dict[str, Any]) -> int:
    """Return how many tokens a model can read: the tokenizer's limit or the number of positions, whichever is lower.

    Args:
        folder: The model folder on this machine.
        config: The content of its `config.json`.

    Returns:
        The limit; 2^30 if neither file states one.

    Raises:
        ModelError: A stated limit is not a number, or `tokenizer_config.json` is damaged.
    """
    path = folder / "tokenizer_config.json"
    stated = json_files.read(path, str(path)).get("model_max_length") if path.exists() else None
    try:
        limit = int(config.get("max_position_embeddings") or 2**30)
        if str(config.get("model_type", "")) in _ROBERTA:
            limit -= int(config.get("pad_token_id") or 0) + 1
        return min(limit, int(stated)) if stated else limit
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelError(f"{folder}: the number of tokens that it reads is no number: {one_line(error, 100)}") from None


def load_tokenizer(folder: Path) -> Tokenizer:
    """Load the fast tokenizer of a model folder, without truncation and padding.

    If the folder has a `tokenizer.json`, this avoids the slow import of transformers.

    Args:
        folder: The model folder on this machine.

    Raises:
        ModelError: The folder has no tokenizer, or the tokenizer is damaged or could run forever on some text.
    """
    screen(folder)
    path = folder / "tokenizer.json"
    if not path.exists():
        return Tokenizer.from_str(load_transformers_tokenizer(folder).backend_tokenizer.to_str())
    with _TokenizerErrors(str(path)):
        tokenizer = Tokenizer.from_str(path.read_text("utf-8"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def load_transformers_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a model folder as a transformers tokenizer, which also has the chat template.

    Args:
        folder: The model folder on this machine.

    Raises:
        ModelError: The folder has no tokenizer, or a damaged one.
    """
    from transformers import AutoTokenizer

    screen(folder)
    try:
        with _TokenizerErrors(str(folder)):
            return AutoTokenizer.from_pretrained(folder, **_LOCAL)
    except ModelError:
        raise
    except _FAILURES as error:
        raise ModelError(f"{folder} has no tokenizer ({one_line(error, 200)})") from None


def load_encoder(
    folder: Path,
    spec: EncoderSpec,
    dtype: str = "float32",
    *,
    config: Mapping[str, Any] | None = None,
    attention: str | None = None,
    pooler: bool = True,
) -> tuple[Any, EncoderSpec]:
    """Load a transformers encoder, cut off above the highest layer that `spec` uses.

    Args:
        folder: The model folder on this machine.
        spec: The layers that make up the vector.
        dtype: Number format of the weights, as torch names it.
        config: Fields of the model's configuration to override.
        attention: Name of the attention implementation in transformers; None uses the default.
        pooler: False leaves out the pooler, which no vector needs; not every architecture has this option.

    Returns:
        The transformers model, and the spec with its layers counted from 0.

    Raises:
        ModelError: Weights are missing, not safetensors, or do not fit the configuration; or the model has fewer layers
            than the spec names.
    """
    from transformers import AutoConfig

    screen(folder)
    try:
        shape = AutoConfig.from_pretrained(folder, **_LOCAL)
        spec = spec.model_copy(update={"layers": spec.depths(shape.num_hidden_layers)})
    except _FAILURES as error:
        raise _not_loaded(folder, error) from None
    for name, value in {"num_hidden_layers": max(*spec.layers, 1), **(config or {})}.items():
        setattr(shape, name, value)
    options: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
    if not pooler:
        options["add_pooling_layer"] = False
    return _load("AutoModel", folder, config=shape, dtype=dtype, **options), spec


def load_causal(folder: Path, dtype: str = "float32", attention: str = "sdpa") -> Any:
    """Load a causal language model of transformers.

    Args:
        folder: The model folder on this machine.
        dtype: Number format of the weights, as torch names it.
        attention: Name of the attention implementation in transformers.

    Raises:
        ModelError: Weights are missing, not safetensors, or do not fit the configuration.
    """
    return _load("AutoModelForCausalLM", folder, dtype=dtype, attn_implementation=attention)


def load_sequence_classifier(folder: Path, dtype: str = "float32") -> Any:
    """Load a sequence-classification model of transformers, such as a cross-encoder.

    Args:
        folder: The model folder on this machine.
        dtype: Number format of the weights, as torch names it.

    Raises:
        ModelError: Weights (also those of the classification head) are missing, not safetensors, or do not fit.
    """
    return _load("AutoModelForSequenceClassification", folder, dtype=dtype)


def load_vision(folder: Path, dtype: str = "float32") -> Any:
    """Load a vision model of transformers, or a model for pictures and texts such as CLIP.

    Args:
        folder: The model folder on this machine.
        dtype: Number format of the weights, as torch names it.

    Raises:
        ModelError: Weights are missing, not safetensors, or do not fit the configuration.
    """
    return _load("AutoModel", folder, dtype=dtype)


def refuse_missing_weights(folder: Path) -> None:
    """Raise ModelError if weights of a causal language model are missing. Only their names are read, which is fast."""
    _load("AutoModelForCausalLM", folder, device_map="meta")


@contextmanager
def quietly() -> Iterator[None]:
    """Turn off the warnings and progress bars of transformers inside this block."""
    import transformers

    quiet = transformers.utils.logging
    level = quiet.get_verbosity()
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    try:
        yield
    finally:
        quiet.set_verbosity(level)
        quiet.enable_progress_bar()


def _load(kind: str, folder: Path, **options: Any) -> Any:
    """Load a model with one of transformers' Auto classes.

    Args:
        kind: Name of the class, such as "AutoModel".
        folder: The model folder on this machine.
        options: Further arguments of `from_pretrained`.

    Raises:
        ModelError: The model cannot be loaded, or weights other than the pooler's are missing.
    """
    import transformers

    screen(folder)
    try:
        with quietly():
            model, report = getattr(transformers, kind).from_pretrained(
                folder, use_safetensors=True, output_loading_info=True, **_LOCAL, **options
            )
    except _FAILURES as error:
        raise _not_loaded(folder, error) from None
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))  # the pooler is not used
    if missing:
        raise ModelError(f"{folder}: {len(missing)} weights are missing, among them {missing[0]}")
    return model


def _not_loaded(folder: Path, error: Exception) -> ModelError:
    """Return the ModelError to raise for a model that transformers cannot load."""
    return ModelError(f"{folder}: cannot be loaded: {one_line(error, 300)}")


class _TokenizerErrors:
    """A context manager that turns errors of the tokenizers library into ModelError.

    The library raises a bare Exception, or panics in its Rust code.
    """

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is Exception or (kind is not None and kind.__name__ == "PanicException"):
            raise ModelError(f"{self.what} cannot be read: {one_line(error, 200)}") from None
