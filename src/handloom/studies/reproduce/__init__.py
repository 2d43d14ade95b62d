"""The published experiments that the project comes from: their figures and conclusions, and ours.

rows/            each experiment declared: what it trains, what was published and concluded
figures.py       what trainings gave, as plain numbers
claims.py        a conclusion and its verdict; checks.py what it can say; difference.py chance
trainings.py     runs found, gone on with, or made
tell.py          both sides of the table; wording.py in words
"""

from handloom.studies.reproduce.claims import Verdict as Verdict
from handloom.studies.reproduce.reproduction import FOLDER as FOLDER
from handloom.studies.reproduce.reproduction import choose as choose
from handloom.studies.reproduce.reproduction import reproduce as reproduce
from handloom.studies.reproduce.rows import EXPERIMENTS as EXPERIMENTS
from handloom.studies.reproduce.table import Reproduction as Reproduction
from handloom.studies.reproduce.text import COLUMNS as COLUMNS
from handloom.studies.reproduce.text import as_markdown as as_markdown
from handloom.studies.reproduce.text import cells as cells
from handloom.studies.reproduce.text import claimed as claimed
from handloom.studies.reproduce.text import counted_verdicts as counted_verdicts
