"""Runs over seeds side by side: figures with intervals, and whether the differences are real."""

from handloom.experiments.compare.comparison import Comparison as Comparison
from handloom.experiments.compare.comparison import check_reach as check_reach
from handloom.experiments.compare.comparison import compare as compare
from handloom.experiments.compare.figures import Figures as Figures
from handloom.experiments.compare.figures import RunFigures as RunFigures
from handloom.experiments.compare.groups import Group as Group
from handloom.experiments.compare.pairs import Pair as Pair
from handloom.experiments.compare.pairs import PairedTest as PairedTest
