"""What the tests read from a registry, over plain HTTPS: no code of the product in between."""

import base64
import gzip
import hashlib
import io
import json
import ssl
import tarfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

MANIFESTS = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Platform:
    """One platform of an image: its manifest, its config, its layers."""

    repository: "Repository"
    digest: str

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return dict(json.loads(self.repository.manifest(self.digest)))

    @cached_property
    def config(self) -> dict[str, Any]:
        return dict(json.loads(self.repository.blob(self.manifest["config"]["digest"])))

    @property
    def compressed_size(self) -> int:
        return sum(entry["size"] for entry in (self.manifest["config"], *self.manifest["layers"]))

    def layers(self) -> Iterator[bytes]:
        """Each layer as an uncompressed tar."""
        for layer in self.manifest["layers"]:
            yield self.repository.layer(layer["digest"])

    def unpack(self, folder: Path) -> None:
        """Make the root file system, owners and modes included."""
        for layer in self.layers():
            with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
                assert not any(".wh." in name for name in archive.getnames()), "the test knows no whiteouts"
                archive.extractall(folder, numeric_owner=True, filter="fully_trusted")


@dataclass(frozen=True)
class Repository:
    """One repository of a checkout's registry, which is trusted by `ca_bundle`."""

    server: str
    name: str
    ca_bundle: Path

    def manifest(self, reference: str) -> bytes:
        return self._get(f"manifests/{reference}", MANIFESTS)

    def blob(self, digest: str) -> bytes:
        content = self._get(f"blobs/{digest}", "*/*")
        assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
        return content

    @cache  # noqa: B019 - tests read the same layers again and again, and a session ends
    def layer(self, digest: str) -> bytes:
        """A layer as an uncompressed tar."""
        content = self.blob(digest)
        # A stand-in's is not compressed.
        return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content

    def tags(self) -> set[str]:
        return set(json.loads(self._get("tags/list", "*/*"))["tags"])

    def digest_of(self, reference: str) -> str:
        return f"sha256:{hashlib.sha256(self.manifest(reference)).hexdigest()}"

    def platforms(self, reference: str) -> dict[str, Platform]:
        """The platforms in the index that a tag or digest names."""
        index = json.loads(self.manifest(reference))
        return {
            "/".join(entry["platform"][part] for part in ("os", "architecture")): Platform(self, entry["digest"])
            for entry in index["manifests"]
        }

    def put(self, reference: str, manifest: bytes) -> None:
        """Push a manifest that is there already, under a tag."""
        self._send("PUT", reference, manifest)

    def delete(self, digest: str) -> None:
        """Take a manifest away, and every tag of it."""
        self._send("DELETE", digest)

    def _send(self, method: str, reference: str, manifest: bytes | None = None) -> None:
        headers = {"Content-Type": json.loads(manifest or b"{}").get("mediaType", MANIFESTS), **self.login}
        with self._open(f"manifests/{reference}", headers, method, manifest) as answer:
            assert answer.status in {201, 202}

    @property
    def login(self) -> dict[str, str]:
        """The header that the registry wants, with the password of the checkout that it belongs to."""
        password = (self.ca_bundle.parents[1] / "registry-password").read_text().strip()
        return {"Authorization": f"Basic {base64.b64encode(f'carbide:{password}'.encode()).decode()}"}

    def _get(self, path: str, accept: str) -> bytes:
        with self._open(path, {"Accept": accept, **self.login}, "GET") as response:
            return bytes(response.read())

    def _open(self, path: str, headers: Mapping[str, str], method: str, body: bytes | None = None) -> HTTPResponse:
        url = f"https://{self.server}/v2/{self.name}/{path}"
        request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)
        context = _trusting(self.ca_bundle, self.ca_bundle.stat().st_mtime_ns)
        answer: HTTPResponse = urllib.request.urlopen(request, context=context, timeout=60)
        return answer


@cache
def _trusting(ca_bundle: Path, _modified: int) -> ssl.SSLContext:
    """Trust what is in the file, which takes longer to read than a request takes."""
    return ssl.create_default_context(cafile=str(ca_bundle))
