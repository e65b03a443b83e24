"""Training rows cut or dropped at max_length: the domain that was trained is not the one that was named."""

from __future__ import annotations

from holdfast.auditing.context import AuditContext, AuditEntry, entry

LARGEST = 0.05
NEXT = "Raise train.max_length, or leave long rows out on purpose."


def check(context: AuditContext) -> list[AuditEntry]:
    out, count = [], 0
    for record in context.trainings:
        if "num_truncated" not in record or record.get("seed", 0) != 0:
            continue
        count += 1
        total = record["num_examples"] + record["num_dropped"]
        lost = record["num_truncated"]
        if total and lost / total > LARGEST:
            claim = f"{lost} of {total} training rows of {record['domain']} were cut at train.max_length, {record['num_dropped']} of them dropped"
            evidence = {"truncated": lost, "dropped": record["num_dropped"], "of": total, "domain": record["domain"]}
            out.append(entry("truncation", "warn", claim, evidence))
    if count and not out:
        out = [entry("truncation", "ok", f"at most {LARGEST:.0%} of any domain's training rows were cut", {"domains": count})]
    return out
