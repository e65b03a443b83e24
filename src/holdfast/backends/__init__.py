"""Backends: what answers a study's prompts, this machine or a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.config import Study
from holdfast.store import Store

if TYPE_CHECKING:
    from holdfast.backends.protocol import Backend


def open_backend(study: Study, store: Store) -> Backend:
    """The backend that the study's model names."""
    if study.model.endpoint is not None:
        from holdfast.backends.endpoint import EndpointBackend

        return EndpointBackend(study, store)
    from holdfast.backends.local import LocalBackend

    return LocalBackend(study, store)
