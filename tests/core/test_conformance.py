"""Core keeps what it asks of every plugin; and the tests that it gives them can fail."""

from wuye.core_plugin import core
from wuye.testing import conformance

TestConformance = conformance(core)
