"""A real OpenStack on this machine, in nodes that no packet leaves: Keystone, Neutron with OVN, Barbican, and hosts.

The folder is not called `openstack`, because a package of that name is openstacksdk's.
"""
