"""Findings -> one offline page, paper figures and tables, and the table a terminal shows."""

from holdfast.report.page import write_report
from holdfast.report.terminal import result_table

__all__ = ["result_table", "write_report"]
