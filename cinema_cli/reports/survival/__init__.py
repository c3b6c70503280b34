"""The page of a survival analysis: every number of it comes from the one tidy table of estimates."""

from cinema_cli.reports.analysis.facts import InputFile
from cinema_cli.reports.survival.facts import SurvivalFacts
from cinema_cli.reports.survival.page import render_survival

__all__ = ["InputFile", "SurvivalFacts", "render_survival"]
