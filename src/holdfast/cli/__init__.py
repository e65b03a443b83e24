"""The command line: parse, call, print. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import atexit
import signal
import sys

from holdfast.errors import Interrupted
from holdfast.processes import collect_seldom


def main() -> None:
    """Entry point `holdfast`. Exit codes: 0 ok, 1 a claim refused (--strict), 2 bad input, 3 some cells failed or are missing, 130 interrupted."""
    collect_seldom()
    notices, heard = (signal.SIGINT, signal.SIGTERM), sys.unraisablehook
    for notice in notices:
        signal.signal(notice, _leave)
    sys.unraisablehook = lambda lost: _again() if lost.exc_type is Interrupted else heard(lost)
    try:
        _run()
    except (Interrupted, KeyboardInterrupt):
        _deaf(notices)
        print("holdfast: interrupted; what is finished is kept, run the same command to go on", file=sys.stderr)
        sys.exit(130)
    finally:
        atexit.register(_deaf, notices)  # the last to be registered is the first to be called: before what libraries do then
        sys.unraisablehook = heard


def _deaf(notices: tuple[signal.Signals, ...]) -> None:
    """While Python ends, which takes a moment, a notice changes nothing, nor the exit code."""
    for notice in notices:
        signal.signal(notice, signal.SIG_IGN)


def _leave(*_: object) -> None:
    raise Interrupted  # not KeyboardInterrupt, which the command line's library would end on without a word


def _again() -> None:
    """An interrupt that fell into a finaliser or a callback of a weak reference was lost there: it is raised once more, a moment later."""
    signal.signal(signal.SIGALRM, _leave)
    signal.setitimer(signal.ITIMER_REAL, 0.02)


def _run() -> None:
    from typer._click.exceptions import ClickException, NoArgsIsHelpError

    from holdfast.cli.app import app
    from holdfast.errors import HoldfastError, IncompleteError
    from holdfast.escape import one_line
    from holdfast.redact import redacted

    try:
        sys.exit(app(prog_name="holdfast", standalone_mode=False))
    except NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except ClickException as error:
        where = getattr(getattr(error, "ctx", None), "command_path", "holdfast")
        print(f"holdfast: {one_line(redacted(error.format_message()))}; see: {where} --help", file=sys.stderr)
        sys.exit(2)
    except IncompleteError as error:
        print(f"holdfast: {one_line(redacted(str(error)))}", file=sys.stderr)
        sys.exit(3)
    except HoldfastError as error:
        print(f"holdfast: {one_line(redacted(str(error)))}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        print(
            f"holdfast: {one_line(redacted(str(error.filename or 'file')))}: {error.strerror}; name another place, or free some room",
            file=sys.stderr,
        )
        sys.exit(2)


__all__ = ["main"]
