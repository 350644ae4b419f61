"""Services of an OpenStack, through its client libraries (the extra `openstack`)."""
