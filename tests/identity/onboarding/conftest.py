"""An application whose e-mails land in a folder, and the mailboxes of its users."""

from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from tests.conftest import app_on
from tests.identity.onboarding.mailbox import Post

from frontdesk.core.resources import Resources
from frontdesk.core.settings import MailSettings


@pytest.fixture(scope="session")
def mail_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where e-mails are written to."""
    return tmp_path_factory.mktemp("mail")


@pytest.fixture(scope="session")
def mailing(resources: Resources, mail_folder: Path) -> Resources:
    """The shared resources, with a way to send e-mail."""
    mail = MailSettings(outbox_folder=str(mail_folder), sender="Frontdesk <desk@frontdesk.example>")
    return replace(resources, settings=resources.settings.model_copy(update={"mail": mail}))


@pytest.fixture(scope="session")
def app(mailing: Resources) -> FastAPI:
    """The application on these resources."""
    return app_on(mailing)


@pytest.fixture
def post(mailing: Resources, mail_folder: Path) -> Post:
    """Delivers what is due, and looks into mailboxes."""
    return Post(mailing, mail_folder)
