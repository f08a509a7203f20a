"""A stock Android phone, driven by shell commands: what to call, how to read the answers."""
