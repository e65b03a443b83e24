"""`holdfast judge`: verdicts on written feedback or short answers from a judge that first has to agree with labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli.options import Quiet

FIELDS = (
    "Rows to judge. feedback: id, comment, baseline, said (the user's words around the text; masked), frame and cluster if known. "
    "short_answer: id, question, gold, reply, aliases and cluster if known."
)


def register(app: typer.Typer) -> None:
    app.command(
        "judge",
        short_help="Verdicts of a judge that first agrees with labels.",
        epilog="Example: holdfast judge rows.jsonl --kind feedback --base-url http://127.0.0.1:8000/v1 --model NAME",
    )(judge)


def judge(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help=FIELDS)],
    kind: Annotated[str, typer.Option(help="feedback (comment against baseline, both orders) or short_answer.")],
    base_url: Annotated[str, typer.Option(help="OpenAI-compatible server, for example http://127.0.0.1:8000/v1.")],
    model: Annotated[str, typer.Option(help="Model name the server knows.")],
    labels: Annotated[
        Path | None, typer.Option(help="Labelled rows: the same fields and label, or id and label alone; without them no verdict is given.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File for the verdicts, one JSON row each.")] = None,
    cache: Annotated[Path, typer.Option(help="Folder in which every reply is kept; nothing is asked twice.")] = Path("runs/judge"),
    api_key_env: Annotated[str | None, typer.Option(help="Name of the environment variable with the key (not the key).")] = None,
    concurrency: Annotated[int, typer.Option(help="Requests in flight at most.")] = 8,
    timeout: Annotated[float, typer.Option(help="Seconds for one request.")] = 60.0,
    attempts: Annotated[int, typer.Option(help="Requests for one reply, the first included.")] = 5,
    max_tokens: Annotated[int, typer.Option(help="New tokens of one reply; raise it for a judge that thinks aloud.")] = 256,
    seed: Annotated[int, typer.Option(help="Sampling seed sent to the server.")] = 0,
    min_kappa: Annotated[float, typer.Option(help="Cohen's kappa with the labels below which verdicts are refused.")] = 0.6,
    min_labels: Annotated[int, typer.Option(help="Labelled rows (clusters) below which agreement is unknown.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    strict: Annotated[bool, typer.Option(help="Exit with 1 if the verdicts are refused or withheld.")] = False,
    quiet: Quiet = False,
) -> None:
    """Ask a judge for verdicts on FILE; its agreement with labelled rows is shown first and decides whether they are given."""
    import json
    from dataclasses import asdict

    from holdfast.errors import ConfigError
    from holdfast.judges import ReplyCache, judge_settings, judged_items, labelled_items, summary
    from holdfast.judges import judge as run
    from holdfast.judges.settings import known_kind
    from holdfast.progress import say, work
    from holdfast.store import canonical, write_atomic

    chosen = known_kind(kind)
    settings = judge_settings(
        base_url=base_url, model=model, api_key_env=api_key_env, concurrency=concurrency, timeout_seconds=timeout,
        attempts=attempts, max_tokens=max_tokens, seed=seed, min_kappa=min_kappa, min_labels=min_labels,
    )  # fmt: skip
    settings.api_key()
    items = judged_items(chosen, file)
    labelled, truth = labelled_items(chosen, labels, items) if labels else ([], {})
    if out is not None:
        _writable(out, [file, *([labels] if labels else [])], ConfigError)
    kept = ReplyCache(cache)
    total = (len(items) + len(labelled)) * (2 if chosen == "feedback" else 1)
    with work(total, "judging") as advance:
        found = run(chosen, items, settings, kept, labelled=labelled, labels=truth, measured=lambda a: say(_agreement(a)), advance=advance)
    rows = [_row(item.fields["id"], judgement) for item, judgement in zip(items, found.judgements, strict=True)]
    if out is not None:
        write_atomic(out, "".join(canonical(row) + "\n" for row in rows).encode())
    told = {"agreement": asdict(found.agreement) if found.agreement else None, "summary": summary(chosen, found, settings)}
    if as_json:
        print(json.dumps(told | {"asked": found.asked, "cached": found.cached} | ({} if out else {"rows": rows})))
    else:
        print("\n".join(_lines(told, found)))
        if out is None:
            print(
                "\n".join(f"{json.dumps(r['id'])}\t{r['verdict'] or '-'}\t{ascii(r['reason'])[1:-1] if r['reason'] else ''}" for r in rows)
            )
        else:
            print(f"verdicts: {out}")
    if strict and found.refused:
        raise typer.Exit(1)
    if told["summary"]["all"]["errors"] or (found.agreement and found.agreement.errors):
        say("some replies are missing because of errors; run the same command again to ask for those alone", always=True)
        raise typer.Exit(3)


def _writable(out: Path, read: list[Path], error: type[Exception]) -> None:
    import os

    if any(out.exists() and p.exists() and out.samefile(p) for p in read):
        raise error(f"-o/--out: {out} is one of the files read; name another file")
    if out.is_dir() or not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise error(f"-o/--out: {out} cannot be written as a file; name one in a folder that exists and is yours")


def _row(name: Any, judgement: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {"id": name, "verdict": judgement.verdict, "orders": [asdict(heard) for heard in judgement.orders],
            "errors": judgement.num_errors, "reason": judgement.reason}  # fmt: skip


def _agreement(a: Any) -> str:
    if a.kappa is None:
        head = "agreement with the labels: kappa unknown"
    else:
        interval = f" [{a.lower:.3f}, {a.upper:.3f}]" if a.lower is not None else ""
        head = f"agreement with the labels: kappa {a.kappa:.3f}{interval}, raw {a.raw:.3f}"
    flips = "" if a.order_flip_rate is None else f", order flips {a.order_flip_rate:.1%}"
    end = "usable" if a.usable else f"refused: {a.reason}"
    return f"{head}, {a.n} of {a.num_labelled} labelled rows{flips}, {a.errors} errors, {a.unparsed} unparsed: {end}"


def _lines(told: dict[str, Any], found: Any) -> list[str]:
    lines = [_agreement(found.agreement) if found.agreement else "agreement with the labels: not measured"]
    if found.refused:
        lines.append(found.refused)
    parts = {"all rows": told["summary"]["all"], **told["summary"]["frames"]}
    for name, part in parts.items():
        flips = "" if part["order_flip_rate"] is None else f", order flips {part['order_flip_rate']:.1%}"
        lines.append(f"{ascii(name)[1:-1]}: {part['rows']} rows{flips}, {part['errors']} errors, {part['unparsed']} unparsed")
        if not found.refused:
            lines += [f"  {label:16s} {_share(entry)}" for label, entry in part["verdicts"].items()]
    return [*lines, f"{found.asked} replies asked for, {found.cached} kept from before"]


def _share(entry: dict[str, Any]) -> str:
    lower, upper = entry["bounds"]
    if entry["share"] is None:
        return f"{entry['count']:6d}  not identified: between {lower:.1%} and {upper:.1%}"
    return f"{entry['count']:6d}  {entry['share']:6.1%}" + ("" if lower == upper else f"  (bounds {lower:.1%} to {upper:.1%})")
