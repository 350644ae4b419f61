"""The home cloud of a machine without OpenStack: the APIs of Keystone, Neutron and Barbican for load balancers."""
