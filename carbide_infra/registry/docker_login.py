"""A login of Docker's own kind, for as long as a program needs it."""

import json
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def docker_login(environment: Mapping[str, str], config: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The environment, with a throw-away Docker configuration where the stack has credentials."""
    username, password = config.get("registryUsername"), config.get("registryPassword")
    if not (username and password):
        yield dict(environment)
        return
    auth = b64encode(f"{username}:{password}".encode()).decode()
    with tempfile.TemporaryDirectory(prefix="carbide-docker-") as folder:
        file = Path(folder, "config.json")
        file.touch(mode=0o600)
        file.write_text(json.dumps({"auths": {config["registryServer"]: {"auth": auth}}}))
        yield {**environment, "DOCKER_CONFIG": folder}
