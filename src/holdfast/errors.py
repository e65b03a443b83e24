"""One small tree of errors. Every message names the field, the value, the rule, and where possible the fix.

HoldfastError
├── ConfigError (ValueError)      a study, setting or command line that cannot be meant
├── DataError (ValueError)        rows that cannot be read or used
├── ModelError (RuntimeError)     a checkpoint, tokenizer or adapter that cannot be used
├── ResourceError (RuntimeError)  memory, disk or device: which setting to lower
└── StatisticsError (ValueError)  arrays from which nothing can be estimated
"""


class HoldfastError(Exception):
    """Base of everything holdfast raises on purpose; the command line prints it as one line and exits with 2."""


class ConfigError(HoldfastError, ValueError):
    pass


class DataError(HoldfastError, ValueError):
    pass


class ModelError(HoldfastError, RuntimeError):
    pass


class ResourceError(HoldfastError, RuntimeError):
    pass


class StatisticsError(HoldfastError, ValueError):
    pass
