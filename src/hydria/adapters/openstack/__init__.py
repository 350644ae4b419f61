"""An OpenStack's services, by its own client libraries: the extra `openstack`."""
