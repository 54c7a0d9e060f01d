"""The parts of Keras that the trainers use but Keras does not export."""

from keras.src import tree as tree
from keras.src.backend.common import global_state as global_state
from keras.src.backend.common.stateless_scope import StatelessScope as StatelessScope
from keras.src.backend.common.stateless_scope import get_stateless_scope as get_stateless_scope
from keras.src.backend.common.stateless_scope import in_stateless_scope as in_stateless_scope
from keras.src.backend.common.variables import AutocastScope as AutocastScope
from keras.src.distribution.distribution_lib import Distribution as Distribution
from keras.src.distribution.distribution_lib import distribution as distribution
from keras.src.models.functional import Functional as Functional
from keras.src.models.model import functional_init_arguments as functional_init_arguments
from keras.src.trainers.data_adapters import get_data_adapter as get_data_adapter
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter as ArrayDataAdapter
from keras.src.trainers.data_adapters.array_slicing import train_validation_split as train_validation_split
from keras.src.trainers.data_adapters.data_adapter import DataAdapter as DataAdapter
from keras.src.trainers.data_adapters.generator_data_adapter import (
    GeneratorDataAdapter as GeneratorDataAdapter,
)
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter as PyDatasetAdapter
from keras.src.trainers.data_adapters.tf_dataset_adapter import TFDatasetAdapter as TFDatasetAdapter
from keras.src.trainers.trainer import model_supports_jit as model_supports_jit
