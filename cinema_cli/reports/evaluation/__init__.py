"""The pages of an evaluation: agreement with a reference, two systems side by side, repeatability, worst cases."""

from cinema_cli.reports.analysis.facts import InputFile
from cinema_cli.reports.evaluation.facts import EvaluationFacts, Score, WorstCase, WorstStudy, WorstView
from cinema_cli.reports.evaluation.page import render_evaluation
from cinema_cli.reports.evaluation.worst import comparison, render_worst

__all__ = [
    "EvaluationFacts",
    "InputFile",
    "Score",
    "WorstCase",
    "WorstStudy",
    "WorstView",
    "comparison",
    "render_evaluation",
    "render_worst",
]
