"""Properties: the estate as a tree of zones, buildings, floors, units, common areas, plant rooms, parking."""
