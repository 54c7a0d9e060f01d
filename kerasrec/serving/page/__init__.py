"""A page to look at a model: rendered here, without a line of JavaScript and with nothing from elsewhere."""
