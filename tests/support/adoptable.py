"""Repositories of other people, as far as `carbide-infra init` has to understand them: one function for each shape."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.git_trees import commit, git

NINE = (
    ("api", "api/cmd/api", 8388),
    ("workflow", "workflow/cmd/workflow", 8899),
    ("site-manager", "site-manager/cmd/sitemgr", 8100),
    ("cert-manager", "cert-manager/cmd/credsmgr", 8080),
    ("ipam", "ipam/cmd/server", 9090),
    ("site-agent", "site-agent/cmd/elektra", 8080),
    ("nsm", "nsm/cmd/nsm", 8443),
    ("psm", "psm/cmd/psm", 50051),
    ("db", "db/cmd/migrations", 0),
)
MODULE = "example.com/shop/rest"
SUBFOLDER = "platform/rest"

_MAIN = """package main

import (
	"fmt"
	"os"

	"{module}/common/version"
)

func main() {{ fmt.Println("{name}", version.Version, os.Args[1:]) }}
"""
_ALONE = """package main

import "fmt"

var version = "dev"

func main() { fmt.Println("hello", version) }
"""
_IN_SHOP = """package main

import "example.com/shop/internal/version"

func main() { println("NAME", version.Version) }
"""
_NINE_DOCKERFILE = """# {name}
ARG GO_VERSION=1.25
FROM --platform=$BUILDPLATFORM golang:${{GO_VERSION}} AS build
ARG TARGETOS
ARG TARGETARCH
WORKDIR /src
COPY go.mod go.sum* ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod \\
    VERSION=$(grep -v '^#' VERSION | head -n 1) && \\
    CGO_ENABLED=0 GOOS=${{TARGETOS}} GOARCH=${{TARGETARCH}} go build -trimpath \\
      -ldflags "-s -w -X {module}/common/version.Version=${{VERSION}} \\
        -X '{module}/common/version.Commit=$(git rev-parse HEAD)'" \\
      -o /out/{binary} ./{package}

{rest}"""
_ALPINE = """FROM alpine:3.22
RUN apk add --no-cache ca-certificates tzdata && \\
    addgroup -g 1000 appuser && adduser -D -u 1000 -G appuser appuser
WORKDIR /app
COPY --from=build /out/{binary} /app/{binary}
{more}USER appuser
{expose}ENTRYPOINT ["/app/{binary}"]
"""
_DISTROLESS = """FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/{binary} /usr/local/bin/{binary}
LABEL org.opencontainers.image.vendor="Shop, Inc." org.opencontainers.image.created=$BUILD_DATE
USER nonroot:nonroot
EXPOSE {port}
ENTRYPOINT ["/usr/local/bin/{binary}"]
"""


def write(root: Path, files: Mapping[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        if name.endswith(".sh"):
            file.chmod(0o755)


def cloned(root: Path, files: Mapping[str, str]) -> Path:
    """A repository with these files, all in one commit."""
    root.mkdir(parents=True, exist_ok=True)
    write(root, files)
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(root)], check=True)
    git(root, "remote", "add", "origin", "https://token:secret@example.com/shop/mono.git")
    commit(root)
    return root


def nine_images() -> dict[str, str]:
    """One root module with nine images in a sub-folder of a larger repository."""
    files = {
        "go.mod": f"module {MODULE}\n\ngo 1.25.0\n",
        "VERSION": "# SPDX-License-Identifier: Apache-2.0\n# Copyright\n1.4.0\n",
        "common/version/version.go": 'package version\n\nvar (\n\tVersion = "dev"\n\tCommit  = "none"\n)\n',
    }
    for name, package, port in NINE:
        binary = package.rpartition("/")[2]
        files[f"{package}/main.go"] = _MAIN.format(module=MODULE, name=name)
        shown = {"binary": binary, "port": port}
        if name == "psm":
            rest = _DISTROLESS.format(**shown)
        elif name == "db":
            rest = _ALPINE.format(**shown, more="", expose="") + 'CMD ["db", "init_migrate"]\n'
        else:
            health = f'HEALTHCHECK --interval=30s CMD ["/app/{binary}", "health"]\n'
            rest = _ALPINE.format(**shown, more="", expose=f"EXPOSE {port}\n{health}")
        files[f"docker/production/Dockerfile.carbide-rest-{name}"] = _NINE_DOCKERFILE.format(
            name=name, module=MODULE, binary=binary, package=package, rest=rest
        )
    return {
        "README.md": "# Everything\n",
        "web/index.html": "<html>\n",
        **{f"{SUBFOLDER}/{name}": text for name, text in files.items()},
        ".github/workflows/release.yml": (
            "on: push\njobs:\n  build:\n    runs-on: x\n    steps:\n      - uses: docker/build-push-action@v6\n"
            "        with:\n          tags: registry.example.com/shop/images/carbide-rest-api:${{ github.sha }}\n"
        ),
    }


def module_per_service() -> dict[str, str]:
    """One module for each service and none at the root; distroless; folders beside the binary; an environment."""
    files: dict[str, str] = {}
    for name in ("cart", "mail"):
        folder = f"services/{name}"
        files |= {
            f"{folder}/go.mod": f"module example.com/shop/{name}\n\ngo 1.24.2\n",
            f"{folder}/main.go": _ALONE,
            f"{folder}/templates/page.html": "<p>\n",
            f"{folder}/static/site.css": "p {}\n",
            f"{folder}/static/notes.md": "not in the image\n",
            f"{folder}/.dockerignore": "**/*.md\n",
            f"{folder}/Dockerfile": (
                "FROM golang:1.24-alpine AS builder\nWORKDIR /src\nCOPY go.mod ./\nRUN go mod download\nCOPY . .\n"
                "ENV CGO_ENABLED=0\n"
                "RUN go build -ldflags='-s -w' -tags netgo,osusergo -o /go/bin/service .\n\n"
                "FROM gcr.io/distroless/static\nWORKDIR /srv\nCOPY --from=builder /go/bin/service /srv/service\n"
                "COPY templates ./templates\nCOPY --from=builder /src/static ./static\n"
                'ENV GOTRACEBACK=single DISABLE="1, 2"\nEXPOSE 8080 9100\nENTRYPOINT ["/srv/service"]\n'
            ),
        }
    return files


def several_binaries() -> dict[str, str]:
    """Two images with five binaries, and a shell script as entry point."""
    files = {
        "go.mod": "module example.com/shop/tools\n\ngo 1.25.0\n",
        "scripts/start.sh": '#!/bin/sh\nexec "$@"\n',
        "Dockerfile": (
            "FROM golang:1.25 AS build\nWORKDIR /w\nCOPY . ./\nENV CGO_ENABLED=0\n"
            'ARG VERSION=dev\nENV LDFLAGS="-s -w"\n'
            'RUN for b in api worker cron; do go build -ldflags "$LDFLAGS -X main.version=$VERSION"'
            " -o /out/$b ./cmd/$b; done\n"
            "FROM alpine:3.22 AS base\nRUN adduser -D -u 1001 -h /home/svc svc\n"
            "FROM base\nCOPY --from=build /out/ /usr/local/bin/\n"
            "COPY --chown=svc:svc --chmod=755 scripts/start.sh /usr/local/bin/start.sh\n"
            "RUN mkdir -p /var/lib/svc && chown svc:svc /var/lib/svc\n"
            'USER svc\nEXPOSE 8080\nSTOPSIGNAL SIGINT\nENTRYPOINT ["start.sh"]\nCMD ["api", "--verbose"]\n'
        ),
        "Dockerfile.admin": (
            "FROM golang:1.25 AS build\nWORKDIR /w\nCOPY . ./\n"
            "RUN CGO_ENABLED=0 GOBIN=/out go install ./cmd/admin ./cmd/reset\n"
            "FROM scratch\nCOPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/\n"
            'COPY --from=build /out/admin /out/reset /bin/\nUSER 65532:65532\nENTRYPOINT ["/bin/admin"]\n'
        ),
    }
    return files | {f"cmd/{name}/main.go": _ALONE for name in ("api", "worker", "cron", "admin", "reset")}


def kept() -> dict[str, str]:
    """What an entry cannot say: a package manager in the final stage, another language, a fetched tool."""
    build = "FROM golang:1.25 AS build\nWORKDIR /w\nCOPY . ./\nRUN CGO_ENABLED=0 go build -o /out/{name} ./cmd/{name}\n"
    return {
        "go.mod": "module example.com/shop/kept\n\ngo 1.25.0\n",
        **{f"cmd/{name}/main.go": _ALONE for name in ("shell", "web", "fetch", "all", "spare")},
        "web/package.json": "{}\n",
        "docker/shell.Dockerfile": (
            build.format(name="shell")
            + "FROM alpine:3.22\nARG VERSION\nRUN apk add --no-cache bash openssh-client\n"
            + 'COPY --from=build /out/shell /app/shell\nEXPOSE 8080\nENTRYPOINT ["/app/shell"]\n'
        ),
        "docker/web.Dockerfile": (
            "FROM node:22 AS web\nWORKDIR /web\nCOPY web ./\nRUN npm run build\n"
            + build.format(name="web")
            + "FROM alpine:3.22\nCOPY --from=web /web/dist /app/dist\nCOPY --from=build /out/web /app/web\n"
            + 'USER nobody\nCMD ["/app/web"]\n'
        ),
        "docker/fetch.Dockerfile": (
            build.format(name="fetch")
            + "RUN curl -sSLo /out/probe https://example.com/probe\nFROM alpine:3.22\n"
            + 'COPY --from=build /out/fetch /out/probe /app/\nVOLUME /data\nENTRYPOINT ["/app/fetch"]\n'
        ),
        "docker/all.Dockerfile": (
            "FROM golang:1.25\nWORKDIR /w\nCOPY . .\nRUN CGO_ENABLED=0 go build -o /w/all ./cmd/all\n"
            'ENTRYPOINT ["/w/all"]\n'
        ),
    }


def ko() -> dict[str, str]:
    """A .ko.yaml with ldflags from the environment, and no Dockerfile."""
    return {
        "go.mod": "module example.com/shop/ko\n\ngo 1.25.0\n",
        "cmd/hello/main.go": _ALONE,
        "cmd/hello/kodata/page.html": "<p>\n",
        ".ko.yaml": (
            "defaultBaseImage: gcr.io/distroless/static:nonroot\nbuilds:\n  - id: hello\n    main: ./cmd/hello\n"
            "    env: [CGO_ENABLED=0]\n    ldflags:\n      - -s -w\n      - -X main.version={{ .Env.VERSION }}\n"
        ),
    }


def workspace() -> dict[str, str]:
    """A go.work with modules that replace each other."""
    build = (
        "FROM golang:1.25 AS build\nWORKDIR /src\nCOPY . .\nWORKDIR /src/{name}\n"
        "RUN GOWORK=off CGO_ENABLED=0 go build -o /out/{name} .\n"
        'FROM alpine:3.22\nCOPY --from=build /out/{name} /app/{name}\nUSER nobody\nENTRYPOINT ["/app/{name}"]\n'
    )
    files = {
        "go.work": "go 1.25.0\n\nuse (\n\t./left\n\t./right\n\t./shared\n)\n",
        "shared/go.mod": "module example.com/shop/shared\n\ngo 1.25.0\n",
        "shared/words.go": 'package shared\n\nconst Word = "hello"\n',
    }
    for name in ("left", "right"):
        files |= {
            f"{name}/go.mod": (
                f"module example.com/shop/{name}\n\ngo 1.25.0\n\nrequire example.com/shop/shared v0.0.0\n\n"
                "replace example.com/shop/shared => ../shared\n"
            ),
            f"{name}/main.go": (
                'package main\n\nimport "example.com/shop/shared"\n\nfunc main() { println(shared.Word) }\n'
            ),
            f"{name}/Dockerfile": build.format(name=name),
        }
    return files


def bake() -> dict[str, str]:
    """A docker-bake.hcl with a matrix over one Dockerfile."""
    return {
        "go.mod": "module example.com/shop/bake\n\ngo 1.25.0\n",
        **{f"cmd/{name}/main.go": _ALONE for name in ("red", "blue")},
        "build/Dockerfile": (
            "FROM golang:1.25 AS build\nARG SERVICE\nARG VERSION=dev\nWORKDIR /src\nCOPY . .\n"
            'RUN CGO_ENABLED=0 go build -ldflags "-X main.version=$VERSION" -o /out/service ./cmd/$SERVICE\n'
            "FROM gcr.io/distroless/static:nonroot\nCOPY --from=build /out/service /service\n"
            'ENTRYPOINT ["/service"]\n'
        ),
        "docker-bake.hcl": (
            'variable "TAG" { default = "dev" }\n'
            'target "service" {\n  matrix = { item = ["red", "blue"] }\n  name = "service-${item}"\n'
            '  dockerfile = "build/Dockerfile"\n  args = { SERVICE = item, VERSION = TAG }\n'
            '  tags = ["registry.example.com/shop/${item}:${TAG}"]\n}\n'
        ),
    }


def shop() -> dict[str, str]:
    """What docs/adopting.md shows: a service, a job, and an image that needs a package manager."""
    build = (
        "FROM --platform=$BUILDPLATFORM golang:1.25 AS build\nARG TARGETOS TARGETARCH\nWORKDIR /src\nCOPY . .\n"
        'RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -ldflags "-s -w \\\n'
        '      -X example.com/shop/internal/version.Version=$(cat VERSION)" -o /out/{name} ./cmd/{name}\n\n'
        "FROM alpine:3.22\nRUN apk add --no-cache {packages} && adduser -D -u 10001 shop\nWORKDIR /app\n"
        "COPY --from=build /out/{name} /app/{name}\nUSER shop\n"
    )
    common = "ca-certificates tzdata"
    return {
        "go.mod": "module example.com/shop\n\ngo 1.25.0\n",
        "VERSION": "1.4.0\n",
        "internal/version/version.go": 'package version\n\nvar Version = "dev"\n',
        **{f"cmd/{name}/main.go": _IN_SHOP.replace("NAME", name) for name in ("api", "migrate", "backup", "shopctl")},
        "docker/Dockerfile.shop-api": build.format(name="api", packages=common)
        + "COPY web/templates /app/templates\nEXPOSE 8080\nHEALTHCHECK --timeout=5s --start-period=10s \\\n"
        '    CMD ["/app/api", "health"]\nENTRYPOINT ["/app/api"]\n',
        "docker/Dockerfile.shop-migrations": build.format(name="migrate", packages=common)
        + 'ENTRYPOINT ["/app/migrate"]\nCMD ["up"]\n',
        "docker/Dockerfile.shop-backup": build.format(name="backup", packages="postgresql17-client")
        + 'ENTRYPOINT ["/app/backup"]\n',
        "web/templates/page.html": "<p>\n",
        ".github/workflows/release.yml": (
            "on: push\njobs:\n  images:\n    runs-on: ubuntu-24.04\n    steps:\n"
            "      - run: docker buildx build --push --tag $IMAGE .\n"
            "        env:\n          IMAGE: registry.example.com/shop/shop-api:latest\n"
        ),
    }


SHAPES: Mapping[str, Callable[[], dict[str, str]]] = {
    "nine images": nine_images,
    "module per service": module_per_service,
    "several binaries": several_binaries,
    "kept": kept,
    "ko": ko,
    "workspace": workspace,
    "bake": bake,
    "shop": shop,
}
