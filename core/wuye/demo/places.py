"""The demo estate's buildings, homes, halls, plant rooms and parking."""

from decimal import Decimal

from wuye.context import Context
from wuye.properties.models import Property
from wuye.properties.services import create_property

BUILDINGS, FLOORS, HOMES = 4, 8, 3
_AREAS = (Decimal("89.40"), Decimal("117.85"), Decimal("143.20"))


def build(ctx: Context) -> tuple[list[Property], list[Property]]:
    """Create the property tree; return its homes, and the places that all share."""
    homes: list[Property] = []
    shared: list[Property] = []

    def place(kind: str, code: str, name: str, parent: Property | None = None, area: Decimal | None = None) -> Property:
        values = {"kind": kind, "code": code, "name": name, "area_m2": area}
        row = create_property(ctx, {**values, "parent_id": parent.id if parent else None})
        ctx.session.flush()
        return row

    zone = place("zone", "A", "望江花园")
    for number in range(1, BUILDINGS + 1):
        building = place("building", f"{number}", f"{number}号楼", zone)
        shared.append(place("common_area", f"{number}-hall", "大堂", building))
        shared.append(place("plant_room", f"{number}-lift", "电梯机房", building))
        for floor in range(1, FLOORS + 1):
            level = place("floor", f"{number}-{floor}", f"{floor}层", building)
            homes += [
                place("unit", f"{number}-{floor}{room:02d}", f"{floor}{room:02d}室", level, _AREAS[room - 1])
                for room in range(1, HOMES + 1)
            ]
    shared += [
        place("plant_room", "pump", "地下水泵房", zone),
        place("plant_room", "power", "配电房", zone),
        place("common_area", "gate-east", "东门岗", zone),
        place("common_area", "garden", "中心花园", zone),
        place("common_area", "garage", "地下车库", zone),
    ]
    for number in range(1, 21):
        place("parking_space", f"P{number:03d}", f"车位 {number:03d}", shared[-1])
    return homes, shared
