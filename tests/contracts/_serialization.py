import inspect
import json

import keras


def check_arguments(cls, arguments):
    """Every argument that is the class's own is given, and none at its default."""
    keras_own = {"kwargs"}
    for base in (keras.layers.Layer, keras.losses.Loss, keras.metrics.Metric):
        keras_own |= set(inspect.signature(base).parameters)
    parameters = inspect.signature(cls).parameters
    own = {name: parameter for name, parameter in parameters.items() if name not in keras_own}
    assert set(own) == set(arguments), f"a case gives every argument of {cls.__name__}"
    for name, parameter in own.items():
        assert not _same(arguments[name], parameter.default), f"the case's `{name}` is its default"


def check_config(made, arguments):
    """The config is JSON, complete, small, and makes an equal object."""
    config = made.get_config()
    for name in arguments:
        assert name in config, f"get_config() lacks `{name}`"
    text = json.dumps(keras.saving.serialize_keras_object(made))
    assert len(text) < 10_000, "what grows with the data belongs into assets"
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(again) is type(made)
    assert json.dumps(again.get_config(), sort_keys=True, default=str) == json.dumps(
        config, sort_keys=True, default=str
    )
    assert keras.saving.get_registered_name(type(made)).startswith("kerasrec>")


def _same(value, default):
    return type(value) is type(default) and value == default
