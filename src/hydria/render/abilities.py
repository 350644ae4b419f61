"""What a host cannot serve yet: it says so, so that nothing is accepted and then ignored. Pure."""

from collections.abc import Iterator

from hydria.model import LoadBalancer, Member, Pool, Resource, Tree

# What reads requests, so that it can read a cookie.
_READERS = ("HTTP", "TERMINATED_HTTPS")


def unable(tree: Tree) -> str | None:
    """Name the first thing of a tree that this host does not serve yet, for the load balancer's owner, or None.

    What is switched off, or reached by no listener, asks nothing of a host.
    """
    return next(_missing(tree), None)


def _missing(tree: Tree) -> Iterator[str]:
    root = tree.load_balancer
    if root.vip_vnic_type != "normal":
        yield _sentence(root, f"vip_vnic_type {root.vip_vnic_type}")
    if not root.admin_state_up:
        return
    listeners = [each for each in tree.listeners if each.admin_state_up]
    pools = {pool.id: pool for listener in listeners for pool in tree.active_pools_of(listener)}
    for pool in pools.values():
        yield from _of_pool(tree, pool)


def _of_pool(tree: Tree, pool: Pool) -> Iterator[str]:
    persistence = pool.session_persistence
    readable = pool.protocol == "HTTP" or all(each.protocol in _READERS for each in tree.listeners_of(pool.id))
    if persistence is not None and persistence.type != "SOURCE_IP" and not readable:
        yield _sentence(pool, f"session_persistence {persistence.type} of what is no HTTP")
    for member in tree.members_of(pool.id):
        if member.vnic_type != "normal":
            yield _sentence(member, f"vnic_type {member.vnic_type}")


def _sentence(resource: Resource, what: str) -> str:
    return f"This host does not serve {what} yet, which {_TITLES[type(resource)]} {resource.id} asks for."


_TITLES: dict[type[Resource], str] = {
    LoadBalancer: "load balancer",
    Pool: "pool",
    Member: "member",
}
