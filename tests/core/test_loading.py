"""What an author gets wrong is refused when the plugin is loaded, with words that say where and what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.orm import Mapped

from wuye.api import (
    UUID,
    Base,
    EstateScoped,
    Flow,
    Plugin,
    RecordSchema,
    Resource,
    ScopedSchema,
    State,
    Transition,
    fields,
    hookimpl,
    ref,
)
from wuye.plugins import independence
from wuye.plugins.loader import PluginError, load
from wuye.plugins.manifest import Manifest
from wuye.records.flow import FlowError
from wuye.records.models import Timeline
from wuye_maintenance.models import Asset, WorkOrder

DECLARED = {
    "plugin": {"name": "tests", "label": "Tests", "api": ">=1,<2"},
    "permissions": {"read": "See", "handle": "Handle"},
    "roles": {"keeper": ["read", "handle"]},
}


class OrderSchema(RecordSchema):
    order_type = fields.Choice(("corrective", "emergency"), required=True)
    remedy = fields.LongText()


class OrderWithoutType(RecordSchema):
    remedy = fields.LongText()


class AssetSchema(ScopedSchema):
    code = fields.String(required=True)
    name = fields.String(required=True)
    asset_class = fields.String(required=True)


class EntrySchema(ScopedSchema):
    version = None
    created_at = None
    updated_at = None
    event = fields.String(required=True)


def flow(**step):
    given = {"permission": "handle", **step}
    return Flow(State("here", "Here", "open"), State("gone", "Gone", "done"),
                Transition("collect", "Collect", "here", "gone", **given))  # fmt: skip


def loaded(*resources):
    class Odd(Plugin):
        @hookimpl
        def register_resources(self):
            return resources

    plugin = Odd()
    plugin.manifest, plugin.folder = Manifest.parse(DECLARED, "here"), Path(__file__).parent / "nowhere"
    return load(strict=True, extra=(plugin,)).registry.resources


def orders(step_flow=None, schema=OrderSchema, **declared):
    """An odd plugin's resource, over a model that is there anyway: one made here would be in all other tests' way."""
    return Resource(
        "orders", WorkOrder, schema, step_flow or flow(), **{"create": "handle", "update": "handle", **declared}
    )


def test_a_record_has_the_filters_orders_and_tabs_of_all_work_without_saying_so():
    found = loaded(orders())["tests.orders"]
    assert {"state", "phase", "assignee", "requester", "due_at", "opened_at"} <= set(found.filters)
    assert found.sort == ("-opened_at", "due_at")
    assert [view.name for view in found.views] == ["open", "mine", "unassigned", "overdue", "all"]
    assert found.columns[:4] == ("number", "title", "order_type", "remedy")


def test_a_permission_is_spelled_the_same_way_everywhere():
    found = loaded(orders(flow(permission="handle", override="read")))["tests.orders"]
    step = found.flow.transitions["collect"]
    assert (step.permission, step.override, found.create) == ("tests.handle", "tests.read", "tests.handle")


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: orders(flow(override="dispach")), r"permission tests\.dispach \(transition collect\)"),
        (lambda: orders(flow(permission="handel")), r"permission tests\.handel \(transition collect\)"),
        (lambda: orders(search=("number", "carier")), "the model has no attribute carier"),
        (lambda: orders(filters=("carier",)), "the schema has no field carier"),
        (lambda: orders(schema=OrderWithoutType), "column order_type may not be empty"),
        (lambda: Resource("orders", WorkOrder, OrderSchema, create="handle", update="handle"), "needs a flow"),
        (
            lambda: Resource("entries", Timeline, EntrySchema, create="handle", update=None, sort=("event",)),
            "no version",
        ),
    ],
)
def test_a_typing_error_is_refused(made, reason):
    with pytest.raises(PluginError, match=reason):
        loaded(made())


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(PluginError, match=r"no field carier.*no attribute kolor"):
        loaded(orders(filters=("carier",), search=("kolor",)))


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"by": "asignee"}, "by 'asignee' is none of anyone, requester, assignee, not_doer"),
        ({"evidence": "signature"}, r"evidence is a tuple of labels: \('signature',\)"),
    ],
)
def test_what_would_invert_a_rule_is_refused(step, reason):
    with pytest.raises(FlowError, match=reason):
        flow(**step)


def test_a_plain_thing_needs_no_search():
    assert (
        loaded(Resource("things", Asset, AssetSchema, create="handle", update="handle", sort=("name",)))[
            "tests.things"
        ].search
        == ()
    )


# ---- plugins that lean on each other


def model(module, **columns):
    """Make a model as if it stood in a plugin's module; taken out of the metadata again by the test's end."""
    return type("Thing", (EstateScoped, Base), {"__module__": module, "__doc__": "A thing.", **columns})


@pytest.fixture
def tidy():
    before = set(Base.metadata.tables)
    made = []
    yield made
    for each in made:
        Base.registry._dispose_cls(each)
    for name in set(Base.metadata.tables) - before:
        Base.metadata.remove(Base.metadata.tables[name])


def test_a_reference_to_another_plugins_table_is_refused(tidy):
    tidy.append(
        model("wuye_leaning.models", asset_id=ref("maintenance_asset"), __annotations__={"asset_id": Mapped[UUID]})
    )
    with pytest.raises(ValueError, match="leaning_thing refers to maintenance_asset"):
        independence.check_tables("leaning")


def test_a_table_under_another_name_is_refused(tidy):
    tidy.append(model("wuye_renamed.models", __tablename__="things"))
    with pytest.raises(ValueError, match="must be named renamed_"):
        independence.check_tables("renamed")


def test_an_import_of_another_plugin_is_refused_with_its_line(tmp_path):
    (tmp_path / "models.py").write_text(
        '"""from wuye_odd import what"""\n\nfrom wuye_maintenance.models import Asset\n'
    )
    with pytest.raises(ValueError, match=r"models\.py:3: it imports wuye_maintenance\.models"):
        independence.check_imports("leaning", tmp_path)
    (tmp_path / "models.py").write_text('"""\nfrom wuye_odd import what\n"""\nfrom wuye_leaning.x import y\n')
    independence.check_imports("leaning", tmp_path)


# ---- a broken plugin that is installed


@pytest.fixture
def site(tmp_path):
    """A folder of packages with a plugin whose declaration raises, as pip would have installed it."""
    package = tmp_path / "wuye_broken"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "manifest.toml").write_text('[plugin]\nname = "broken"\nlabel = "Broken"\napi = ">=1,<2"\n')
    (package / "plugin.py").write_text(
        '"""Broken."""\nfrom wuye.api import Plugin, hookimpl\n\n\nclass Broken(Plugin):\n    @hookimpl\n'
        "    def register_resources(self):\n        yield 1 / 0\n\n\nplugin = Broken()\n"
    )
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[wuye.plugins]\nbroken = wuye_broken.plugin:plugin\n")
    return tmp_path


def test_a_plugin_that_fails_is_told_with_file_and_line_and_the_exit_code(installation, site):
    environment = {**os.environ, "PYTHONPATH": str(site), "WUYE_DATA": str(installation.settings.data)}
    for command in (["plugin", "list"], ["doctor"]):
        done = subprocess.run(
            [sys.executable, "-m", "wuye", *command], env=environment, capture_output=True, text=True, check=False
        )
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 1, said
        assert "ZeroDivisionError: division by zero (plugin.py:8)" in said
