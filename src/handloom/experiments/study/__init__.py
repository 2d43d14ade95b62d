"""Studies: what is asked, and the folder in which the answer grows."""

from handloom.experiments.study.configuration import Configuration as Configuration
from handloom.experiments.study.configuration import name_of as name_of
from handloom.experiments.study.configuration import short_names as short_names
from handloom.experiments.study.configuration import written as written
from handloom.experiments.study.load import StudyPlan as StudyPlan
from handloom.experiments.study.load import list_studies as list_studies
from handloom.experiments.study.load import load_study as load_study
from handloom.experiments.study.space import Space as Space
from handloom.experiments.study.study import Study as Study
from handloom.experiments.study.study import StudyTrial as StudyTrial
from handloom.experiments.study.study import open_study as open_study
