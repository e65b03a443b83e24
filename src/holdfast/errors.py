"""The errors holdfast raises on purpose. Every message names the field, the value, the rule, and where possible the fix."""


class HoldfastError(Exception):
    """Base of the others; the command line prints it as one line and exits with 2."""


class Interrupted(BaseException):
    """Ctrl-C, or a scheduler's request to stop: finished work is kept. Exit code 130."""


class ConfigError(HoldfastError, ValueError):
    """A study, setting or command line that is invalid."""


class DataError(HoldfastError, ValueError):
    """Rows that cannot be read or used."""


class ModelError(HoldfastError, RuntimeError):
    """A checkpoint, tokenizer or adapter that cannot be used."""


class ResourceError(HoldfastError, RuntimeError):
    """Memory, disk or device; the message names the setting to lower."""


class IncompleteError(HoldfastError, RuntimeError):
    """Results of cells that are not all finished. Exit code 3."""


class StatisticsError(HoldfastError, ValueError):
    """Arrays from which nothing can be estimated."""
