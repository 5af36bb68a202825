"""A Go module proxy in a folder: https://go.dev/ref/mod#goproxy-protocol."""

import hashlib
import json
import zipfile
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path


def publish(proxy: Path, module: str, version: str, files: Mapping[str, str]) -> None:
    """Publish a version of a module; its go.mod is among the files."""
    folder = proxy / module / "@v"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{version}.info").write_text(json.dumps({"Version": version, "Time": "2026-01-01T00:00:00Z"}))
    (folder / f"{version}.mod").write_text(files["go.mod"])
    with zipfile.ZipFile(folder / f"{version}.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{module}@{version}/{name}", text)
    with (folder / "list").open("a", encoding="utf-8") as versions:
        versions.write(f"{version}\n")


def sums(module: str, version: str, files: Mapping[str, str]) -> str:
    """The two lines of go.sum."""
    whole = _hash({f"{module}@{version}/{name}": text for name, text in files.items()})
    return f"{module} {version} {whole}\n{module} {version}/go.mod {_hash({'go.mod': files['go.mod']})}\n"


def _hash(files: Mapping[str, str]) -> str:
    lines = [f"{hashlib.sha256(files[name].encode()).hexdigest()}  {name}\n" for name in sorted(files)]
    return f"h1:{b64encode(hashlib.sha256(''.join(lines).encode()).digest()).decode()}"
