"""What a plugin says of its settings: a frozen dataclass, each field made with `setting`."""

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from marshmallow import Schema, ValidationError
from marshmallow.fields import Field

from wuye.errors import Text
from wuye.resources.schemas import NoInput

if TYPE_CHECKING:
    from wuye.plugins.registry import Registry

T = TypeVar("T")

_KEY = "wuye.setting"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: what it is called, what it means to who decides it, and the field that its values are checked by."""

    label: Text
    help: Text
    field: Field[Any]


def setting(default: T, checked_by: Field[Any], label: Text, help: Text) -> T:  # noqa: A002 (the word that authors expect)
    """Declare one setting of a dataclass of settings; both texts are for the operator, marked for translation.

    `checked_by` is a field from `wuye.api.fields` with its limits (`fields.Integer(validate=between(1, 90))`): the form,
    the API and what is stored are checked by it. The default must pass it too.
    """
    return field(default=default, metadata={_KEY: Setting(label, help, checked_by)})


@dataclass(eq=False)
class Settings:
    """The settings of a plugin: `values` is a frozen dataclass whose fields are made with `setting`.

    `permission` is needed to see and change them. A plugin declares one of these at most.
    """

    values: type[Any]
    permission: str = "core.configure"
    plugin: str = field(default="", init=False)

    @cached_property
    def items(self) -> Mapping[str, Setting]:
        """Every setting by its name, in the order of the declaration."""
        return {item.name: item.metadata[_KEY] for item in dataclasses.fields(self.values)}

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """Every setting's default by its name."""
        return {item.name: item.default for item in dataclasses.fields(self.values)}

    @cached_property
    def schema(self) -> Schema:
        """The schema that forms, the API and stored values are checked by."""
        made: dict[str, Field[Any]] = {}
        for name, item in self.items.items():
            made[name] = copy.deepcopy(item.field)
            made[name].required = True
            made[name].metadata = {**item.field.metadata, "label": item.label, "help": item.help}
        shape = NoInput.from_dict(cast(Any, made), name=self.values.__name__)
        return shape()

    def bind(self, plugin: str, registry: "Registry") -> str:
        """Take the plugin's name and check the declaration; called by the registry.

        Raises:
            ValueError: a field is no setting, a default does not pass its own check, or there is no such permission.
        """
        self.plugin = plugin
        if "." not in self.permission:
            self.permission = f"{plugin}.{self.permission}"
        if self.permission not in registry.permissions:
            raise ValueError(f"settings: no manifest declares the permission {self.permission}")
        if not dataclasses.is_dataclass(self.values):
            raise ValueError(f"settings: {self.values.__name__} must be a frozen dataclass")
        for item in dataclasses.fields(self.values):
            if _KEY not in item.metadata:
                raise ValueError(f"settings: {item.name} is not made with setting(…)")
        try:
            self.schema.load(cast(Any, self.schema.dump(self.defaults)))
        except ValidationError as error:
            raise ValueError(f"settings: a default does not pass its own check: {error.messages}") from error
        return plugin
