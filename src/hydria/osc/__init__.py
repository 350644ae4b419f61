"""An extension of the stock client: `openstack loadbalancer explain | revision … | rollback`."""
