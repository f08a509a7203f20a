"""The phones of this rack: found, enrolled, watched."""
