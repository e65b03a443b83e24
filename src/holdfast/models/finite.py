"""Numbers of a model that overflow: refused where they are made, as NaN would be a missing answer and an argmax of NaN a token."""

from typing import Any

from torch import Tensor

from holdfast.errors import ModelError

MOST = 1e6  # nats a token: no sound model is so sure


class Overflowed(ModelError):
    """Logits or log-probabilities that are not finite."""


def require_finite(values: Tensor, model: Any) -> None:
    """Raises Overflowed unless all are finite: log-probabilities per token, or the largest logit of every position, which a NaN is too."""
    if not bool((values.abs() <= MOST).all()):
        raise Overflowed(
            f"model.name: {getattr(model.config, 'name_or_path', '')!r} gives log-probabilities that are not finite or beyond {MOST:g} nats: its weights "
            "make numbers overflow; name sound weights, or a wider model.dtype"
        )
