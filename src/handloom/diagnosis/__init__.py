"""Checks a run: what is wrong with it, the numbers and figures that show it, what to try."""

from handloom.diagnosis.diagnosis import diagnose as diagnose
from handloom.diagnosis.evidence import Evidence as Evidence
from handloom.diagnosis.finding import Diagnosis as Diagnosis
from handloom.diagnosis.finding import Finding as Finding
from handloom.diagnosis.pictures import draw_diagnosis as draw_diagnosis
from handloom.diagnosis.range_test import learning_rate_range as learning_rate_range
from handloom.diagnosis.rules import Rule as Rule
from handloom.diagnosis.rules import all_rules as all_rules
