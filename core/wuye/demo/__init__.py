"""The demo estate: a community with a month of plausible work, made by the same services that people use."""

from wuye.demo.preparation import DemoSummary, DemoUser, demo_users, prepare

__all__ = ["DemoSummary", "DemoUser", "demo_users", "prepare"]
