"""Ensembles: runs that predict together, and how they are trained over folds and seeds."""

from handloom.ensemble.committee import Committee as Committee
from handloom.ensemble.ensemble import Ensemble as Ensemble
from handloom.ensemble.ensemble import is_ensemble as is_ensemble
from handloom.ensemble.ensemble import open_ensemble as open_ensemble
from handloom.ensemble.ensemble import open_together as open_together
from handloom.ensemble.train import resume_ensemble as resume_ensemble
from handloom.ensemble.train import train_ensemble as train_ensemble
