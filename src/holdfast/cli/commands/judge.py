import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from holdfast.cli.options import Json, Quiet, number, out_file
from holdfast.cli.text import agreement_line, verdict_lines
from holdfast.progress import say

EXAMPLE = "judge rows.jsonl --kind feedback --base-url http://127.0.0.1:8000/v1 --model NAME"
FIELDS = (
    "Rows to judge. feedback: id, comment, baseline, said (the user's words around the text; masked), and optionally frame and cluster. "
    "short_answer: id, question, gold, reply, and optionally aliases and cluster."
)


def judge(
    file: Annotated[Path, Argument(metavar="FILE.jsonl", help=FIELDS)],
    kind: Annotated[str, Option(help="feedback (comment against baseline, both orders) or short_answer.")],
    base_url: Annotated[str, Option(help="OpenAI-compatible server, for example http://127.0.0.1:8000/v1.")],
    model: Annotated[str, Option(help="Model name on the server.")],
    labels: Annotated[Path | None, Option(help="Labelled rows: all fields or an id, plus the label; needed for verdicts.")] = None,
    out: Annotated[
        Path | None, Option("--out", "-o", metavar="PATH", parser=out_file, help="File for the verdicts, one JSON row each.")
    ] = None,
    cache: Annotated[Path, Option(help="Folder that keeps every reply; nothing is asked twice.")] = Path("runs/judge"),
    api_key_env: Annotated[str | None, Option(help="Name of the environment variable with the key (not the key).")] = None,
    concurrency: Annotated[int, Option(parser=number(), metavar="INTEGER", help="Maximum number of requests in flight.")] = 8,
    timeout: Annotated[float, Option(parser=number(kind=float), metavar="FLOAT", help="Seconds for one request.")] = 60.0,
    attempts: Annotated[int, Option(parser=number(), metavar="INTEGER", help="Requests for one reply, the first included.")] = 5,
    max_tokens: Annotated[
        int, Option(parser=number(), metavar="INTEGER", help="New tokens of one reply; raise it for a judge that reasons first.")
    ] = 256,
    seed: Annotated[int, Option(parser=number(), metavar="INTEGER", help="Sampling seed sent to the server.")] = 0,
    min_kappa: Annotated[
        float, Option(parser=number(kind=float), metavar="FLOAT", help="Minimum Cohen's kappa with the labels for verdicts to be used.")
    ] = 0.6,
    min_labels: Annotated[
        int, Option(parser=number(), metavar="INTEGER", help="Minimum number of labelled rows (clusters) for agreement.")
    ] = 30,
    as_json: Json = False,
    strict: Annotated[bool, Option(help="Exit with 1 if the verdicts are refused or withheld.")] = False,
    quiet: Quiet = False,
) -> None:
    """Judge replies with a model that agrees with labels.

    The judge's agreement with labelled rows is measured first; it decides whether verdicts on FILE are given.
    """
    from holdfast.judges.judging import judge_file, summary
    from holdfast.judges.settings import judge_settings, parse_kind

    settings = judge_settings(
        base_url=base_url, model=model, api_key_env=api_key_env, concurrency=concurrency, timeout_seconds=timeout,
        attempts=attempts, max_tokens=max_tokens, seed=seed, min_kappa=min_kappa, min_labels=min_labels,
    )  # fmt: skip
    judged, rows = judge_file(file, kind, settings, labels=labels, out=out, cache=cache, measured=lambda a: say(agreement_line(a)))
    rates = summary(parse_kind(kind), judged, settings)
    if as_json:
        agreement = asdict(judged.agreement) if judged.agreement else None
        counts = {"asked": judged.asked, "cached": judged.cached}
        print(json.dumps({"agreement": agreement, "summary": rates, **counts, **({} if out else {"rows": rows})}))
    else:
        print("\n".join(verdict_lines(rates, judged)))
        if out is None:
            print("\n".join(f"{json.dumps(r['id'])}\t{r['verdict'] or '-'}\t{ascii(r['reason'] or '')[1:-1]}" for r in rows))
        else:
            print(f"verdicts: {out}")
    if strict and judged.refused:
        raise typer.Exit(1)
    if rates["all"]["errors"] or (judged.agreement and judged.agreement.errors):
        say("some replies are missing because of errors; run it again to request only those", always=True)
        raise typer.Exit(3)
