"""For the tests of core and of every plugin: fixtures (a pytest plugin) and the generic tests (`conformance`)."""

from wuye.testing.client import Client, Refused
from wuye.testing.conformance import conformance
from wuye.testing.estate import TestEstate
from wuye.testing.waiting import DEADLINE, until

__all__ = ["DEADLINE", "Client", "Refused", "TestEstate", "conformance", "until"]
