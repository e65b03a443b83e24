import json

from holdfast.cli.options import Json

EXAMPLE = "recipes --json"


def recipes(as_json: Json = False) -> None:
    """List the shipped studies, and what each takes to run."""
    from holdfast import api

    shipped = api.recipes()
    if as_json:
        print(json.dumps([r._asdict() for r in shipped], indent=1))
        return
    for r in shipped:
        print(f"{r.name:24s} {r.cost}\n    {r.summary}")
