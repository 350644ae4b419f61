"""The home cloud's identity service: the part of Keystone's v3 API that clients need, below `/identity`."""

from hydria.homecloud.identity.passwords import Passwords, member_password
from hydria.homecloud.identity.service import Identity, restore_project
from hydria.homecloud.identity.tokens import new_key

__all__ = ["Identity", "Passwords", "member_password", "new_key", "restore_project"]
