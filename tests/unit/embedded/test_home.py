from pathlib import Path

import pytest

from embedded.faults import RunFailed
from embedded.home import Home, find_home, locked, shown


def test_second_run_is_refused_and_changes_nothing(home: Home) -> None:
    with locked(home):
        (home.run / "precious").touch()
        with pytest.raises(RunFailed, match=r"already running here as process \d+ .*nothing was changed"), locked(home):
            pytest.fail("the lock was given twice")
        assert (home.run / "precious").exists()
    with locked(home):
        pass


def test_new_run_starts_without_what_the_last_one_left(home: Home) -> None:
    (home.run / "auth.db").touch()
    home.run_env.touch()

    home.start_afresh()

    assert not (home.run / "auth.db").exists()
    assert not home.run_env.exists()
    assert home.logs.is_dir()


def test_state_is_for_the_owner_only(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    with locked(home):
        home.start_afresh()

    assert [folder.stat().st_mode & 0o777 for folder in (home.root, home.run, home.logs)] == [0o700] * 3


def test_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMGHOST_HOME", raising=False)
    assert find_home().root == tmp_path / ".imghost"
    monkeypatch.setenv("IMGHOST_HOME", "elsewhere")
    assert find_home().root == tmp_path / "elsewhere"


def test_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(RunFailed, match=r"cannot be used: .*; nothing was started"),
        locked(Home(tmp_path / "file" / "x")),
    ):
        pytest.fail("there is no folder")


def test_path_below_the_current_folder_is_shown_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / ".imghost" / "run") == ".imghost/run"
    assert shown(Path("/elsewhere")) == "/elsewhere"
