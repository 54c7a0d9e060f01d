from typing import Any


def for_any_backend(config: Any) -> Any:
    """A configuration whose optimizers are those of Keras.

    On PyTorch, Keras writes down its variants for this backend. Other backends cannot train with them, nor
    import them where PyTorch is not installed; on PyTorch, Keras makes them from its own.

    Args:
        config: what `get_compile_config` gives, or a part of it.

    Returns:
        The same, with other names of modules.
    """
    if isinstance(config, dict):
        found = {name: for_any_backend(value) for name, value in config.items()}
        if str(found.get("module")).startswith("keras.src.backend.torch.optimizers."):
            found |= {"module": "keras.optimizers", "registered_name": None}
        return found
    return [for_any_backend(value) for value in config] if isinstance(config, list) else config
