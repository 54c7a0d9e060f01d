"""The web page of a model: rendered on the server, without JavaScript or external resources."""
