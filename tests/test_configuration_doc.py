"""docs/configuration.md is what the settings say, and the settings say enough."""

from pathlib import Path

from frontdesk.core.settings import Settings
from frontdesk.core.settings_page import list_variables, markdown

PAGE = Path(__file__).parents[1] / "docs/configuration.md"


def test_the_page_is_what_the_settings_say():
    assert PAGE.read_text() == markdown(), (
        "run: frontdesk settings --markdown > docs/configuration.md"
    )


def test_every_variable_is_described():
    for variable in list_variables():
        assert variable.description.endswith((".", "Meta")), variable.name
        assert variable.name in PAGE.read_text()


def test_required_is_what_has_no_default_and_secrets_never_have_one():
    variables = {variable.name: variable for variable in list_variables()}
    assert variables["DATABASE__URL"].required
    assert variables["SECURITY__ENCRYPTION_KEYS"].secret
    assert variables["WHATSAPP__APP_SECRETS"].secret
    assert variables["WEB__PORT"].default == "8000"
    assert not any(variable.default for variable in variables.values() if variable.secret)
    assert len(variables) > len(Settings.model_fields)
