"""`python -m wuye.serving PLAN`: the supervisor's process; `wuye serve` and `wuye demo` become it."""

import sys

from wuye.serving.plan import Plan
from wuye.serving.supervisor import Supervisor

if __name__ == "__main__":
    sys.exit(Supervisor(Plan.from_text(sys.argv[1])).run())
