"""Reasons: what is told of two sides of an image's update that differ in one thing."""

from collections.abc import Mapping
from typing import Any

import pytest

from carbide_infra.names import STAND_IN_LABEL
from carbide_infra.report.preview import Records, Step
from carbide_infra.report.reasons import Reason, Restart, go_version, reasons_of, shortened

OCI = "org.opencontainers.image."
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
SHORT_OLD, SHORT_NEW = "sha256:aaaaaaaaaaaa…", "sha256:bbbbbbbbbbbb…"
Inputs = Mapping[str, Any]


def reasons(before: Inputs | None, after: Inputs | None, *keys: str) -> list[Reason]:
    return list(reasons_of(Records(), Step(frozenset({"update"}), before, after, keys=frozenset(keys)), {}))


def arguments(before: Inputs, after: Inputs) -> list[Reason]:
    return reasons({"buildArgs": before}, {"buildArgs": after})


def test_two_equal_sides_give_no_reason() -> None:
    side = {
        "buildArgs": {"VERSION": "1", "BUILDER_IMAGE": "golang:1.25", "SOURCE_DATE_EPOCH": "1"},
        "dockerfile": {"location": "docker/production/Dockerfile.a", "inline": "HEALTHCHECK CMD []"},
        "labels": {"a": "b"},
        "platforms": ["linux/amd64"],
        "tags": ["r/a:1"],
    }
    assert reasons(side, side) == []
    assert reasons({}, {}) == reasons(None, None) == []


# ---- Build arguments.


@pytest.mark.parametrize(
    ("argument", "kind", "name"),
    [
        ("VERSION", "version", ""),
        ("REVISION", "revision", ""),
        ("ELSE", "buildArgument", "ELSE"),
    ],
)
@pytest.mark.parametrize(("old", "new"), [("1", "2"), (None, "2"), ("1", None)])
def test_an_argument_that_changes_comes_or_goes(
    argument: str, kind: str, name: str, old: str | None, new: str | None
) -> None:
    before, after = ({} if value is None else {argument: value} for value in (old, new))
    assert arguments(before, after) == [Reason(kind, name, old, new, Restart.CERTAIN)]


def test_each_argument_is_told_once_in_the_order_of_names() -> None:
    told = arguments({"Z": "1", "A": "1", "SAME": "1"}, {"Z": "2", "M": "2", "SAME": "1"})
    assert [(reason.name, reason.before, reason.after) for reason in told] == [
        ("A", "1", None),
        ("M", None, "2"),
        ("Z", "1", "2"),
    ]


def test_all_arguments_may_come_or_go() -> None:
    came, gone = reasons({}, {"buildArgs": {"A": "1"}}), reasons({"buildArgs": {"A": "1"}}, {"buildArgs": None})
    assert [(reason.before, reason.after) for reason in came + gone] == [(None, "1"), ("1", None)]


@pytest.mark.parametrize(
    ("epoch", "shown"),
    [
        ("1795488808", "2026-11-24 02:53 UTC"),
        ("1", "1970-01-01 00:00 UTC"),
        ("0", None),
        ("", None),
        ("soon", None),
        (None, None),
    ],
)
def test_another_build_time_alone_is_a_reason(epoch: str | None, shown: str | None) -> None:
    old = {"VERSION": "1", "SOURCE_DATE_EPOCH": "86400"}
    new = {"VERSION": "1"} | ({} if epoch is None else {"SOURCE_DATE_EPOCH": epoch})
    assert arguments(old, new) == [Reason("epoch", "", "1970-01-02 00:00 UTC", shown, Restart.CERTAIN)]


def test_the_build_time_of_another_version_is_not_told() -> None:
    (reason,) = arguments({"VERSION": "1", "SOURCE_DATE_EPOCH": "1"}, {"VERSION": "2", "SOURCE_DATE_EPOCH": "2"})
    assert reason.kind == "version"


GO = Reason("goVersion", "", "1.25", "1.26", Restart.CERTAIN)


def builder(before: str, after: str, restart: Restart) -> Reason:
    return Reason("builderImage", "", before, after, restart)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("golang:1.25", "golang:1.26", [GO]),
        ("m.example/library/golang:1.25", "m.example/library/golang:1.26", [GO]),
        (
            f"golang:1.25@{OLD}",
            "golang:1.26",
            [GO, builder(f"golang:1.25@{SHORT_OLD}", "golang:1.26", Restart.CERTAIN)],
        ),
        (f"golang:1.25@{OLD}", f"golang:1.26@{NEW}", [GO]),
        ("golang:1.25", "golang:1.26-alpine", [GO, builder("golang:1.25", "golang:1.26-alpine", Restart.CERTAIN)]),
        (
            f"golang:1.25@{OLD}",
            f"golang:1.25@{NEW}",
            [builder(f"golang:1.25@{SHORT_OLD}", f"golang:1.25@{SHORT_NEW}", Restart.EXPECTED)],
        ),
        ("golang:1.25", "example.com/own:7", [builder("golang:1.25", "example.com/own:7", Restart.EXPECTED)]),
        ("example.com/own:7", "golang:1.25", [builder("example.com/own:7", "golang:1.25", Restart.EXPECTED)]),
        (
            "example.com/own:7",
            "example.com/own:8",
            [builder("example.com/own:7", "example.com/own:8", Restart.EXPECTED)],
        ),
    ],
)
def test_another_builder_is_another_go_or_perhaps_the_same(old: str, new: str, expected: list[Reason]) -> None:
    assert arguments({"BUILDER_IMAGE": old}, {"BUILDER_IMAGE": new}) == expected


def test_base_images_that_come_or_go() -> None:
    given = {"BUILDER_IMAGE": "golang:1.25", "RUNTIME_IMAGE": "alpine:3"}
    assert [(reason.before, reason.after) for reason in arguments({}, given)] == [("", "golang:1.25"), ("", "alpine:3")]
    assert [(reason.before, reason.after) for reason in arguments(given, {})] == [("golang:1.25", ""), ("alpine:3", "")]


def test_another_base_image_is_certain_to_change_the_bytes() -> None:
    assert arguments({"RUNTIME_IMAGE": "alpine:3"}, {"RUNTIME_IMAGE": f"alpine:3@{NEW}"}) == [
        Reason("runtimeImage", "", "alpine:3", f"alpine:3@{SHORT_NEW}", Restart.CERTAIN)
    ]


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("golang:1.25", "1.25"),
        ("library/golang:1.25.4-alpine", "1.25.4"),
        ("golang:1.26rc1", "1.26rc1"),
        ("golang:latest", None),
        ("not-golang:1.25", None),
        ("", None),
    ],
)
def test_the_go_version_of_a_builder_image(reference: str, version: str | None) -> None:
    assert go_version(reference) == version


def test_a_short_digest_stays_as_it_is() -> None:
    assert shortened(f"a@sha256:{'1' * 12}") == f"a@sha256:{'1' * 12}"
    assert shortened(f"a@sha256:{'1' * 13}") == f"a@sha256:{'1' * 12}…"


# ---- Dockerfile.

FILE = {"location": "docker/production/Dockerfile.a"}
HEALTH = "FROM x\nHEALTHCHECK --interval=30s \\\n  --timeout=3s \\\n  CMD {}\nUSER x\n"


def of_dockerfile(
    before: Inputs, after: Inputs, shas: tuple[str | None, str | None] = (None, None), **deployed: object
) -> list[Reason]:
    old, new = ({} if sha is None else {"dockerfile": sha} for sha in shas)
    records = Records(old, new)
    image = Step(frozenset({"update"}), {"dockerfile": before}, {"dockerfile": after}, keys=frozenset({"dockerfile"}))
    return list(reasons_of(records, image, deployed))


def test_a_changed_dockerfile_is_named_without_its_folder() -> None:
    told = Reason("dockerfile", "Dockerfile.a", None, None, Restart.EXPECTED)
    assert of_dockerfile(FILE, FILE, ("1", "2")) == [told]
    assert of_dockerfile({"inline": "FROM a"}, FILE, ("1", "1")) == [told]
    assert of_dockerfile(FILE, {"inline": "FROM b"}) == [
        Reason("dockerfile", "Dockerfile", None, None, Restart.EXPECTED)
    ]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, {"template": "0.3.0"}, ("template", "0.1.0", "0.3.0")),
        ({"template": "0.2.0"}, {"template": "0.3.0"}, ("template", "0.2.0", "0.3.0")),
        ({"template": "0.2.0"}, {"template": "own"}, ("template", "0.2.0", "own")),
        ({"template": "0.2.0"}, {"template": "0.2.0"}, ("dockerfile", None, None)),
        ({}, {}, ("dockerfile", None, None)),
        ({"template": "own"}, {"template": "own"}, ("dockerfile", None, None)),
        # An image that keeps a Dockerfile of its own has no template.
        ({"kept": "docker/a"}, {"template": "0.2.0"}, ("dockerfile", None, None)),
    ],
)
def test_another_template_is_the_cause_where_it_gives_another_dockerfile(
    before: dict[str, str], after: dict[str, str], told: tuple[str, str | None, str | None]
) -> None:
    image = Step(frozenset({"update"}), {"dockerfile": FILE}, {"dockerfile": FILE}, keys=frozenset({"dockerfile"}))
    found = reasons_of(Records({"dockerfile": "1"} | before, {"dockerfile": "2"} | after), image, {})
    assert [(item.kind, item.before, item.after) for item in found] == [told]
    assert found[0].restart is Restart.EXPECTED
    assert found[0].name == ("Dockerfile.a" if told[0] == "dockerfile" else "")
    assert reasons_of(Records({"dockerfile": "1"} | before, {"dockerfile": "1"} | after), image, {}) == ()


@pytest.mark.parametrize("shas", [("1", "1"), (None, "1"), ("1", None), (None, None)])
def test_a_dockerfile_that_nobody_knows_to_differ_is_no_reason(shas: tuple[str | None, str | None]) -> None:
    assert of_dockerfile(FILE, FILE, shas) == []


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_record_that_comes_or_goes_has_no_other_dockerfile(side: str) -> None:
    inputs = {"dockerfile": "1"}
    records = Records(inputs if side == "before" else None, inputs if side == "after" else None)
    assert reasons_of(records, Step(frozenset({"update"}), {"dockerfile": FILE}, {"dockerfile": FILE}), {}) == ()


def test_another_health_command_is_told_as_it_was_deployed() -> None:
    old, new = ({"inline": HEALTH.format(command)} for command in ('["/app/a", "health"]', '["/bin/true"]'))
    assert of_dockerfile(old, new, ("1", "2")) == [
        Reason("health", "", '["/app/a", "health"]', '["/bin/true"]', Restart.CERTAIN)
    ]
    (told,) = of_dockerfile(old, new, health=["/app/b", "health"])
    assert told.before == '["/app/b", "health"]'


def test_a_health_command_that_comes_or_goes() -> None:
    one = {"inline": HEALTH.format('["/bin/true"]')}
    came, gone = of_dockerfile(FILE, one), of_dockerfile(one, FILE)
    assert [(item.kind, item.before, item.after) for item in came] == [("health", None, '["/bin/true"]')]
    assert [(item.kind, item.before, item.after) for item in gone] == [("dockerfile", None, None)]


def test_another_line_beside_the_same_health_command_is_the_dockerfile() -> None:
    one, other = ({"inline": HEALTH.format('["/bin/true"]') + line} for line in ("", "ENV A=b\n"))
    assert [item.kind for item in of_dockerfile(one, other)] == ["dockerfile"]


# ---- Platforms, labels, repository.


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (["linux/amd64"], ["linux/amd64", "linux/arm64"], ("linux/amd64", "linux/amd64, linux/arm64")),
        (["linux/amd64"], None, ("linux/amd64", "")),
        (None, ["linux/arm64"], ("", "linux/arm64")),
    ],
)
def test_other_platforms(old: list[str] | None, new: list[str] | None, shown: tuple[str, str]) -> None:
    told = reasons({"platforms": old}, {"platforms": new})
    assert told == [Reason("platforms", "", *shown, Restart.CERTAIN)]


def labels(before: Inputs | None, after: Inputs | None) -> list[Reason]:
    return reasons({"labels": before}, {"labels": after})


@pytest.mark.parametrize(("old", "new"), [("1", "2"), (None, "2"), ("1", None)])
def test_a_label_that_changes_comes_or_goes(old: str | None, new: str | None) -> None:
    before, after = ({"kept": "1"} | ({} if value is None else {"team": value}) for value in (old, new))
    assert labels(before, after) == [Reason("label", "team", old, new, Restart.CERTAIN)]


def test_all_labels_may_come_or_go() -> None:
    told = labels(None, {"b": "1", "a": "1"}) + labels({"c": "1"}, None)
    assert [(item.name, item.before, item.after) for item in told] == [
        ("a", None, "1"),
        ("b", None, "1"),
        ("c", "1", None),
    ]


def test_a_label_that_follows_from_another_reason_is_not_told() -> None:
    derived = ["version", "base.name", "base.digest"]
    assert labels({}, {f"{OCI}{name}": "1" for name in derived}) == []
    # Only the names of the specification follow from others.
    assert [item.name for item in labels({}, {f"{OCI}revision": "1", "base.other": "1"})] == [
        "base.other",
        f"{OCI}revision",
    ]


@pytest.mark.parametrize("base", ["BUILDER_IMAGE", "RUNTIME_IMAGE"])
def test_stand_ins_are_told_only_where_the_bases_stay(base: str) -> None:
    bases = {"BUILDER_IMAGE": "a", "RUNTIME_IMAGE": "b"}
    before = {"labels": {STAND_IN_LABEL: "golang:1.25", "x": "1"}, "buildArgs": bases}
    after = {"labels": {}, "buildArgs": bases}
    assert [item.name for item in reasons(before, after)] == [STAND_IN_LABEL, "x"]
    moved = reasons(before, {"labels": {}, "buildArgs": bases | {base: "c"}})
    assert [item.name for item in moved if item.kind == "label"] == ["x"]


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (["r:5443/a/x:1"], ["r:5443/b/x:1"], ("r:5443/a/x", "r:5443/b/x")),
        ([], ["r/x:1"], ("", "r/x")),
        (["r/x:1"], None, ("r/x", "")),
    ],
)
def test_a_repository_that_moves_comes_or_goes(old: list[str], new: list[str] | None, shown: tuple[str, str]) -> None:
    assert reasons({"tags": old}, {"tags": new}) == [Reason("repository", "", *shown, Restart.CERTAIN)]


def test_another_tag_in_the_same_repository_is_no_reason() -> None:
    assert reasons({"tags": ["r/x:1", "other/x:1"]}, {"tags": ["r/x:2"]}, "tags[0]") == []


# ---- What Pulumi names and nothing else explains.


@pytest.mark.parametrize(
    "key", ["context", "contextHash", "tags", "dockerfile", "buildArgs", "platforms", "labels", "context.location"]
)
def test_what_is_explained_already_is_not_told_again(key: str) -> None:
    assert reasons({}, {}, key) == []


@pytest.mark.parametrize(
    "key",
    [
        *("builder", "registries", "secrets", "cacheFrom", "cacheTo", "ignoreSecretsInDiffCalculation"),
        *("buildOnPreview", "load", "noCache", "pull", "push"),
    ],
)
def test_how_an_image_is_built_and_pushed_restarts_nobody(key: str) -> None:
    (told,) = reasons({}, {}, key)
    assert (told.kind, told.restart) == ("configuration", Restart.NO)


def test_anything_else_may_change_the_bytes() -> None:
    told = reasons({"target": "a"}, {"target": "b", "exports": [{"raw": "x"}]}, "target", "exports[0].raw", "exports")
    assert told == [
        Reason("configuration", "exports", None, '[{"raw": "x"}]', Restart.EXPECTED),
        Reason("configuration", "target", "a", "b", Restart.EXPECTED),
    ]


def test_builders_are_told_by_name() -> None:
    sides = {"builder": {"name": "a"}}, {"builder": {"name": ""}}
    assert reasons(*sides, "builder.name") == [Reason("configuration", "builder", "a", None, Restart.NO)]
    (told,) = reasons({}, sides[0], "builder")
    assert (told.before, told.after) == (None, "a")


def test_logins_are_told_without_their_passwords() -> None:
    login = [{"address": "nvcr.io", "username": "me", "password": "s3cr3t"}, {"address": "other"}]
    (told,) = reasons({"registries": []}, {"registries": login}, "registries[0].password")
    assert told == Reason("configuration", "registries", None, "me@nvcr.io, @other", Restart.NO)


def test_other_values_are_told_as_json() -> None:
    (told,) = reasons({"secrets": {"b": 1, "a": 2}}, {"secrets": ["x", {"address": "y"}]}, "secrets")
    assert told == Reason("configuration", "secrets", '{"a": 2, "b": 1}', '["x", {"address": "y"}]', Restart.NO)
    (told,) = reasons({"pull": True}, {"pull": [{"a": 1}]}, "pull")
    assert (told.before, told.after) == ("true", '[{"a": 1}]')


def test_the_kinds_come_in_their_order() -> None:
    before = {"buildArgs": {"A": "1"}, "labels": {"a": "1"}, "platforms": ["p"], "tags": ["a/x:1"]}
    after = {"buildArgs": {"A": "2"}, "labels": {"a": "2"}, "platforms": ["q"], "tags": ["b/x:1"]}
    records = Records({"dockerfile": "1"}, {"dockerfile": "2"})
    image = Step(frozenset({"update"}), before, after, keys=frozenset({"push"}))
    assert [reason.kind for reason in reasons_of(records, image, {})] == [
        *("buildArgument", "dockerfile", "platforms", "label", "repository", "configuration"),
    ]


# ---- Catalogues.


@pytest.mark.parametrize("name", ["PACKAGE", "PORT", "VERSION_SYMBOL", "BUILD_TIME_SYMBOL"])
def test_what_a_dockerfile_says_itself_now_is_no_reason_of_its_own(name: str) -> None:
    assert reasons({"buildArgs": {name: "1"}}, {"buildArgs": {}}, "buildArgs") == []


def test_an_index_for_one_platform_is_no_reason_of_its_own() -> None:
    assert reasons({"buildArgs": {}}, {"buildArgs": {"BUILDKIT_MULTI_PLATFORM": "1"}}, "buildArgs") == []


def exported_as(*annotations: str, kind: str = "registry") -> dict[str, object]:
    return {"exports": [{"raw": ",".join([f"type={kind}", *annotations])}]}


def test_annotations_follow_labels_and_version() -> None:
    old = exported_as('"annotation-index.a=say ""x"", and y"', '"annotation-index.v=1"')
    assert reasons(old, exported_as('"annotation-index.a=z"', '"annotation-index.v=2"'), "exports[0].raw") == []


def test_annotations_that_come_or_go_are_a_reason() -> None:
    told = [Reason("annotations", "", None, None, Restart.CERTAIN)]
    assert reasons(exported_as(), exported_as('"annotation-index.a=b"'), "exports") == told
    assert reasons(exported_as('"annotation-index.a=b"'), exported_as(), "exports") == told


def test_another_exporter_is_told_whatever_the_annotations() -> None:
    (told,) = reasons(
        exported_as('"annotation-index.a=b"'), exported_as('"annotation-index.a=c"', kind="image"), "exports"
    )
    assert (told.kind, told.name) == ("configuration", "exports")


def test_an_override_of_something_else_is_not_the_health_command() -> None:
    inline = {"inline": HEALTH.format('["/app/a", "health"]')}
    (told,) = of_dockerfile({"location": "Dockerfile.a"}, inline, health=["/app/a", "health"])
    assert told.kind == "dockerfile"


# ---- Modules, and what nobody knows yet.

NET, TEXT = "golang.org/x/net@v0.48.0 h1:a=", "golang.org/x/text@v0.28.0 h1:b="


def of_modules(before: str | None, after: str | None) -> list[Reason]:
    old, new = ({} if lines is None else {"modules": lines} for lines in (before, after))
    return list(reasons_of(Records(old, new), Step(frozenset({"update"}), {}, {}), {}))


def module(name: str, before: str | None, after: str | None) -> Reason:
    return Reason("module", name, before, after, Restart.CERTAIN)


def test_a_module_that_changes_comes_or_goes() -> None:
    both = f"{NET}\n{TEXT}"
    assert of_modules(both, both.replace("v0.48.0", "v0.49.0")) == [module("golang.org/x/net", "v0.48.0", "v0.49.0")]
    assert of_modules(NET, both) == [module("golang.org/x/text", None, "v0.28.0")]
    assert of_modules(both, NET) == [module("golang.org/x/text", "v0.28.0", None)]
    assert of_modules(NET, "") == [module("golang.org/x/net", "v0.48.0", None)]


@pytest.mark.parametrize("sides", [(None, NET), (NET, None), (NET, NET), (None, None), ("", "")])
def test_a_record_without_modules_says_nothing_of_them(sides: tuple[str | None, str | None]) -> None:
    assert of_modules(*sides) == []


@pytest.mark.parametrize(("argument", "kind"), [("RUNTIME_IMAGE", "runtimeImage"), ("BUILDER_IMAGE", "builderImage")])
def test_a_base_that_only_the_update_looks_up_is_unknown(argument: str, kind: str) -> None:
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    told = reasons(
        {"buildArgs": {argument: f"golang:1.25@{OLD}"}, "tags": ["r/a:1"]},
        {"buildArgs": {argument: unknown}, "tags": [unknown]},
    )
    assert told == [Reason(kind, "", f"golang:1.25@{SHORT_OLD}", None, Restart.UNKNOWN)]
