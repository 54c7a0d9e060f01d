"""Searches over the zoo's models: spaces, jobs and reports on keras-tuner."""

if __name__ != "kerasrec.tuning":
    raise ImportError(
        "Import this package as `kerasrec.tuning`; imported as "
        f"`{__name__}`, its classes would be registered with Keras twice."
    )
