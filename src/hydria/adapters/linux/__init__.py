"""One Linux machine: namespaces, links, nftables, processes, the HAProxy socket."""
