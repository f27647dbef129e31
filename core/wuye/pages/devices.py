"""What a browser says it is, in plain words; only for people who look for a device of theirs, nothing depends on it."""

from wuye.errors import Text
from wuye.i18n import _

#: What stands in a User-Agent → what people call it; the first that is found, since many claim to be others as well.
_BROWSERS = (
    ("MicroMessenger", _("WeChat")),
    ("DingTalk", _("DingTalk")),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("HuaweiBrowser", _("Huawei Browser")),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("HarmonyOS", "HarmonyOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "Chromebook"),
    ("Linux", "Linux"),
)


def device(agent: str) -> Text:
    """Return what a browser is called, and what it runs on."""
    browser = next((name for sign, name in _BROWSERS if sign in agent), None)
    system = next((name for sign, name in _SYSTEMS if sign in agent), None)
    if browser and system:
        return _("{browser} on {system}", browser=browser, system=system)
    return browser or system or _("Unknown browser")


def handheld(agent: str) -> bool:
    """Tell whether it is a telephone or a tablet."""
    return any(sign in agent for sign in ("Mobi", "Android", "iPhone", "iPad"))
