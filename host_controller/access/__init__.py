"""Who may ask for what: the keys of remote phones."""
