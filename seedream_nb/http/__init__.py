"""How bytes move: one POST over a connection of its own, pictures side by side. Only this room knows httpx."""
