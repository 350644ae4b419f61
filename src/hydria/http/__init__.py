"""The life of every request: route, authenticate, decode, authorise, transact, encode; and the faults on the way."""
