"""Series: a recipe over seeds and folds; each of its runs is found again, resumed or trained."""

from handloom.series.member import Member as Member
from handloom.series.member import relocated as relocated
from handloom.series.plan import MEMBER_FOLDER as MEMBER_FOLDER
from handloom.series.plan import Series as Series
from handloom.series.plan import digest as digest
from handloom.series.plan import identity as identity
from handloom.series.plan import parse_seeds as parse_seeds
from handloom.series.pool import Pool as Pool
from handloom.series.pool import check_on as check_on
from handloom.series.pool import open_pool as open_pool
from handloom.series.task import Outcome as Outcome
from handloom.series.task import Progress as Progress
from handloom.series.task import Task as Task
from handloom.series.task import train_task as train_task
from handloom.series.train import Listener as Listener
from handloom.series.train import train_all as train_all
