from pathlib import Path

import pytest

from embedded.faults import RunFailed
from embedded.parts import install

ROOT = install.Root(())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "apt.log"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return tmp_path / "policy-rc.d"


def test_services_are_forbidden_while_packages_are_installed_only(policy: Path, log: Path) -> None:
    with install.services_kept_down(ROOT, log, policy):
        assert ROOT.run(str(policy), "rabbitmq-server", "start", log=log) == 101

    assert not policy.exists()


def test_policy_is_removed_after_a_failure(policy: Path, log: Path) -> None:
    def fail() -> None:
        raise RunFailed("no package")

    with pytest.raises(RunFailed), install.services_kept_down(ROOT, log, policy):
        fail()

    assert not policy.exists()


def test_existing_policy_that_forbids_is_kept(policy: Path, log: Path) -> None:
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)

    with install.services_kept_down(ROOT, log, policy):
        pass

    assert policy.read_text() == "#!/bin/sh\nexit 101\n"


def test_existing_policy_that_allows_is_kept_and_nothing_is_installed(policy: Path, log: Path) -> None:
    policy.write_text("#!/bin/sh\nexit 0\n")
    policy.chmod(0o755)

    with pytest.raises(RunFailed, match=r"policy-rc\.d exists"), install.services_kept_down(ROOT, log, policy):
        pytest.fail("the broker would have been started")

    assert policy.exists()


def test_without_apt_one_line_says_what_to_install(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RunFailed, match="apt install rabbitmq-server"):
        install.install_rabbitmq(log)
