"""The command line: parse, call, print. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Entry point `holdfast`. Exit codes: 0 ok, 1 a claim refused (--strict), 2 bad input, 3 some cells failed or are missing, 130 interrupted."""
    from typer._click.exceptions import ClickException, NoArgsIsHelpError

    from holdfast.cli.app import app
    from holdfast.errors import HoldfastError, IncompleteError, Interrupted
    from holdfast.escape import one_line

    def leave(*_: object) -> None:
        raise Interrupted  # not KeyboardInterrupt, which the command line's library would end on without a word

    for notice in (signal.SIGINT, signal.SIGTERM):
        signal.signal(notice, leave)
    try:
        sys.exit(app(prog_name="holdfast", standalone_mode=False))
    except NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except ClickException as error:
        where = getattr(getattr(error, "ctx", None), "command_path", "holdfast")
        print(f"holdfast: {one_line(error.format_message())}; see: {where} --help", file=sys.stderr)
        sys.exit(2)
    except IncompleteError as error:
        print(f"holdfast: {one_line(error)}", file=sys.stderr)
        sys.exit(3)
    except HoldfastError as error:
        print(f"holdfast: {one_line(error)}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        print(f"holdfast: {one_line(error.filename or 'file')}: {error.strerror}; name another place, or free some room", file=sys.stderr)
        sys.exit(2)
    except (Interrupted, KeyboardInterrupt):
        print("holdfast: interrupted; finished cells are kept, run the same command to go on", file=sys.stderr)
        sys.exit(130)


__all__ = ["main"]
