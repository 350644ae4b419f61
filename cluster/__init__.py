"""A simulated cluster on one machine: hosts, servers, members and a client as namespaces with cables between them."""
