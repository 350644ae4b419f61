"""The parts put together as programs: server, agent, and both of them on one machine."""
