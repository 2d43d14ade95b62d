"""Ours beside its peers, step by step: who is how quick, under which roof.

workloads    what is timed               contestants  who takes part, in which configurations
roofline     what the machine can do     contest      one workload: checked, then in turns
standing     what it comes to            workers/     the contestants' own programs
"""

from handloom.bench.contest import Contest as Contest
from handloom.bench.contest import Entry as Entry
from handloom.bench.contest import Rules as Rules
from handloom.bench.contest import hold_contest as hold_contest
from handloom.bench.contestants import PEERS as PEERS
from handloom.bench.contestants import Field as Field
from handloom.bench.report import describe as describe
from handloom.bench.roofline import Roof as Roof
from handloom.bench.roofline import measure_roofs as measure_roofs
from handloom.bench.standing import Standing as Standing
from handloom.bench.standing import ratio as ratio
from handloom.bench.worker import WORKERS as WORKERS
from handloom.bench.workloads import WORKLOADS as WORKLOADS
from handloom.bench.workloads import Workload as Workload
from handloom.bench.workloads import chosen as chosen
