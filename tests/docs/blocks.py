"""The code blocks of a Markdown page, fenced or indented, in their order.

A block's language and title decide how it is used:

    sh                  run line by line              sh with a title       elsewhere: every holdfast command parses, studies load
    python              run                           python, jsonl, yaml with a title   written to that file first
    yaml                a study, or a part of one     json, jsonl           parsed
    text, none          output, shown only
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LANGUAGES = {"sh", "python", "yaml", "json", "jsonl", "text", ""}
_FENCE = re.compile(r'^```([a-z]*)(?: title="([^"]+)")?$')


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    title: str | None
    text: str

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> list[str]:
        """Lines of a shell block without comments and continuation."""
        lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in self.text.replace("\\\n", " ").splitlines())
        return [line for line in lines if line]


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "decisions").glob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """Raises ValueError for a fence that says something else than the convention knows."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").split("\n")
    n, in_list = 0, False
    while n < len(lines):
        line, start = lines[n], n + 1
        if line.lstrip().startswith("```"):
            fence = _FENCE.match(line)
            if fence is None or fence[1] not in LANGUAGES or (fence[2] and fence[1] in ("", "text", "json")):
                raise ValueError(f"{page.name}:{start}: {line!r}: no known kind of block")
            end = next(k for k in range(n + 1, len(lines)) if lines[k] == "```")
            found.append(Block(page, start, fence[1], fence[2], "\n".join(lines[n + 1 : end]) + "\n"))
            n = end
        elif line.startswith("    ") and not in_list and n and not lines[n - 1].strip():
            end = next((k for k in range(n, len(lines)) if lines[k].strip() and not lines[k].startswith("    ")), len(lines))
            found.append(Block(page, start, "indented", None, "\n".join(x[4:] for x in lines[n:end]) + "\n"))
            n = end - 1
        elif line.strip():
            in_list = bool(re.match(r"\s*([-*]|\d+\.) ", line)) or (in_list and line.startswith(" "))
        n += 1
    return found
