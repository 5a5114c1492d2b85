"""What somebody may do: look, evaluate, administer; of one tenant or of all."""

from collections.abc import Mapping
from enum import StrEnum

EVERY_TENANT = "*"


class Role(StrEnum):
    """From least to most; each may what the ones before it may."""

    VIEWER = "viewer"
    EVALUATOR = "evaluator"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Whether this role may do what the other one may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


ROLE_WORDS = {
    Role.VIEWER: ("查看", "viewer"),
    Role.EVALUATOR: ("评定", "evaluator"),
    Role.ADMIN: ("管理", "admin"),
}


def role_in(roles: Mapping[str, Role], tenant: str) -> Role | None:
    """Return the role in a tenant: the higher one of its own and of that for all."""
    held = [roles[each] for each in (tenant, EVERY_TENANT) if each in roles]
    return max(held, key=list(Role).index, default=None)
