"""Requests in, log-probabilities and texts out: packed rows through any decoder's own modules."""

from holdfast.processes import gc_paused

with gc_paused():
    import torch  # noqa: F401
    import transformers.modeling_utils  # noqa: F401
