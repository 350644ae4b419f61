"""The tree that most tests of changes begin with."""

import pytest

from tests.support.api import Api, make_tree
from tests.support.cloud import Cloud


@pytest.fixture
async def tree(cloud: Cloud, api: Api) -> dict[str, str]:
    """The ids of one resource of each kind, all in one load balancer, by the roots of their bodies."""
    return await make_tree(api, cloud.subnet.id)
