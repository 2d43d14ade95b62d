"""Ensembles: runs that predict together, and how they are trained over folds and seeds."""

from handloom.studies.ensemble.combined import CombinedRuns as CombinedRuns
from handloom.studies.ensemble.ensemble import Ensemble as Ensemble
from handloom.studies.ensemble.ensemble import is_ensemble as is_ensemble
from handloom.studies.ensemble.ensemble import open_combined as open_combined
from handloom.studies.ensemble.ensemble import open_ensemble as open_ensemble
from handloom.studies.ensemble.train import resume_ensemble as resume_ensemble
from handloom.studies.ensemble.train import train_ensemble as train_ensemble
