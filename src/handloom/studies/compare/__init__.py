"""Runs over seeds side by side: figures with intervals, and whether the differences are real."""

from handloom.studies.compare.comparison import Comparison as Comparison
from handloom.studies.compare.comparison import check_reach as check_reach
from handloom.studies.compare.comparison import compare as compare
from handloom.studies.compare.figures import Figures as Figures
from handloom.studies.compare.figures import RunFigures as RunFigures
from handloom.studies.compare.groups import Group as Group
from handloom.studies.compare.pairs import PairedTest as PairedTest
from handloom.studies.compare.pairs import RowPair as RowPair
