"""The page of a fairness audit: every metric by group, each gap beside what chance alone shows."""

from cinema_cli.reports.analysis.facts import InputFile
from cinema_cli.reports.fairness.facts import FairnessFacts
from cinema_cli.reports.fairness.page import render_fairness

__all__ = ["FairnessFacts", "InputFile", "render_fairness"]
