"""What a bare machine needs to run the program: tools, builder, registry, certificates, stand-ins for base images.

`ensure` is its one door for programs, and `python -m devenv` for people and make targets.
"""

from devenv.ready import Start, ensure

__all__ = ["Start", "ensure"]
