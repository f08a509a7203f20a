"""`python -m host_controller` is the command `smsrack`."""

from host_controller.cli import main

main()
