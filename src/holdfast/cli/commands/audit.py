import json
from typing import Annotated

from typer import Argument

from holdfast.cli.options import Json, Offline, Strict
from holdfast.cli.text import audit_lines, exit_if_refused

EXAMPLE = "audit embedded"


def audit(
    source: Annotated[str, Argument(metavar="STUDY|OUT|TABLE", help="A study file or recipe, a run folder, or a trials table (.parquet).")],
    settings: Annotated[list[str] | None, Argument(metavar="[KEY=VALUE ...]", help="Settings of the study, such as data.root=DIR.")] = None,
    as_json: Json = False,
    strict: Strict = False,
    offline: Offline = False,
) -> None:
    """Check what rows, settings or trials can and cannot show.

    Looks for defects that invalidate a number, before or after training. No model is run.
    """
    from holdfast import api

    entries = api.audit(source, settings or [])
    plain = [e.model_dump(exclude_unset=True) for e in entries] if as_json else []
    print(json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) if as_json else "\n".join(audit_lines(entries)))
    exit_if_refused(entries, strict)
