"""A Go command of the project writes into its own folder, and otherwise works as the user has set it up."""

from pathlib import Path

import pytest

from devenv.go_environment import contained_go


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A shell's environment in which the user has settings of his own."""
    values = {
        "PATH": "/bin", "HOME": "/home/user", "HTTPS_PROXY": "http://proxy.invalid", "GOPROXY": "https://go.invalid",
        "GOPRIVATE": "git.invalid", "GONOPROXY": "a.invalid", "GONOSUMDB": "b.invalid", "GOSUMDB": "off",
        "GOINSECURE": "c.invalid", "GOVCS": "public:git,private:all", "GOFLAGS": "-mod=vendor", "GOWORK": "/go.work",
        "GOPATH": "/home/user/go", "GOCACHE": "/cache", "GOMODCACHE": "/mod", "GO111MODULE": "off",
    }  # fmt: skip
    monkeypatch.setattr("os.environ", values)
    return values


def test_only_what_go_writes_to_and_how_it_builds_is_set(environment: dict[str, str]) -> None:
    before = dict(environment)
    assert contained_go(Path("/own")) == before | {
        "GO111MODULE": "on",
        "GOCACHE": "/own/build",
        "GOENV": "/home/user/.config/go/env",
        "GOFLAGS": "-modcacherw -buildvcs=false",
        "GOMODCACHE": "/own/mod",
        "GOPATH": "/own",
        "GOWORK": "off",
        "XDG_CONFIG_HOME": "/dev/null",
    }
    assert environment == before


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"XDG_CONFIG_HOME": "/settings"}, "/settings/go/env"),
        ({"XDG_CONFIG_HOME": ""}, "/home/user/.config/go/env"),
        ({"GOENV": "off", "XDG_CONFIG_HOME": "/settings"}, "off"),
        ({"GOENV": ""}, "/home/user/.config/go/env"),
    ],
)
def test_settings_made_with_go_env_stay_in_force(
    settings: dict[str, str], expected: str, environment: dict[str, str]
) -> None:
    environment |= settings
    assert contained_go(Path("/own"))["GOENV"] == expected
