"""wuye (物业): a modular ERP for property management. Plugins import `wuye.api`, never this package's insides."""

__version__ = "0.1.0"
