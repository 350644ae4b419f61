"""The composition of the parts into programs: the server, the agent, and both on one machine."""
