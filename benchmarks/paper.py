"""A study's paper: every picture and table made, compiled with pdflatex or tectonic, and looked over: pages, overfull lines, fonts, sizes.

    python -m benchmarks.paper SOURCE ... [--pictures DIR]    # folders of finished runs, or published:NAME

Needs pdflatex (Debian: texlive-latex-recommended, texlive-fonts-recommended, lmodern) or tectonic, and poppler-utils (pdffonts, pdfinfo, pdftoppm).
With --pictures every page is written as a PNG to look at.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TOLERATED = 2.0  # points that a line may stand out


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--pictures", type=Path)
    chosen = parser.parse_args(arguments)
    fine = True
    for source in chosen.sources:
        with tempfile.TemporaryDirectory(prefix="holdfast-paper-") as folder:
            found = measured(source, Path(folder))
            name = re.sub(r"[^A-Za-z0-9]+", "-", Path(source).name).strip("-")
            if chosen.pictures is not None:
                chosen.pictures.mkdir(parents=True, exist_ok=True)
                subprocess.run(["pdftoppm", "-r", "150", "-png", Path(folder, "paper.pdf"), chosen.pictures / f"paper-{name}"], check=True)
                shutil.copy(Path(folder, "paper.pdf"), chosen.pictures / f"paper-{name}.pdf")
        print(source)
        for key, value in found.items():
            print(f"  {key:32s} {value}")
        fine &= (
            found["pages"] == 2
            and found["widest overfull line, points"] <= TOLERATED
            and not found["fonts not embedded"]
            and not found["errors"]
        )
    return 0 if fine else 1


def measured(source: str, folder: Path) -> dict[str, Any]:
    """Figures and tables of a source written to `folder`, paper.tex compiled there."""
    took = {}
    for command, kind in (("figures", "pdf"), ("tables", "latex")):
        start = _cpu()
        _run([sys.executable, "-m", "holdfast", command, source, "--format", kind, "-o", str(folder)])
        took[command] = _cpu() - start
    log = _compiled(folder)
    pictures = sorted(f for f in folder.glob("*.pdf") if f.stem != "paper")
    wide = [float(w) for w in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide", log)]
    fonts = [line for f in (folder / "paper.pdf", *pictures) for line in _run(["pdffonts", str(f)]).splitlines()[2:]]
    sizes = {f"{_width(f):g}" for f in pictures}
    return {
        "pictures": len(pictures),
        "tables": len(list(folder.glob("*col.tex"))),
        "pages": int(re.search(r"Pages:\s+(\d+)", _run(["pdfinfo", str(folder / "paper.pdf")]))[1]),  # type: ignore[index]
        "errors": log.count("\n!"),
        "overfull lines": len(wide),
        "widest overfull line, points": max(wide, default=0.0),
        "fonts": len(fonts),
        "fonts not embedded": [line for line in fonts if not re.search(r"\byes (?:yes|no)\s+(?:yes|no)\s+\d+", line)],
        "widths of pictures, points": ", ".join(sorted(sizes)),
        "CPU seconds, figures and tables": f"{took['figures']:.1f} and {took['tables']:.1f}",
    }


def _compiled(folder: Path) -> str:
    if shutil.which("pdflatex"):
        for _ in range(2):
            subprocess.run(["pdflatex", "-interaction=nonstopmode", "paper.tex"], cwd=folder, capture_output=True, check=False)
    elif shutil.which("tectonic"):
        subprocess.run(["tectonic", "--keep-logs", "paper.tex"], cwd=folder, capture_output=True, check=False)
    else:
        sys.exit("paper: needs pdflatex or tectonic; install texlive-latex-recommended and lmodern")
    return (folder / "paper.log").read_text(encoding="utf-8", errors="replace")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _width(file: Path) -> float:
    return float(re.search(r"Page size:\s+([\d.]+)", _run(["pdfinfo", str(file)]))[1])  # type: ignore[index]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"paper: {' '.join(command)}: {done.stderr.strip()[-500:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
