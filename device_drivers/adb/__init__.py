"""The way to a phone: shell commands, the link that carries them, and the adb server in between."""
