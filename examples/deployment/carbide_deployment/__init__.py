"""A deployment of Carbide REST on one Docker host."""
