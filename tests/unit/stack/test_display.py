from carbide_infra.stack.display import steps

OUTPUT = """Updating (dev):
@ updating....
 +  docker-build:index:Image carbide-rest-api creating (0s)\x20
 +  docker-build:index:Image carbide-rest-api creating (8s) #14 DONE 7.2s
 +  docker-build:index:Image carbide-rest-api creating (9s)\x20
 +  docker-build:index:Image carbide-rest-api created (9.5s) #24 DONE 0.2s
 ~  docker-build:index:Image carbide-rest-db updating (1s) [diff: ~contextHash,tags]; #13 0.659 text
 +  docker-build:index:Index carbide-rest-api-version creating (0s) error: denied
Resources:
"""


def test_a_log_gets_each_step_once_and_every_error() -> None:
    assert (
        "".join(steps(OUTPUT.splitlines(keepends=True)))
        == """Updating (dev):
@ updating....
 +  docker-build:index:Image carbide-rest-api creating
 +  docker-build:index:Image carbide-rest-api created (9.5s)
 ~  docker-build:index:Image carbide-rest-db updating
 +  docker-build:index:Index carbide-rest-api-version creating (0s) error: denied
Resources:
"""
    )
