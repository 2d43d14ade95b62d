"""The report: runs or a study on one HTML page. jinja2 is imported here only."""

from handloom.report.write import open_subjects as open_subjects
from handloom.report.write import write_report as write_report
