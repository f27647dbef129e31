"""What departments agree on without knowing each other: the words that travel between them."""

from collections.abc import Mapping

from wuye.i18n import LazyText, _

#: The beginnings of categories (`repair.heating`) that every installation's routing table knows at first, and the
#: department that they go to, enabled or not. An estate changes them under `routes`.
DEFAULT_ROUTES = {
    "repair": "maintenance",
    "security": "security",
    "environment": "environment",
    "office": "office",
}

#: Departments that work is handed to whether or not a plugin carries them: code → name.
DEPARTMENTS: Mapping[str, LazyText] = {
    "office": _("Management office"),
    "security": _("Security"),
    "environment": _("Environment"),
}

#: What work is about, as forms offer it: code → name of its last part. Any other code is taken too and read as words, so
#: an estate adds its own with a line of the routing table.
CATEGORIES: Mapping[str, LazyText] = {
    "repair": _("Repairs"),
    "repair.plumbing": _("Plumbing"),
    "repair.water_supply": _("Water supply"),
    "repair.sewer": _("Drains and sewers"),
    "repair.leak": _("Leaks"),
    "repair.electric": _("Electricity"),
    "repair.lighting": _("Lighting"),
    "repair.heating": _("Heating"),
    "repair.elevator": _("Lifts"),
    "repair.door": _("Entrance and intercom"),
    "repair.door_window": _("Doors and windows"),
    "repair.paint": _("Walls and paint"),
    "repair.floor": _("Floors and stairs"),
    "repair.construction": _("Structure and façade"),
    "repair.street": _("Roads and pavements"),
    "repair.network": _("Network and television"),
    "repair.general": _("Other repairs"),
    "security": _("Security"),
    "security.noise": _("Noise"),
    "security.parking": _("Parking"),
    "security.vehicle": _("Vehicles"),
    "security.person": _("Strangers and pedlars"),
    "security.fire": _("Fire safety"),
    "security.animal": _("Animals"),
    "security.general": _("Other security matters"),
    "environment": _("Environment"),
    "environment.sanitation": _("Cleaning"),
    "environment.waste": _("Waste"),
    "environment.rodent": _("Pests"),
    "environment.tree": _("Trees and greenery"),
    "environment.air": _("Smells and air"),
    "office": _("Management office"),
    "office.fee": _("Fees"),
    "office.decoration": _("Refurbishment"),
    "office.proposal": _("Proposals"),
    "office.lost_property": _("Lost property"),
    "office.general": _("Other matters"),
}
