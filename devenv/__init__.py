"""What a bare machine needs to run the program: engine, builder and registry, set up on the spot."""
