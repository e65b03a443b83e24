import json
from pathlib import Path
from typing import Annotated

from typer import Argument

from holdfast.cli.options import Json
from holdfast.errors import ConfigError, HoldfastError
from holdfast.store import read_json

EXAMPLE = "report runs/embedded"
OTHERS = ("study.yaml", "environment.json", "transcripts.jsonl.gz", "trials.parquet")  # read besides findings and audit


def report(folder: Annotated[Path, Argument(help="Folder of a finished run.")], as_json: Json = False) -> None:
    """Draw the report of a finished run again."""
    from jinja2 import UndefinedError

    from holdfast.report import write_report
    from holdfast.report.finished import read_folder, training_files
    from holdfast.run_files import verify_files

    run = read_folder(folder, audit_required=True)
    about = folder / "environment.json"  # the run's own; an analysis of published tables has none
    read = [name for name in OTHERS if (folder / name).exists()] + [f.relative_to(folder).as_posix() for f in training_files(folder)]
    with verify_files(folder, *read):
        environment = read_json(about) if about.is_file() else {}
        try:
            page = write_report(folder, run.findings, run.audit, environment, folder / "transcripts.jsonl.gz")
        except HoldfastError:
            raise
        except (LookupError, TypeError, AttributeError, ValueError, UndefinedError) as error:
            raise ConfigError(
                f"{folder}: environment.json is damaged ({type(error).__name__}: {str(error)[:100]}); run the study again"
            ) from error
    print(json.dumps({"report": str(page)}) if as_json else f"report: {page}")
