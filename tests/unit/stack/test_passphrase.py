"""Which stacks may be opened with which passphrase."""

from pathlib import Path

import pytest

from carbide_infra.errors import SetupError
from carbide_infra.stack.passphrase import FILE, PUBLISHED, VALUE, passphrase_file, require_own_passphrase
from carbide_infra.state_files import write_text


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_text(passphrase_file(tmp_path), "of this checkout\n")
    return tmp_path


@pytest.mark.parametrize("stack", ["dev", "organization/carbide-infra/dev"])
def test_the_development_stack_may_have_any(stack: str, root: Path) -> None:
    for given in ({}, {VALUE: PUBLISHED}, {VALUE: "of this checkout"}, {FILE: str(passphrase_file(root))}):
        require_own_passphrase(stack, given, root)


@pytest.mark.parametrize("stack", ["prod", "organization/carbide-infra/prod", "my-dev"])
@pytest.mark.parametrize("how", ["value", "file"])
@pytest.mark.parametrize(
    ("passphrase", "told"),
    [
        (PUBLISHED, "is a passphrase that everybody knows; give the stack"),
        ("of this checkout", "is the passphrase of this checkout's development stack, which make clean deletes;"),
    ],
)
def test_another_stack_may_not_have_the_development_stacks(
    stack: str, how: str, passphrase: str, told: str, root: Path
) -> None:
    (root / "file").write_text(f"{passphrase}\n")
    given = {VALUE: passphrase} if how == "value" else {FILE: str(root / "file")}
    with pytest.raises(SetupError) as caught:
        require_own_passphrase(stack, given, root)
    assert str(caught.value).startswith(f"{VALUE if how == 'value' else FILE}: {told}")
    assert str(caught.value).endswith(f"passphrase --stack {stack}`; then set {VALUE} to that")


def test_a_passphrase_of_the_users_own_is_nobodys_business(root: Path) -> None:
    for given in (
        {},
        {VALUE: ""},
        {VALUE: "mine"},
        {FILE: "/nowhere"},
        {VALUE: "mine", FILE: str(passphrase_file(root))},
    ):
        require_own_passphrase("prod", given, root)
