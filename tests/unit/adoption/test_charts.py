"""What Helm charts say of images."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from carbide_infra.adoption.catalogue_text import entry_lines
from carbide_infra.adoption.charts import Charts, disagreement
from carbide_infra.adoption.helm_values import HelmValues, Running, helm_values
from carbide_infra.adoption.project import Registry
from carbide_infra.adoption.survey import resolved
from carbide_infra.adoption.told import Adopted, Said
from carbide_infra.adoption.tree_files import TreeFiles
from tests.support.adoptable import write
from tests.unit.adoption.conftest import FILES, Look

VALUES = "deploy/chart/values.yaml"
CHART = {"deploy/chart/Chart.yaml": "name: shop\n"}
DOCKERFILE = (
    "FROM golang:1.25 AS build\nWORKDIR /src\nCOPY . .\nRUN CGO_ENABLED=0 go build -o /out/api ./cmd/api\n"
    'FROM alpine:3.22\nCOPY --from=build /out/api /app/api\nEXPOSE 8080 9102\nENTRYPOINT ["/app/api"]\n'
)
API = """\
replicas: 2
image:
  repository: ghcr.io/acme/shop/api
  tag: 1.2.3
service:
  port: 80
  targetPort: 8080
  portName: web
containerPorts:
  metrics: 9102
livenessProbe:
  exec: {command: [/app/api, health, --quick]}
  periodSeconds: 30
  failureThreshold: 5
"""
Read = Callable[..., HelmValues]


@pytest.fixture
def read(tmp_path: Path, cache: Path) -> Read:
    """Reads the values of one chart, beside other files."""

    def found(values: str, more: Mapping[str, str] = {}, *skipped: str) -> HelmValues:
        write(tmp_path / "tree", {**CHART, VALUES: values, **more})
        return helm_values(TreeFiles.of(tmp_path / "tree", cache), lambda name: name in skipped)

    return found


def one(read: Read, values: str) -> Running:
    (running,) = read(values).running
    return running


def ports(said: Mapping[int, Said]) -> dict[int, str]:
    return {number: name.value for number, name in said.items()}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ("image: {repository: ghcr.io/acme/shop/api, tag: 1}\n", ("api", "ghcr.io", "acme/shop")),
        ("image: {registry: nvcr.io, repository: acme/api}\n", ("api", "nvcr.io", "acme")),
        ("image: registry.example.com:5000/api:1.2@sha256:" + "a" * 64, ("api", "registry.example.com:5000", "")),
        ("a: {b: [{image: quay.io/acme/My_api}]}\n", None),
        ("a: {b: [{image: quay.io/acme/my_api}]}\n", ("my-api", "quay.io", "acme")),
        ("images: {api: {repository: quay.io/acme/api}}\n", ("api", "quay.io", "acme")),
        ("global: {imageRegistry: nvcr.io}\nimage: {repository: acme/api}\n", ("api", "nvcr.io", "acme")),
        ("global: {image: {registry: nvcr.io/acme}}\nimage: {repository: api}\n", ("api", "nvcr.io", "acme")),
        ("image: {repository: acme/api}\n", ("api", "", "acme")),
        ("image: {repository: docker.io/acme/api}\n", ("api", "docker.io", "acme")),
        ('image: {repository: "{{ .Values.registry }}/api"}\n', None),
        ("image: {repository: [ghcr.io/acme/api]}\n", None),
        ("image: {tag: 1}\n", None),
        ('image: "ghcr.io/acme/api\\u202e\\nRUN evil"\n', None),
        ("- 1\n", None),
        ("", None),
    ],
)
def test_an_image_is_what_a_chart_names_without_a_template(
    read: Read, values: str, found: tuple[str, str, str] | None
) -> None:
    running = read(values).running
    assert [(each.name, each.server, each.repository) for each in running] == ([found] if found else [])


def test_what_stands_beside_an_image_is_its_container_s(read: Read) -> None:
    running = one(read, API)
    assert running.where == f"{VALUES}:3"
    assert running.ports == {9102: Said("metrics", f"{VALUES}:10"), 8080: Said("web", f"{VALUES}:7")}
    assert running.named == {}
    assert running.health == Said(
        {
            "command": ["/app/api", "health", "--quick"],
            "interval": "30s",
            "timeout": "1s",
            "startPeriod": "0s",
            "retries": 5,
        },
        f"{VALUES}:12",
    )


@pytest.mark.parametrize(
    ("beside", "certain", "named"),
    [
        ("service: {port: 80, portName: http}", {}, {80: "http"}),
        ("service: {port: 80, targetPort: http, portName: http}", {}, {}),
        ("service: {ports: [{name: http, port: 80, targetPort: 8080}]}", {8080: "http"}, {}),
        ("service: {ports: {http: 8080}}", {}, {8080: "http"}),
        ("service: {ports: {http: {port: 8080}}}", {}, {8080: "http"}),
        ("ports: [{name: http, containerPort: 8080}]", {8080: "http"}, {}),
        ("ports: {http: 8080}", {}, {8080: "http"}),
        ("containerPort: 8080", {8080: ""}, {}),
        ("containerPorts: [8080, {name: grpc, containerPort: 9090}]", {8080: "", 9090: "grpc"}, {}),
        ("containerPort: 8080\ncontainerPorts: {http: 8080}", {8080: "http"}, {}),
        ('containerPorts: {"Bad\\e[1mName": 8080, "a: {b": 81}', {8080: "", 81: ""}, {}),
        ("containerPort: true", {}, {}),
        ("containerPort: 0", {}, {}),
        ("containerPort: 65536", {}, {}),
        ('containerPort: "8080"', {}, {}),
        ("service: 8080\nports: 8080\ncontainerPorts: 1.5", {}, {}),
    ],
)
def test_a_port_of_a_service_is_the_container_s_where_it_says_so(
    read: Read, beside: str, certain: dict[int, str], named: dict[int, str]
) -> None:
    running = one(read, f"image: ghcr.io/acme/api\n{beside}\n")
    assert (ports(running.ports), ports(running.named)) == (certain, named)


@pytest.mark.parametrize(
    "probe",
    [
        "livenessProbe: {httpGet: {path: /healthz, port: 8080}}",
        "livenessProbe: {enabled: false, exec: {command: [a]}}",
        "livenessProbe: {exec: {command: [1]}}",
        "livenessProbe: {exec: a}",
        "livenessProbe: [exec]",
    ],
)
def test_a_probe_that_is_no_command_is_none(read: Read, probe: str) -> None:
    assert one(read, f"image: ghcr.io/acme/api\n{probe}\n").health is None


# ---- Whatever a stranger writes.

BOMB = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a, *a]\n" for n in range(30))


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (BOMB, f"{VALUES}:1: is not read (anchors and aliases are not read"),
        ("image: &x {a: *x}\n", f"{VALUES}:1: is not read (anchors"),
        ("a: " + "[" * 10_000, f"{VALUES}:1: is not read (is nested too deeply)"),
        ("a: " + "{a: " * 10_000, f"{VALUES}:1: is not read (is nested too deeply)"),
        ("a: !!python/name:os.system x\n", f"{VALUES}:1: is not read (the tag"),
        ("a: 2024-13-45\n", f"{VALUES}:1: is not read (2024-13-45: month must be in 1..12"),
        ('a: !!int "\\e[1m"\n', f'{VALUES}:1: is not read ("\\x1b[1m'),
        ("a: 1" + "0" * 9000, f"{VALUES}:1: is not read (1000000000000000000000000000000000000000: Exceeds"),
        ("\n{{- if .Values.x }}\n", f"{VALUES}:2: is not read ("),
        ("a: \x1b[31m\n", f"{VALUES}:1: is not read ("),
        ("a: x\n" * 40_000, f"{VALUES}: is not read, for it has more than 128 KiB"),
    ],
    ids=("bomb", "loop", "lists", "maps", "tag", "date", "quoted", "number", "template", "escape", "large"),
)
def test_what_is_not_read_is_said_in_a_short_sentence(read: Read, values: str, note: str) -> None:
    found = read(values)
    assert found.running == ()
    assert [each[: len(note)] for each in found.notes] == [note]
    assert all(each.isprintable() and len(each) < 300 for each in found.notes)


def test_many_large_files_are_not_all_read(read: Read) -> None:
    filler = "# " + "x" * 100_000 + "\n"
    more: dict[str, str] = {}
    for n in range(8):
        more |= {
            f"charts/{n}/Chart.yaml": "name: x\n",
            f"charts/{n}/values.yaml": f"{filler}image: ghcr.io/acme/i{n}\n",
        }
    found = read("image: ghcr.io/acme/api\n", more)
    assert 2 < len(found.running) < 7
    assert all(note.endswith("is not read, for it has more than 512 KiB with those before it") for note in found.notes)
    assert len(found.running) + len(found.notes) == 9


def test_a_link_out_of_the_tree_is_not_followed(read: Read, tmp_path: Path) -> None:
    write(tmp_path, {"secret.yaml": "image: ghcr.io/secret/api\n"})
    (tmp_path / "tree/charts/a").mkdir(parents=True)
    (tmp_path / "tree/charts/a/values.yaml").symlink_to(tmp_path / "secret.yaml")
    found = read("image: ghcr.io/acme/api\n", {"charts/a/Chart.yaml": "name: a\n"})
    assert [each.repository for each in found.running] == ["acme"]
    assert len(found.notes) == 1
    assert "charts/a/values.yaml" in found.notes[0]
    assert "secret/api" not in found.notes[0]


def test_values_without_a_chart_and_those_of_others_are_no_chart_s(read: Read) -> None:
    more = {"values.yaml": API, "vendor/x/Chart.yaml": "name: x\n", "vendor/x/values.yaml": API}
    assert len(read(API, more).running) == 1
    assert read(API, more, VALUES).running == ()


# ---- What an entry gets of it.


def image(**entry: Said) -> Adopted:
    return Adopted("api", "Dockerfile", {"package": Said("./cmd/api"), "health": Said(None, "Dockerfile:5"), **entry})


def said_ports(**numbers: int) -> Said:
    return Said({name: Said(number, "Dockerfile:7") for name, number in numbers.items()}, "Dockerfile:7")


def added(values: Running, found: Adopted) -> tuple[list[str], list[str]]:
    image, notes = Charts([values]).added(found)
    return [line.strip() for line in entry_lines(image)[1:]], notes


def test_ports_have_the_names_of_the_chart(read: Read) -> None:
    lines, notes = added(one(read, API), image(ports=said_ports(http=8080, metrics=9102)))
    assert f"ports: {{web: 8080, metrics: 9102}}  # Dockerfile:7, named in {VALUES}:7" in lines
    assert notes == []


def test_two_ports_of_one_name_keep_their_own(read: Read) -> None:
    values = "image: ghcr.io/acme/api\ncontainerPorts: [{name: x, port: 1}, {name: x, port: 2}]\n"
    lines, _ = added(one(read, values), image(ports=said_ports(a=1, b=2)))
    assert "ports: {a: 1, b: 2}  # Dockerfile:7" in lines


def test_of_two_charts_the_first_counts(read: Read) -> None:
    values = "a: {image: ghcr.io/a/api, ports: {x: 1}}\nb: {image: ghcr.io/a/api, ports: {y: 1}, containerPort: 2}\n"
    found, notes = Charts(read(values).running).added(image(ports=said_ports(a=1)))
    assert list(found.entry["ports"].value) == ["x"]
    assert notes == [f"{VALUES}:2: is about port 2, and Dockerfile:7 exposes 1: check ports"]


def test_a_port_that_only_the_chart_has_is_listed(read: Read) -> None:
    lines, notes = added(one(read, API), image(ports=said_ports(http=8081)))
    assert "ports: {http: 8081}  # Dockerfile:7" in lines
    assert notes == [
        f"{VALUES}:10: is about port 9102, and Dockerfile:7 exposes 8081: check ports",
        f"{VALUES}:7: is about port 8080, and Dockerfile:7 exposes 8081: check ports",
    ]


def test_without_expose_the_ports_are_the_chart_s(read: Read) -> None:
    found = image(kind=Said("job", "by its name, and no EXPOSE"))
    lines, notes = added(one(read, API), found)
    assert f"ports: {{metrics: 9102, web: 8080}}  # {VALUES}:10" in lines
    assert not [line for line in lines if line.startswith("kind")]
    assert notes == []


def test_a_probe_by_the_image_s_own_binary_is_its_health_check(read: Read) -> None:
    lines, _ = added(one(read, API), image())
    health = '{command: ["{binary}", health, --quick], timeout: 1s, startPeriod: 0s, retries: 5}'
    assert f"health: {health}  # {VALUES}:12" in lines


@pytest.mark.parametrize("command", ["[sh, -c, x]", "[api]", '["/bin/api"]'])
def test_a_probe_by_another_program_is_not(read: Read, command: str) -> None:
    values = f"image: ghcr.io/acme/api\nlivenessProbe: {{exec: {{command: {command}}}}}\n"
    assert not [line for line in added(one(read, values), image())[0] if line.startswith("health: {")]


def test_a_health_check_of_the_dockerfile_stays(read: Read) -> None:
    found = image(health=Said({"command": ["/app/api", "ping"]}, "Dockerfile:9"))
    assert "health: {command: [/app/api, ping]}  # Dockerfile:9" in added(one(read, API), found)[0]


# ---- Where images are taken from.


def test_charts_that_agree_say_where_images_come_from(read: Read) -> None:
    values = "a: {image: ghcr.io/acme/api}\nb: {image: ghcr.io/acme/worker}\nc: {image: docker.io/library/redis:7}\n"
    pulled, notes = Charts(read(values).running).pulled({"api"})
    assert pulled == Registry("ghcr.io", "acme", f"{VALUES}:1")
    (note,) = notes
    assert note == (
        f"{VALUES}:2: runs ghcr.io/acme/worker, and nothing here makes an image of that name: check the names of the "
        "catalogue"
    )


def test_charts_that_do_not_agree_are_listed(read: Read) -> None:
    values = "a: {image: ghcr.io/acme/api}\nb: {image: quay.io/acme/api}\n"
    pulled, notes = Charts(read(values).running).pulled({"api"})
    assert pulled is None
    (note,) = notes
    assert note == (
        "the charts take images of these Dockerfiles from "
        f"ghcr.io/acme ({VALUES}:1) and quay.io/acme ({VALUES}:2): check registryServer"
    )


def test_images_that_nobody_here_makes_say_nothing(read: Read) -> None:
    assert Charts(read("image: ghcr.io/acme/other\n").running).pulled({"api"}) == (None, [])


def test_a_workflow_that_pushes_elsewhere_is_listed() -> None:
    pulled, pushed = Registry("nvcr.io", "acme", f"{VALUES}:1"), Registry("ghcr.io", "acme", "ci.yml:3")
    (note,) = disagreement(pushed, pulled)
    assert note == (
        f"{VALUES}:1: takes the images from nvcr.io/acme, and ci.yml:3 pushes them to ghcr.io/acme: "
        "check registryServer"
    )
    assert list(disagreement(pulled, pulled)) == []
    assert list(disagreement(None, pulled)) == list(disagreement(pushed, None)) == []


# ---- In a clone.


def test_a_clone_s_entries_have_what_its_charts_say(look: Look) -> None:
    found = look({**FILES, **CHART, VALUES: API, "build/Dockerfile.api": DOCKERFILE})
    (image,) = found.images
    (read,) = resolved(found.images)
    assert read.ports == {"web": 8080, "metrics": 9102}
    assert image.entry["health"].where == f"{VALUES}:12"
    assert found.pulled == Registry("ghcr.io", "acme/shop", f"{VALUES}:3")


def test_what_no_catalogue_takes_is_left_to_a_person(look: Look) -> None:
    values = API.replace("periodSeconds: 30", "periodSeconds: -1")
    found = look({**FILES, **CHART, VALUES: values, "build/Dockerfile.api": DOCKERFILE})
    (read,) = resolved(found.images)
    assert not found.images[0].is_kept
    assert read.health is None
    assert any(note.startswith(f"{VALUES}:3: what stands there of api is not taken over (") for note in found.notes)


@pytest.mark.parametrize(
    ("name", "called"), [("shop-server", "shop-server"), ("redis", "shop"), ("bookshop", "shop"), ("shop", "shop")]
)
def test_the_only_image_has_the_name_that_its_chart_gives_it(look: Look, name: str, called: str) -> None:
    found = look({**FILES, **CHART, VALUES: f"image: ghcr.io/acme/{name}\n", "Dockerfile": DOCKERFILE}, as_is=True)
    assert [image.name for image in found.images] == [called]
    assert found.pulled == (Registry("ghcr.io", "acme", f"{VALUES}:1") if name == called else None)
