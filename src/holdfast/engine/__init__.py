"""Requests in, log-probabilities and texts out: packed rows through any decoder's own modules."""

from holdfast.processes import collector_held

with collector_held():
    import torch  # noqa: F401
    import transformers.modeling_utils  # noqa: F401
