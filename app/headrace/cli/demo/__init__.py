"""``headrace demo``: real agents, a scripted model, the whole chain, on this machine."""
