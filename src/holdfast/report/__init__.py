"""Findings -> one offline page, tables, and the table a terminal shows."""

from holdfast.report.page import result_table, write_report

__all__ = ["result_table", "write_report"]
