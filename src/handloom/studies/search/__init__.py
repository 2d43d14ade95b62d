"""The search: configurations of a recipe are tried, and the folder keeps what came of each."""

from handloom.studies.search.listener import TrialListener as TrialListener
from handloom.studies.search.plan.configuration import Configuration as Configuration
from handloom.studies.search.plan.configuration import name_of as name_of
from handloom.studies.search.plan.configuration import short_names as short_names
from handloom.studies.search.plan.configuration import written as written
from handloom.studies.search.plan.load import StudyPlan as StudyPlan
from handloom.studies.search.plan.load import list_studies as list_studies
from handloom.studies.search.plan.load import load_study as load_study
from handloom.studies.search.plan.space import Space as Space
from handloom.studies.search.storage import Storage as Storage
from handloom.studies.search.study import Study as Study
from handloom.studies.search.study import StudyTrial as StudyTrial
from handloom.studies.search.study import open_study as open_study
from handloom.studies.search.tune import tune as tune
