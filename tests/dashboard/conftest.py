"""A server in noop mode with the home cloud's users, and a browser's view of it: cookies, and the header of pages."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from msgspec import Struct
from starlette.applications import Starlette

from hydria.compose.clock import clock_of
from hydria.compose.credentials import Credentials
from hydria.compose.schema import ensure_schema
from hydria.compose.server import make_app
from hydria.settings import ServerSettings, Settings
from hydria.store import Database

PAGE = {"x-hydria-dashboard": "1"}


class Site(Struct, frozen=True):
    """A running application, a browser, and the first admin's password."""

    app: Starlette
    browser: httpx.AsyncClient
    password: str

    async def log_in(self, **more: str) -> httpx.Response:
        """Send the form of the login page."""
        form = {"user": "admin", "password": self.password, **more}
        return await self.browser.post("/dashboard/session", json=form)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory whose database has all migrations, which take a second."""
    directory = tmp_path_factory.mktemp("installed")
    ensure_schema(Settings(state_dir=directory))
    return directory


@pytest.fixture
async def site(request: pytest.FixtureRequest, installed: Path, tmp_path: Path) -> AsyncIterator[Site]:
    """A server with the admin of the home cloud; the parameter is its public URL."""
    shutil.copytree(installed, tmp_path, dirs_exist_ok=True)
    settings = Settings(state_dir=tmp_path, server=ServerSettings(public_url=getattr(request, "param", None)))
    database = Database(settings.database_url)
    app = make_app(settings, database, clock_of(database), noop=True)
    password = Credentials.read(settings.credentials_file).password
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://cloud.test", headers=PAGE) as browser:
        yield Site(app, browser, password)
    database.close()
