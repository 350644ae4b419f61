"""From what users want to what hosts serve: placement, reconciling, and the agents' exchange."""
