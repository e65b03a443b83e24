"""A study and its parts, read from files and checked."""

from holdfast.config.execution import ExecutionConfig, ServerConfig
from holdfast.config.files import recipe_names
from holdfast.config.model import ENDPOINT, DataConfig, ModelConfig, TrainConfig
from holdfast.config.study import (
    DomainConfig,
    DoseConfig,
    InstrumentConfig,
    SourceConfig,
    StatsConfig,
    Study,
    load_study,
    resolved,
    schema_json,
)

__all__ = [
    "ENDPOINT", "DataConfig", "DomainConfig", "DoseConfig", "ExecutionConfig", "InstrumentConfig", "ModelConfig", "ServerConfig",
    "SourceConfig", "StatsConfig", "Study", "TrainConfig", "load_study", "recipe_names", "resolved", "schema_json",
]  # fmt: skip
