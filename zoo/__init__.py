"""Models by name: factories, their cards and the registry."""

if __name__ != "kerasrec.zoo":
    raise ImportError(
        "Import this package as `kerasrec.zoo`; imported as "
        f"`{__name__}`, its classes would be registered with Keras twice."
    )









