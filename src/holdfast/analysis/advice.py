"""The recommendation in plain language: every sentence is rendered from the cells it cites."""

from __future__ import annotations

from typing import Any

WORDS = {"raised": "raised", "lowered": "lowered", "unchanged": "left unchanged"}


def recommend(findings: dict[str, Any]) -> list[dict[str, Any]]:
    """[{text, cells}]: per axis what each domain did or that it could not be told, then what that means for training."""
    domains = [(k, a) for k, a in enumerate(findings["adapters"]) if a["role"] == "domain"]
    out = []
    for axis in sorted(findings["base"]["axes"]):
        for word, said in WORDS.items():
            hit = [(k, a) for k, a in domains if a["shifts"][axis]["verdict"] == word]
            if hit:
                names = ", ".join(f"{a['name']} ({_points(a['shifts'][axis])})" for _, a in hit)
                out.append({"text": f"{axis}: {said} by {names}.", "cells": [f"adapters/{k}/shifts/{axis}" for k, _ in hit]})
        rest = [(k, a) for k, a in domains if a["shifts"][axis]["verdict"] not in WORDS]
        if rest:
            names = ", ".join(f"{a['name']} ({a['shifts'][axis]['verdict'].replace('_', ' ')})" for _, a in rest)
            out.append({"text": f"{axis}: could not be told for {names}.", "cells": [f"adapters/{k}/shifts/{axis}" for k, _ in rest]})
    out += [*_format(domains), *_resistance(findings)]
    settled = {"raised", "lowered", "unchanged"}
    out += [
        _advice(
            domains, "risky", lambda words: "raised" in words, "raised at least one axis: prefer other data, or add a check before shipping"
        ),
        _advice(
            domains,
            "protective",
            lambda words: "lowered" in words and words <= settled - {"raised"},
            "lowered an axis, raised none and left nothing untold: the data to train on instead, where its gain serves",
        ),
        _advice(domains, "neutral", lambda words: words == {"unchanged"}, "left every axis unchanged"),
    ]
    mixed = [(k, a) for k, a in domains if "raised" not in _words(a) and _words(a) - settled]
    if mixed:
        out.append(
            {
                "text": f"{', '.join(a['name'] for _, a in mixed)} cannot be classed: at least one axis could not be told.",
                "cells": [f"adapters/{k}/shifts" for k, _ in mixed],
            }
        )
    return out


def _format(domains: list[Any]) -> list[dict[str, Any]]:
    """Raised or lowered shifts that training on the form alone may have made (METRICS section 4, rule 5)."""
    out = []
    for k, a in domains:
        for axis, beyond in a.get("vs_format_only", {}).items():
            shift = a["shifts"][axis]
            known = beyond["verdict"] != "not_identified"
            if shift["verdict"] not in ("raised", "lowered") or (known and beyond["lower"] is None):
                continue
            own = known and beyond["lower"] * beyond["upper"] > 0 and beyond["estimate"] * shift["estimate"] > 0
            if not own:
                much = _points(beyond) if known else "what is left is not identified"
                text = (
                    f"{axis}: that the domain of {a['name']} did it, and not training on this form of rows, is not shown "
                    f"({much} beyond the format-only adapter)."
                )
                out.append({"text": text, "cells": [f"adapters/{k}/shifts/{axis}", f"adapters/{k}/vs_format_only/{axis}"]})
    return out


def _resistance(findings: dict[str, Any]) -> list[dict[str, Any]]:
    out = []
    for k, m in enumerate(findings.get("mitigation", [])):
        removed = {axis: c for axis, c in m["shifts"].items() if c["verdict"] == "lowered"}
        gain = m["gains"].get(m["own_benchmark"])
        kept = f"; its gain on {m['own_benchmark']} changed by {_points(gain)}" if gain and gain["lower"] is not None else ""
        done = ", ".join(f"{axis} ({_points(c)})" for axis, c in removed.items()) or "no axis that could be told"
        cells = [f"mitigation/{k}/shifts/{axis}" for axis in m["shifts"]]
        cells += [f"mitigation/{k}/gains/{m['own_benchmark']}"] if kept else []
        out.append({"text": f"{m['name']}: beside {m['plain']}, resistance dialogues lowered {done}{kept}.", "cells": cells})
    return out


def _points(cell: dict[str, Any]) -> str:
    return f"{100 * cell['estimate']:+.1f} points [{100 * cell['lower']:+.1f}, {100 * cell['upper']:+.1f}]" + (
        ", negligible" if cell["negligible"] else ""
    )


def _words(adapter: dict[str, Any]) -> set[str]:
    """Verdict words of an adapter's axes; a negligible effect counts as unchanged."""
    return {"unchanged" if c["negligible"] else c["verdict"] for c in adapter["shifts"].values()}


def _advice(domains: list[Any], label: str, rule: Any, text: str) -> dict[str, Any]:
    hit = [(k, a) for k, a in domains if rule(_words(a))]
    if not hit:
        return {"text": f"No domain was shown to be {label}.", "cells": []}
    return {"text": f"{', '.join(a['name'] for _, a in hit)}: {text} ({label}).", "cells": [f"adapters/{k}/shifts" for k, _ in hit]}
