"""Make a study's derived.json from its rows: `python -m holdfast_llama2_7b.derive DIR [NAME]`."""

from __future__ import annotations

import json
import sys

from holdfast.errors import HoldfastError
from holdfast.store import write_atomic
from holdfast_llama2_7b.counts import derive
from holdfast_llama2_7b.tables import shipped


def text(root: str) -> bytes:
    return (json.dumps(derive(root), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def main(arguments: list[str]) -> int:
    if not 1 <= len(arguments) <= 2:
        print("usage: python -m holdfast_llama2_7b.derive DIR [NAME]", file=sys.stderr)
        return 2
    try:
        out = shipped(arguments[1] if len(arguments) > 1 else "llama2-7b") / "derived.json"
        write_atomic(out, text(arguments[0]))
    except HoldfastError as error:
        print(f"derive: {error}", file=sys.stderr)
        return 2
    print(f"{out.name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
