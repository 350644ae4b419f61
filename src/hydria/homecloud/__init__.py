"""The stand-in cloud of a machine without OpenStack: identity and network, as Keystone and Neutron answer."""
