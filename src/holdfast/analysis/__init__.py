"""Trials -> findings."""

from holdfast.analysis.findings import analyze, findings_json

__all__ = ["analyze", "findings_json"]
