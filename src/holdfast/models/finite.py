"""Refuses a model whose numbers overflow, where they are computed: NaN would later pass for a missing answer, its argmax for a token."""

from typing import Any

from torch import Tensor

from holdfast.errors import ModelError

MOST = 1e6  # nats per token: no sound model is that sure


class Overflowed(ModelError):
    """Logits or log-probabilities that are not finite."""


def require_finite(values: Tensor, model: Any) -> None:
    """Raises Overflowed unless all values are finite and plausible: log-probabilities per token, or the largest logit of every position."""
    if not bool((values.abs() <= MOST).all()):
        raise Overflowed(
            f"model.name: {getattr(model.config, 'name_or_path', '')!r} gives log-probabilities that are not finite or beyond {MOST:g} nats: its weights "
            "make numbers overflow; name sound weights, or a wider model.dtype"
        )
