"""From a recipe to objects: the one place where names become data, model, optimizer, engine.

Every function takes a validated Recipe and plain sizes, and returns objects that know nothing of
recipes. Chance enters here, from the recipe's seed, one stream a purpose.
"""

from handloom.run.assemble.batches import check_batches as check_batches
from handloom.run.assemble.batches import note_left_out as note_left_out
from handloom.run.assemble.batches import training_batches as training_batches
from handloom.run.assemble.engine import build_engine as build_engine
from handloom.run.assemble.engine import build_predictor as build_predictor
from handloom.run.assemble.engine import count_threads as count_threads
from handloom.run.assemble.engine import engine_for as engine_for
from handloom.run.assemble.memory import check_memory as check_memory
from handloom.run.assemble.network import build_loss as build_loss
from handloom.run.assemble.network import build_model as build_model
from handloom.run.assemble.network import build_optimizer as build_optimizer
from handloom.run.assemble.network import build_schedule as build_schedule
from handloom.run.assemble.network import check_class_weights as check_class_weights
from handloom.run.assemble.network import check_gradients as check_gradients
from handloom.run.assemble.network import schedule_notes as schedule_notes
from handloom.run.assemble.parts import Parts as Parts
from handloom.run.assemble.parts import appended as appended
from handloom.run.assemble.parts import evaluation_batches as evaluation_batches
from handloom.run.assemble.parts import fold_positions as fold_positions
from handloom.run.assemble.parts import load_data as load_data
from handloom.run.assemble.parts import load_parts as load_parts
from handloom.run.assemble.plan import explain_plan as explain_plan
from handloom.run.assemble.sources import located as located
from handloom.run.assemble.sources import relative_paths as relative_paths
from handloom.run.assemble.summary import NetworkSummary as NetworkSummary
from handloom.run.assemble.summary import summarise_network as summarise_network
from handloom.run.assemble.training import build_trainer as build_trainer
from handloom.run.assemble.training import check_callbacks as check_callbacks
