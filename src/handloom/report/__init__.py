"""The report: what runs or a study say, on one HTML page. jinja2 is imported here only."""

from handloom.report.write import open_subjects as open_subjects
from handloom.report.write import write_report as write_report
