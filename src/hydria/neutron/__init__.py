"""A real Neutron as the network service of load balancers: rows that say what is wanted there and what was made.

A transaction only reads and writes rows. What it wants of Neutron for amphorae are rows that `worker` works off outside
of transactions. What an API call needs to know at once are questions (`answers`), asked between two runs of its work.
"""
