"""Findings as one offline page, as figures and tables for a paper, and as the table a terminal shows."""

from holdfast.report.page import is_drawn, write_report

__all__ = ["is_drawn", "write_report"]
