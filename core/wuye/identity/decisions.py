"""What an estate decides about its accounts."""

from dataclasses import dataclass

from wuye.i18n import _
from wuye.resources import fields
from wuye.settings.declaration import setting


@dataclass(frozen=True)
class CoreSettings:
    """What an estate decides whichever departments it runs."""

    managers_second_factor: bool = setting(
        False,
        fields.Boolean(),
        _("Managers need a second factor"),
        _(
            "Managers enter a code from an app on their phone after their password. Who has none is led to setting it up."
        ),
    )
