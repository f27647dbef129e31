"""`python -m wuye` is the same as the command `wuye`."""

from wuye.cli import main

main()
