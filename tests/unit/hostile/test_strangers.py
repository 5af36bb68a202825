"""What other processes answer: registries, previews, reports of strangers."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from carbide_infra.errors import UserError
from carbide_infra.registry.client import RegistryClient
from carbide_infra.report.changes import report_of
from carbide_infra.report.markdown import markdown
from carbide_infra.report.preview import PreviewError, read_preview
from tests.support.registry_server import INDEX, FakeRegistry, Fault
from tests.unit.hostile.strategies import contents, few, fewer, texts, values
from tests.unit.hostile.test_files import plain
from tests.unit.report.test_stranger import FRAMES, rendered

Case = Callable[[], None]
REPOSITORY = "team/image"
PATHS = ("manifests/1.0", "tags/list", f"blobs/sha256:{'0' * 64}")
_headers = st.dictionaries(
    st.sampled_from(["Content-Type", "Docker-Content-Digest", "Link", "Location", "Retry-After", "WWW-Authenticate"]),
    st.one_of(
        texts, st.sampled_from([INDEX, f"sha256:{'0' * 64}", "</v2/x>; rel=next", "99999999999", 'Bearer realm="x"'])
    ),
    max_size=3,
).map(lambda found: {name: "".join(c for c in text if 32 <= ord(c) < 127) for name, text in found.items()})
_bodies = st.one_of(contents, values.map(json.dumps).map(str.encode), st.just(b"{}"), st.just(b"\x00" * 300_000))
_faults = st.builds(
    Fault,
    st.sampled_from([200, 200, 200, 201, 204, 206, 301, 307, 400, 401, 403, 404, 418, 429, 500, 503]),
    st.just(1000),
    _headers,
    _bodies,
    st.one_of(st.none(), st.integers(0, 10**12)),
)


@fewer
@given(st.sampled_from(PATHS), _faults)
def test_any_answer_of_a_registry_is_checked_or_explained(
    case: Case, registry: FakeRegistry, client: RegistryClient, path: str, fault: Fault
) -> None:
    case()
    if fault.length is not None and fault.length > len(fault.body):
        # A promise of more: it hangs up after what it has.
        fault = Fault(fault.status, fault.times, fault.headers, fault.body[:1000], len(fault.body[:1000]) + 7)
    registry.faults.clear()
    registry.faults[f"/v2/{REPOSITORY}/{path}"] = fault
    digest = f"sha256:{'0' * 64}"
    for ask in (
        lambda: client.manifest(REPOSITORY, "1.0"),
        lambda: client.digest_of(REPOSITORY, "1.0"),
        lambda: client.tags(REPOSITORY),
        lambda: client.blob(REPOSITORY, digest),
    ):
        try:
            found: Any = ask()
        except UserError as error:
            plain(error)
            continue
        if hasattr(found, "digest"):
            assert found.digest == f"sha256:{hashlib.sha256(found.body).hexdigest()}"
        assert not isinstance(found, bytes), "no bytes have that digest"


@few
@given(st.sampled_from(FRAMES), st.lists(texts, min_size=1, max_size=3))
def test_nothing_of_a_strangers_report_has_an_effect(case: Case, frame: str, pieces: list[str]) -> None:
    case()
    rendered(frame.format(*["".join(pieces)] * frame.count("{}")))


@few
@given(
    st.one_of(
        values, st.fixed_dictionaries({"steps": st.lists(values, max_size=3), "config": values, "diagnostics": values})
    )
)
def test_any_preview_is_reported_or_explained(case: Case, data: object) -> None:
    case()
    try:
        report = report_of(read_preview(data, "x"), "")
    except (PreviewError, UserError):
        return
    assert markdown(report)
