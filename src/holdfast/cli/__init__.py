"""The command line: parse, call `holdfast.api` or a library function, print. Nothing imports it, and it imports nothing heavy at its start."""

import atexit
import signal
import sys
from contextlib import suppress

from holdfast.cli import streams
from holdfast.errors import HoldfastError, IncompleteError, Interrupted
from holdfast.escape import one_line
from holdfast.processes import raise_gc_threshold

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Entry point `holdfast`. Exit codes: 0 ok, 1 a claim refused (--strict), 2 bad input, 3 some cells failed or are missing, 130 interrupted."""
    raise_gc_threshold()
    shown = streams.prepare()
    hook = sys.unraisablehook
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # under nohup a run outlives its terminal
            signal.signal(number, _interrupt)
    sys.unraisablehook = lambda lost: _interrupt_again() if lost.exc_type is Interrupted else hook(lost)
    try:
        if not shown:
            _fail("standard output is closed, so no result could be shown; redirect it to a file or to /dev/null")
        _run()
    except (Interrupted, KeyboardInterrupt):
        _ignore_signals()
        print("holdfast: interrupted; finished cells are kept, run it again to resume", file=sys.stderr)
        sys.exit(130)
    finally:
        with suppress(HoldfastError):  # it could not be written before
            sys.stdout.flush()
        atexit.register(_ignore_signals)  # registered last, so called first: before the exit handlers of libraries
        sys.unraisablehook = hook


def _ignore_signals() -> None:
    """A signal that arrives while Python shuts down changes neither the output nor the exit code."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(*_: object) -> None:
    raise Interrupted  # not KeyboardInterrupt, at which the command line's library exits without a message


def _interrupt_again() -> None:
    """An interrupt raised inside a finalizer or a weak reference's callback is lost: raise it once more, a moment later."""
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.02)


def _run() -> None:
    from typer._click.exceptions import ClickException, NoArgsIsHelpError

    from holdfast.cli.app import app

    try:
        code = app(prog_name="holdfast", standalone_mode=False)
        sys.stdout.flush()  # while there is still somebody to say that it cannot be written
        sys.exit(code)
    except NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except ClickException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", "holdfast")
        _fail(error.format_message(), hint=f"; see: {command} --help")
    except HoldfastError as error:
        _fail(str(error), code=3 if isinstance(error, IncompleteError) else 2)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        _fail(str(error.filename or "file"), hint=f": {error.strerror}; name another place, or free some space")


def _fail(message: str, *, hint: str = "", code: int = 2) -> None:
    from holdfast.redact import redacted

    print(f"holdfast: {one_line(redacted(message))}{hint}", file=sys.stderr)
    sys.exit(code)
