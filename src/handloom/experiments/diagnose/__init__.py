"""Reads a run and says, with figures and pictures, what is going on and what to try."""

from handloom.experiments.diagnose.diagnosis import diagnose as diagnose
from handloom.experiments.diagnose.evidence import Evidence as Evidence
from handloom.experiments.diagnose.finding import Diagnosis as Diagnosis
from handloom.experiments.diagnose.finding import Finding as Finding
from handloom.experiments.diagnose.pictures import draw_diagnosis as draw_diagnosis
from handloom.experiments.diagnose.range_test import learning_rate_range as learning_rate_range
from handloom.experiments.diagnose.rules import Rule as Rule
from handloom.experiments.diagnose.rules import all_rules as all_rules
