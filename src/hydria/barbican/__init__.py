"""A real Barbican as the key manager: what its references lead to is kept, sealed, in rows of the database.

A transaction only reads rows. A reference without a row is a question (`answers`), asked between two runs of an API
call's work. A worker reads again now and then what load balancers refer to.
"""
