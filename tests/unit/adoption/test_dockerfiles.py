"""Single Dockerfiles: what an entry says of each instruction, and what it refuses to say."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbide_infra.adoption.catalogue_text import catalogue_text, entry_data
from carbide_infra.adoption.told import Adopted
from carbide_infra.errors import CommandError, UserError
from tests.support.adoptable import kept, nine_images, several_binaries
from tests.unit.adoption.conftest import FILES, Look

One = Callable[..., Adopted]

BUILD = "FROM golang:1.25 AS build\nWORKDIR /src\nCOPY . .\nRUN CGO_ENABLED=0 go build -o /out/api ./cmd/api\n"
COPY = "COPY --from=build /out/api /app/api\n"
START = 'ENTRYPOINT ["/app/api"]\n'


def final(lines: str = "", base: str = "alpine:3.22") -> str:
    return f"{BUILD}FROM {base}\n{COPY}{lines}{START}"


def built(command: str) -> str:
    return f"FROM golang:1.25 AS build\nWORKDIR /src\nCOPY . .\n{command}\nFROM alpine:3.22\n{COPY}{START}"


def built_of(describe: str) -> str:
    """A build whose version is a git tag."""
    return f'RUN CGO_ENABLED=0 go build -ldflags="-X main.version=$(git describe {describe})" -o /out/api ./cmd/api'


TOOL = [{"package": "./tool", "path": "/app/api"}]


def overlaid(lines: str, mount: str = "") -> str:
    """A build with more than the clone in its source folder."""
    build = f"RUN {mount}CGO_ENABLED=0 go build -o /out/api ./cmd/api\n"
    web = "FROM node:22 AS web\nRUN npm run build\n"
    return f"{web}FROM golang:1.25 AS build\nWORKDIR /src\nCOPY . .\n{lines}{build}FROM alpine:3.22\n{COPY}{START}"


def said(image: Adopted, key: str) -> Any:  # noqa: ANN401
    assert not image.unsayable, image.unsayable
    return entry_data(image).get(key)


@pytest.mark.parametrize(
    ("lines", "key", "value"),
    [
        ("RUN adduser -D -u 1001 svc\nUSER svc\n", "user", {"name": "svc", "uid": 1001}),
        (
            "RUN adduser -S -u 1001 -h /srv svc\nUSER svc\n",
            "user",
            {"name": "svc", "uid": 1001, "gid": 65533, "home": "/srv"},
        ),
        (
            "RUN addgroup -S app && adduser -S -G app app\nUSER app:app\n",
            "user",
            {"name": "app", "uid": 100, "gid": 101},
        ),
        (
            "RUN groupadd -g 2000 g && useradd --uid=1001 -g g svc\nUSER svc\n",
            "user",
            {"name": "svc", "uid": 1001, "gid": 2000},
        ),
        ("RUN adduser -D -u 1001 svc\nUSER 1001\n", "user", {"name": "svc", "uid": 1001}),
        ("USER 1000:1000\n", "user", {"base": "1000:1000"}),
        ("USER nobody\n", "user", {"base": "nobody"}),
        ("USER root\n", "user", "root"),
        ("", "user", "root"),
        ("ARG WHO=nobody\nUSER $WHO\n", "user", {"base": "nobody"}),
        ("WORKDIR /srv\nWORKDIR data\n", "workdir", "/srv/data"),
        ("WORKDIR /\n", "workdir", "/"),
        ("WORKDIR /data\nWORKDIR /app\n", "folders", [{"path": "/data"}]),
        ("WORKDIR /app\nCOPY conf/a.yaml .\n", "files", [{"from": "conf/a.yaml", "to": "/app/a.yaml"}]),
        ("", "workdir", None),
        ('ENV A=1 B="two words"\nENV C=$A$A\n', "environment", {"A": "1", "B": "two words", "C": "11"}),
        (
            "ENV PATH=/app:$PATH\n",
            "environment",
            {"PATH": "/app:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        ),
        ("EXPOSE 8080/tcp 9100\nEXPOSE 7777\n", "ports", {"http": 8080, "metrics": 9100, "port-7777": 7777}),
        ("STOPSIGNAL 15\n", "stopSignal", "SIGTERM"),
        ('LABEL a.b=c d="e f"\n', "labels", {"a.b": "c", "d": "e f"}),
        ("ARG VERSION\nLABEL a.b=$VERSION\n", "labels", {"a.b": "{version}"}),
        ('LABEL org.opencontainers.image.title="The API"\n', "title", "The API"),
        (
            'HEALTHCHECK --timeout=5s --start-period=10s CMD ["/app/api", "health"]\n',
            "health",
            {"command": ["{binary}", "health"]},
        ),
        (
            "HEALTHCHECK --retries=2 CMD wget -q localhost || exit 1\n",
            "health",
            {
                "command": ["/bin/sh", "-c", "wget -q localhost || exit 1"],
                "timeout": "30s",
                "startPeriod": "0s",
                "retries": 2,
            },
        ),
        ("RUN apk add --no-cache tzdata && rm -rf /var/cache/apk/*\n", "provides", ["timezones"]),
        (
            "RUN apt-get update && apt-get install -y ca-certificates && rm -rf /var/lib/apt/lists/*\n",
            "provides",
            ["ca-certificates"],
        ),
        ("COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo\n", "provides", ["timezones"]),
        (
            "RUN mkdir -p /data && chown 1000:1000 /data && chmod 0750 /data\n",
            "folders",
            [{"path": "/data", "mode": "0750", "owner": "1000:1000"}],
        ),
        (
            "COPY --chmod=755 --chown=1000:1000 conf/a.yaml /etc/api/\n",
            "files",
            [{"from": "conf/a.yaml", "to": "/etc/api/a.yaml", "mode": "0755", "owner": "1000:1000"}],
        ),
        ("COPY conf /etc/api\n", "files", [{"from": "conf", "to": "/etc/api"}]),
        (
            "COPY conf/*.yaml /etc/api/\n",
            "files",
            [{"from": "conf/a.yaml", "to": "/etc/api/a.yaml"}, {"from": "conf/b.yaml", "to": "/etc/api/b.yaml"}],
        ),
        ("COPY --from=build /src/conf/a.yaml /etc/a.yaml\n", "files", [{"from": "conf/a.yaml", "to": "/etc/a.yaml"}]),
        (
            "COPY --from=example.com/probe@sha256:" + 64 * "a" + " /probe /bin/probe\n",
            "files",
            [{"image": "example.com/probe@sha256:" + 64 * "a", "from": "/probe", "to": "/bin/probe"}],
        ),
    ],
)
def test_an_entry_says(one: One, lines: str, key: str, value: object) -> None:
    assert said(one(final(lines)), key) == value


@pytest.mark.parametrize(
    ("command", "key", "value"),
    [
        (
            'RUN CGO_ENABLED=0 go build -ldflags="-s -w -X main.version=1.2" -o /out/api ./cmd/api',
            "symbols",
            {"main.version": {"text": "1.2"}},
        ),
        (
            (
                "ARG VERSION=dev\n"
                "RUN CGO_ENABLED=0 go build -ldflags \"-X 'main.version=${VERSION}'\" -o /out/api ./cmd/api"
            ),
            "symbols",
            {"main.version": "version"},
        ),
        (
            'ARG GIT_SHA\nRUN CGO_ENABLED=0 go build -ldflags="-X main.commit=$GIT_SHA" -o /out/api ./cmd/api',
            "symbols",
            {"main.commit": "revision"},
        ),
        (
            'RUN CGO_ENABLED=0 go build -ldflags="-X main.commit=$(date -u +%s)" -o /out/api ./cmd/api',
            "symbols",
            {"main.commit": "buildTime"},
        ),
        (
            'RUN CGO_ENABLED=0 go build -ldflags="-X main.version=$(git describe --tags)" -o /out/api ./cmd/api',
            "version",
            {"gitTag": "v*"},
        ),
        (built_of("--match 'tools/api/v*' | sed s,tools/api/,,"), "version", {"gitTag": "tools/api/v*"}),
        (built_of("--tags --match=tools/api/v1.*"), "tagPrefix", "tools/api/"),
        (built_of("--match v2.*"), "version", {"gitTag": "v2.*"}),
        (built_of("--match v2.*"), "tagPrefix", None),
        (
            (
                "RUN if [ -f V ]; then VERSION=$(cat cmd/VERSION.txt); else VERSION=dev; fi; "
                'CGO_ENABLED=0 go build -ldflags="-X main.version=$VERSION" -o /out/api ./cmd/api'
            ),
            "version",
            {"file": "cmd/VERSION.txt"},
        ),
        (
            'ARG EDITION=free\nRUN CGO_ENABLED=0 go build -ldflags="-X main.version=$EDITION" -o /out/api ./cmd/api',
            "symbols",
            {"main.version": {"text": "free"}},
        ),
        ("ENV GOFLAGS='-mod=mod -tags=a,b'\nRUN CGO_ENABLED=0 go build -o /out/api ./cmd/api", "tags", ["a", "b"]),
        ("RUN mkdir -p /src /out && CGO_ENABLED=0 go build -o /out ./cmd/api", "package", "./cmd/api"),
        ("RUN CGO_ENABLED=0 go build -tags 'netgo osusergo' -o /out/api ./cmd/api", "tags", ["netgo", "osusergo"]),
        ("RUN CGO_ENABLED=0 go build -gcflags 'all=-N -l' -o /out/api ./cmd/api", "gcflags", ["all=-N", "-l"]),
        ("RUN CGO_ENABLED=0 GOARCH=amd64 go build -o /out/api ./cmd/api", "platforms", ["linux/amd64"]),
        ("ARG TARGETARCH\nENV CGO_ENABLED=0 GOARCH=$TARGETARCH\nRUN go build -o /out/api ./cmd/api", "platforms", None),
        ("RUN cd cmd/api && CGO_ENABLED=0 go build -o /out/", "package", "./cmd/api"),
        # What these write is no part of what is compiled.
        (
            (
                "RUN echo machine example.com > ~/.netrc && echo x > /dev/null 2>&1\n"
                "RUN mkdir -p /root/.ssh && ssh-keyscan example.com >> $HOME/.ssh/known_hosts\n"
                "COPY --from=example.com/tools:1 /bin/tool /usr/bin/tool\nCOPY <<EOF /etc/x\nx\nEOF\n"
                "COPY conf/a.yaml .\nCOPY cmd cmd\nRUN CGO_ENABLED=0 go build -o /src/first ./cmd/api\n"
                "RUN CGO_ENABLED=0 go build -o /out/api ./cmd/api"
            ),
            "package",
            "./cmd/api",
        ),
        ("RUN go get -d -v ./... && CGO_ENABLED=0 go build -o /out/api ./cmd/api", "package", "./cmd/api"),
        ("WORKDIR /src/cmd\nRUN CGO_ENABLED=0 go build -o ../../out/api api/main.go", "package", "./cmd/api"),
        ("RUN CGO_ENABLED=0 go build -o /out/api example.com/shop/cmd/api", "package", "./cmd/api"),
        ("RUN CGO_ENABLED=0 go build -o /out/ ./...", "package", "./cmd/api"),
        # Another repository's tool that stays in the stage, and arguments that are empty unless somebody gives them.
        (
            "RUN go install example.com/other/v4/cmd/tool@v4.17.0\nRUN CGO_ENABLED=0 go build -o /out/api ./cmd/api",
            "package",
            "./cmd/api",
        ),
        (
            'ARG G\nARG TAGS\nRUN CGO_ENABLED=0 go build -gcflags="${G}" -tags "$TAGS" -o /out/api ./cmd/api',
            "gcflags",
            None,
        ),
        # Without a name it is that of the import path, or of the first file.
        ("RUN CGO_ENABLED=0 go build ./cmd/api && mkdir /out && cp api /out/", "package", "./cmd/api"),
        ("RUN CGO_ENABLED=0 go build cmd/api/main.go && mkdir /out && cp main /out/api", "package", "./cmd/api"),
        ("WORKDIR /src/tool\nRUN CGO_ENABLED=0 go build && mkdir /out && cp kit /out/api", "binaries", TOOL),
        ("RUN CGO_ENABLED=0 go install -C tool . && mkdir /out && cp /go/bin/kit /out/api", "binaries", TOOL),
        ("RUN CGO_ENABLED=0 go install tool/main.go && mkdir /out && cp /go/bin/main /out/api", "binaries", TOOL),
        ("RUN CGO_ENABLED=0 go build -C cmd/api -o /out/api", "package", "./cmd/api"),
        ("RUN CGO_ENABLED=0 go install ./cmd/api && mkdir /out && cp /go/bin/api /out/api", "package", "./cmd/api"),
        ("RUN <<EOF\nset -eu\nexport CGO_ENABLED=0\ngo build -o /out/api ./cmd/api\nEOF", "package", "./cmd/api"),
        (
            "RUN --mount=type=bind,target=/m cd /m && CGO_ENABLED=0 go build -o /out/api ./cmd/api",
            "package",
            "./cmd/api",
        ),
    ],
)
def test_a_go_build_says(one: One, command: str, key: str, value: object) -> None:
    assert said(one(built(command)), key) == value


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        (final("RUN apk add bash\n"), "installs bash"),
        (final("RUN apk upgrade\n"), "installs upgrade"),
        (final("RUN ./setup.sh\n"), "RUN ./setup.sh"),
        (final("RUN echo 'hosts: files dns' > /etc/nsswitch.conf\n"), "has /etc/nsswitch.conf, which line 7 writes"),
        (final("RUN [ -e /etc/x ] || echo x >> /etc/x\n"), "has /etc/x, which line 7 writes"),
        (final("WORKDIR /srv\nRUN { date; pwd; } > stamp\n"), "has /srv/stamp, which line 8 writes"),
        (final("RUN cat > ~/.profile <<EOF\nx\nEOF\n"), "RUN cat > ~/.profile"),
        (final('RUN echo x > "$FILE"\n'), "> $FILE"),
        (final('RUN ["/bin/true"]\n'), "RUN /bin/true"),
        (final("RUN cd / && (apk add \n"), "is no script that is understood here"),
        (final("RUN adduser -D a && adduser -D b\nUSER a\n"), "makes several users"),
        (final("RUN adduser -D -G wheel a\nUSER a\n"), "which no line before it makes"),
        (final("VOLUME /data\n"), "has VOLUME"),
        (final("ONBUILD COPY x y\n"), "has ONBUILD"),
        (final('HEALTHCHECK --start-interval=1s CMD ["/app/api"]\n'), "has HEALTHCHECK --start-interval"),
        (built("ENV GOEXPERIMENT=jsonv2\nRUN CGO_ENABLED=0 go build -o /out/api ./cmd/api"), "GOEXPERIMENT=jsonv2"),
        (built("RUN GOAMD64=v3 CGO_ENABLED=0 go build -o /out/api ./cmd/api"), "compiles with GOAMD64=v3"),
        (final("EXPOSE 53/udp\n"), "exposes 53/udp"),
        (final("EXPOSE 8000-8010\n"), "exposes 8000-8010"),
        (final("ENV A=$NOBODY\n"), "sets A to $NOBODY"),
        (final("LABEL a=$NOBODY$VERSION\n"), "has the label a"),
        (final("COPY . /everything\n"), "copies the whole context"),
        (final("COPY nothing /x\n"), "is no file of the clone"),
        (final('COPY --from=build" /out/api /x\n'), "has COPY --from=build"),
        (final("COPY --parents cmd/api /x\n"), "has COPY --parents"),
        (final("COPY <<EOF /x\nhello\nEOF\n"), "has COPY <<EOF"),
        (final("COPY --from=example.com/probe:1 /probe /bin/probe\n"), "a tag that moves"),
        (final("ADD https://example.com/x /x\n"), "adds https://example.com/x"),
        (final("COPY --chown=other:other go.mod /x\n"), "to other:other"),
        (final("USER ghost\n", base="scratch"), "a user that nobody makes"),
        (final("", base="example.com/own:1"), "that of example.com/own:1 is not known"),
        ("ARG BASE\n" + final("", base="${BASE}"), "which only a build argument says"),
        (built("RUN CGO_ENABLED=1 go build -o /out/api ./cmd/api"), "compiles with cgo"),
        (built("RUN CGO_ENABLED=0 GOOS=windows go build -o /out/api ./cmd/api"), "compiles for windows"),
        (built("RUN CGO_ENABLED=0 go build -race -o /out/api ./cmd/api"), "has the flag -race"),
        (built("RUN CGO_ENABLED=0 go build -buildmode=pie -o /out/api ./cmd/api"), "has the flag -buildmode"),
        (built("RUN CGO_ENABLED=0 go build -ldflags '-X main.version=v$VERSION' -o /out/api ./cmd/api"), None),
        (
            built('ARG VERSION\nRUN CGO_ENABLED=0 go build -ldflags "-X main.version=v$VERSION" -o /out/api ./cmd/api'),
            "sets main.version to v$VERSION",
        ),
        (
            built('RUN CGO_ENABLED=0 go build -ldflags "-X main.version=$(./v.sh)" -o /out/api ./cmd/api'),
            "sets main.version to $(./v.sh)",
        ),
        (built("RUN go generate ./... && CGO_ENABLED=0 go build -o /out/api ./cmd/api"), "which may write code"),
        (
            built("RUN go get example.com/x@latest && CGO_ENABLED=0 go build -o /out/api ./cmd/api"),
            "which may write code",
        ),
        (built("RUN make gen\nRUN CGO_ENABLED=0 go build -o /out/api ./cmd/api"), "which may write code"),
        (built("RUN CGO_ENABLED=0 go build -o /out/api ./cmd/api && upx /out/api"), "which line 4 may change"),
        (overlaid("COPY --from=web /dist ./web/dist\n"), "compiles ./cmd/api with web/dist of line 6"),
        (overlaid("COPY --from=web /dist/a.go cmd/api/\n"), "compiles ./cmd/api with cmd/api/a.go of line 6"),
        (overlaid("COPY --from=example.com/web:1 /dist ./web/dist\n"), "compiles ./cmd/api with web/dist of line 6"),
        (overlaid("ADD https://example.com/x.js ./web/dist/x.js\n"), "compiles ./cmd/api with web/dist/x.js of line 6"),
        (overlaid("COPY <<EOF web/dist/x.js\nhello\nEOF\n"), "compiles ./cmd/api with web/dist/x.js of line 6"),
        (
            overlaid("COPY conf/b.yaml conf/a.yaml\nCOPY conf/b.yaml web/dist/index.html\n"),
            "web/dist/index.html of line 7",
        ),
        (overlaid("RUN echo hello > web/dist/a.yaml\n"), "compiles ./cmd/api with web/dist/a.yaml of line 6"),
        (overlaid("RUN CGO_ENABLED=0 go build -o cmd/api/main.go ./cmd/api\n"), "cmd/api/main.go of line 6"),
        (
            overlaid("", "--mount=type=bind,from=web,source=/dist,target=/src/web/dist "),
            "compiles ./cmd/api with web/dist of line 6",
        ),
        (built("RUN make build"), "which line 4 makes (make build)"),
        (built("RUN CGO_ENABLED=0 go install example.com/other/cmd/api@latest"), "which line 4 makes"),
        (
            built("RUN CGO_ENABLED=0 go install example.com/other/cmd/api@v1 && mkdir /out && mv /go/bin/api /out/"),
            "which line 4 makes",
        ),
        (built('RUN [ -n "$X" ] && CGO_ENABLED=0 go build -o /out/api ./cmd/api || true'), None),
        (built('RUN if [ -n "$X" ]; then CGO_ENABLED=0 go build -o /out/api ./cmd/api; fi'), "which line 4 makes"),
        ("# syntax=example.com/frontend:1\n" + final(), "whose grammar is not known here"),
        ("# escape=`\n" + final(), "an escape character of its own"),
        ('FROM alpine:3.22\nCMD ["sh"]\n', "has no binary of a `go build`"),
    ],
)
def test_what_cannot_be_said_keeps_the_dockerfile(one: One, dockerfile: str, words: str | None) -> None:
    image = one(dockerfile)
    if words is None:
        assert not image.is_kept or image.unsayable
        return
    assert image.is_kept
    assert any(words in each.what for each in image.unsayable), [each.what for each in image.unsayable]
    assert all(each.where.startswith("Dockerfile:") for each in image.unsayable)


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        ("hello: world\n", "is no instruction of a Dockerfile"),
        ("RUN echo\n", "Dockerfile has no FROM"),
        ("", "Dockerfile"),
        ("FROM {{ .Base }}\n", "Dockerfile:1: is a template"),
        ("FROM alpine\n{% if x %}\nCOPY a b\n{% endif %}\n", "Dockerfile:2: is a template"),
        ("FROM alpine\nCOPY a\n", None),
        ("FROM alpine\0\n", "holds a NUL byte"),
    ],
)
def test_what_is_no_dockerfile_is_one_sentence_with_a_way_out(one: One, dockerfile: str, words: str | None) -> None:
    if words is None:
        assert one(dockerfile).is_kept
        return
    with pytest.raises(UserError) as raised:
        one(dockerfile)
    assert words in str(raised.value)
    assert "--skip Dockerfile" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_numbers_that_nobody_says_are_for_a_person(one: One) -> None:
    assert any("does not say the numbers of svc" in note for note in one(final("RUN adduser -D svc\nUSER svc\n")).notes)


def test_an_entry_point_is_named_by_its_whole_path(one: One) -> None:
    image = one(f'{BUILD}FROM alpine:3.22\nWORKDIR /app\n{COPY}ENTRYPOINT ["./api"]\n')
    assert said(image, "entrypoint") is None
    assert any("./api is written /app/api" in note for note in image.notes)


def test_a_shell_form_stays_one(one: One) -> None:
    image = one(f"{BUILD}FROM alpine:3.22\n{COPY}ENTRYPOINT exec /app/api --port 80\n")
    assert said(image, "entrypoint") == ["/bin/sh", "-c", "exec /app/api --port 80"]


def test_a_command_alone_leaves_no_entry_point(one: One) -> None:
    image = one(f'{BUILD}FROM alpine:3.22\n{COPY}CMD ["/app/api", "serve"]\n')
    assert entry_data(image)["entrypoint"] is None
    assert said(image, "command") == ["/app/api", "serve"]


def test_an_entry_point_above_drops_the_command_of_the_stage_below(one: One) -> None:
    image = one(f'{BUILD}FROM alpine:3.22 AS base\nCMD ["x"]\nFROM base\n{COPY}{START}')
    assert said(image, "command") is None


def test_a_program_that_is_nowhere_keeps_the_dockerfile(look: Look) -> None:
    text = f'{BUILD}FROM alpine:3.22\n{COPY}ENTRYPOINT ["bash", "-c", "/app/api"]\n'
    (image,) = look({**FILES, "Dockerfile": text}).images
    assert "bash is neither in alpine:3.22" in image.unsayable[0].what
    assert image.unsayable[0].where == "Dockerfile:7"


def test_two_dockerfiles_of_one_image_are_one_sentence(look: Look) -> None:
    files = {"docker/api/Dockerfile": final(), "docker/Dockerfile.api": final(), "go.mod": "module x\n\ngo 1.25\n"}
    with pytest.raises(
        CommandError, match=r"^api: docker/Dockerfile\.api and docker/api/Dockerfile both make it; .* --skip"
    ):
        look(files)


def test_what_is_skipped_is_not_looked_at(look: Look) -> None:
    files = {
        "docker/api/Dockerfile": final(),
        "local/Dockerfile": "no Dockerfile\n",
        "go.mod": "module example.com/x\n\ngo 1.25\n",
        "cmd/api/main.go": "package main\n\nfunc main() {}\n",
    }
    assert [image.name for image in look(files, skipped=("local",)).images] == ["api"]


def _dockerfile_lines(files: Mapping[str, str]) -> list[str]:
    return [line for name, text in files.items() if "ockerfile" in name for line in text.splitlines()]


LINES = sorted({line for text in (kept(), several_binaries(), nine_images()) for line in _dockerfile_lines(text)})


@given(
    lines=st.lists(st.tuples(st.sampled_from(LINES), st.integers(0, 12)), max_size=5),
    edits=st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from("\"'$\\{}()|&;<>=:/.- *?[]!`#,@0\x01\u00e9")), max_size=3
    ),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_there_is_an_image_or_one_sentence(
    one: One, lines: list[tuple[str, int]], edits: list[tuple[int, str]]
) -> None:
    rows = final().splitlines()
    for line, at in lines:
        rows.insert(at, line)
    text = "\n".join(rows) + "\n"
    for at, letter in edits:
        text = text[: at % len(text)] + letter + text[at % len(text) :]
    try:
        image = one(text)
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017 - there may be none
    else:
        assert image.is_kept or not image.unsayable


def test_a_platform_that_from_names_is_the_images(one: One) -> None:
    assert said(one(final(base="--platform=linux/amd64 alpine:3.22")), "platforms") == ["linux/amd64"]
    assert said(one(final(base="--platform=$TARGETPLATFORM alpine:3.22")), "platforms") is None
    both = final(base="--platform=linux/arm64 alpine:3.22").replace("go build", "GOARCH=amd64 go build")
    assert any("is of two platforms" in each.what for each in one(both).unsayable)


def test_a_secret_of_the_build_is_for_the_stack(one: One) -> None:
    image = one(built("RUN --mount=type=secret,id=netrc CGO_ENABLED=0 go build -o /out/api ./cmd/api"))
    assert image.notes == (
        "Dockerfile:4: mounts the secret netrc; for private modules the stack has gitcreds and sshAgent",
    )


def test_a_package_whose_files_are_copied_one_by_one_is_found(one: One) -> None:
    build = (
        "FROM golang:1.25 AS build\nWORKDIR /workspace\nCOPY go.mod go.mod\nCOPY cmd/api/main.go cmd/api/main.go\n"
        "RUN CGO_ENABLED=0 go build -a -o manager {package}\n"
        "FROM gcr.io/distroless/static:nonroot\nWORKDIR /\nCOPY --from=build /workspace/manager .\n"
        'ENTRYPOINT ["/manager"]\n'
    )
    for package in ("cmd/api/main.go", "./cmd/api"):
        assert said(one(build.format(package=package)), "binaries") == [{"package": "./cmd/api", "path": "/manager"}]


def test_a_template_by_its_name_is_named_and_left_out(look: Look) -> None:
    found = look({**FILES, "docker/Dockerfile.api": final(), "docker/Dockerfile.web.tmpl": "FROM {{ .Base }}\n"})
    assert [image.name for image in found.images] == ["api"]
    assert "docker/Dockerfile.web.tmpl: is a template by its name; adopt what it makes" in found.notes


OPERATOR = """FROM golang:1.25 AS builder
ARG TARGETOS
ARG TARGETARCH
WORKDIR /workspace
COPY go.mod go.mod
RUN go mod download
COPY cmd/main.go cmd/main.go
COPY internal/ internal/
RUN CGO_ENABLED=0 GOOS=${TARGETOS:-linux} GOARCH=${TARGETARCH} go build -a -o manager cmd/main.go
FROM gcr.io/distroless/static:nonroot
WORKDIR /
COPY --from=builder /workspace/manager .
USER 65532:65532
ENTRYPOINT ["/manager"]
"""


def test_what_kubebuilder_writes_is_an_entry(look: Look) -> None:
    found = look(
        {
            "go.mod": "module example.com/shop/operator\n\ngo 1.25.0\n",
            "cmd/main.go": 'package main\n\nimport _ "example.com/shop/operator/internal"\n\nfunc main() {}\n',
            "internal/one.go": "package internal\n",
            "Dockerfile": OPERATOR,
        }
    )
    image = found.images[0]
    assert said(image, "workdir") == "/"
    assert said(image, "binaries") == [{"package": "./cmd", "path": "/manager"}]
    assert found.loose == ()


def test_what_git_describe_prints_beside_a_version_is_told(one: One) -> None:
    image = one(built(built_of("--tags --dirty")))
    assert any("Dockerfile:4: git describe prints more than a version" in note for note in image.notes), image.notes


def test_a_version_of_one_image_is_not_that_of_all(look: Look) -> None:
    files = {**FILES, "cmd/job/main.go": FILES["cmd/api/main.go"]}
    files["api.Dockerfile"] = built(built_of("--match 'tools/api/v*'"))
    files["job.Dockerfile"] = built("RUN CGO_ENABLED=0 go build -o /out/api ./cmd/job")
    text = catalogue_text(look(files).images)
    assert "defaults" in text
    assert "version" not in text.partition("images:")[0]
    assert '    version: {gitTag: "tools/api/v*"}' in text
    assert "    tagPrefix: tools/api/" in text


def test_a_stage_that_looks_like_another_image_is_told(look: Look) -> None:
    """Only who builds it by its name knows of it."""
    stages = (
        f"{BUILD}FROM alpine:3.22 AS worker\n{COPY}{START}\nFROM build AS lint\nRUN go vet ./...\n"
        f'FROM alpine:3.22 AS base\nCMD ["sh"]\nFROM base AS server\n{COPY}{START}'
    )
    found = look({**FILES, "Dockerfile": stages})
    assert [image.name for image in found.images] == ["shop"]
    said = "another image by the looks of it, but no bake or compose file here names it; add it by hand, with target"
    assert f"Dockerfile:5: the stage worker is {said}: worker" in found.notes
    assert not any("stage lint" in note or "stage base" in note for note in found.notes)


def test_an_argument_that_is_empty_is_told(one: One) -> None:
    image = one(built('ARG GCFLAGS\nRUN CGO_ENABLED=0 go build -gcflags="${GCFLAGS}" -o /out/api ./cmd/api'))
    assert any("Dockerfile:5: -gcflags is left out, for nothing here says GCFLAGS" in note for note in image.notes)
