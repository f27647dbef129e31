"""Every text is there in Chinese, with the same places for its values."""

import re

import pytest

from wuye.i18n import _, negotiate, use_locale
from wuye.translating import catalogue_of, messages_of

PLACES = re.compile(r"\{\w+(?:!r)?\}")


@pytest.mark.parametrize("plugin", ["core", "customer_service", "maintenance"])
def test_every_message_has_its_translation_and_no_other_is_kept(installation, plugin):
    folder = installation.plugins.loaded[plugin].folder
    messages, translations = messages_of(folder, installation.plugins.registry), catalogue_of(folder)
    assert len(messages) > 20
    assert messages == translations.keys()
    for message, translation in translations.items():
        assert translation, message
        assert sorted(PLACES.findall(message)) == sorted(PLACES.findall(translation))


def test_a_text_is_shown_in_the_language_of_the_moment(installation):
    assert installation.plugins
    text = _("There is no estate “{code}”.", code="x")
    assert str(text) == "There is no estate “x”."
    with use_locale("zh_Hans"):
        assert str(text) == "没有小区“x”。"


@pytest.mark.parametrize(
    ("header", "locale"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "zh_Hans"), ("en-US,zh;q=0.5", "en"), ("fr", "en"), ("", "en"), ("*;q=x", "en")],
)
def test_the_best_of_what_a_browser_wants(header, locale):
    assert negotiate(header) == locale
