"""One small tree of errors. Every message names the field, the value, the rule, and where possible the fix.

HoldfastError
├── ConfigError (ValueError)      a study, setting or command line that cannot be meant
├── DataError (ValueError)        rows that cannot be read or used
├── ModelError (RuntimeError)     a checkpoint, tokenizer or adapter that cannot be used
├── ResourceError (RuntimeError)  memory, disk or device: which setting to lower
├── IncompleteError (RuntimeError) results asked of cells that are not all there; exit code 3
└── StatisticsError (ValueError)  arrays from which nothing can be estimated
"""


class HoldfastError(Exception):
    """Base of everything holdfast raises on purpose; the command line prints it as one line and exits with 2."""


class Interrupted(BaseException):
    """Ctrl-C, or a scheduler's notice that the process has to go: what is finished is kept. Exit code 130."""


class ConfigError(HoldfastError, ValueError):
    pass


class DataError(HoldfastError, ValueError):
    pass


class ModelError(HoldfastError, RuntimeError):
    pass


class ResourceError(HoldfastError, RuntimeError):
    pass


class IncompleteError(HoldfastError, RuntimeError):
    pass


class StatisticsError(HoldfastError, ValueError):
    pass
