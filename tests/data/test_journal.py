import json
from dataclasses import replace
from pathlib import Path

import pytest

from fakedet.data.journal import Journal
from fakedet.data.prepared import JOURNAL, Prepared
from fakedet.detector.spec import FaceSpec
from fakedet.errors import UserError

SETTINGS = Prepared("celebdf", "32", FaceSpec(version="1"), "png")


def _record(path: str) -> dict[str, object]:
    return {"path": path, "size": 3, "crops": []}


def test_records_are_there_again_after_a_stop(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SETTINGS)
    journal.add(_record("b.mp4"))
    journal.close()
    again = Journal(tmp_path, SETTINGS)
    assert again.records == {"b.mp4": _record("b.mp4")}
    again.close()


def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SETTINGS)
    journal.add(_record("a.mp4"))
    journal.close()
    with (tmp_path / JOURNAL).open("a") as stream:
        stream.write('{"path": "b.mp4", "si')
    again = Journal(tmp_path, SETTINGS)
    again.add(_record("c.mp4"))
    again.close()
    assert set(Journal(tmp_path, SETTINGS).records) == {"a.mp4", "c.mp4"}


def test_the_finished_file_does_not_depend_on_the_order_of_work(tmp_path: Path) -> None:
    texts = []
    for number, order in enumerate((["a", "b"], ["b", "a"])):
        journal = Journal(tmp_path / str(number), SETTINGS)
        for path in order:
            journal.add(_record(path))
        journal.finish(SETTINGS)
        journal.close()
        texts.append((tmp_path / str(number) / JOURNAL).read_text())
    assert texts[0] == texts[1]
    assert json.loads(texts[0].splitlines()[0]) == {"settings": SETTINGS.to_json()}


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    Journal(tmp_path, SETTINGS).close()
    other = Prepared("celebdf", "32", FaceSpec(version="1", margin=1.0), "png")
    with pytest.raises(UserError, match=r"prepared with face\.margin=1\.3, not 1\.0"):
        Journal(tmp_path, other)


def test_pictures_kept_whole_are_a_setting_that_older_journals_do_not_name(tmp_path: Path) -> None:
    Journal(tmp_path, SETTINGS).close()
    file = tmp_path / JOURNAL
    file.write_text(file.read_text().replace(', "whole": "never"', ""))
    assert "whole" not in file.read_text()
    Journal(tmp_path, SETTINGS).close()
    with pytest.raises(UserError, match=r"prepared with whole=never, not always: use the same settings"):
        Journal(tmp_path, replace(SETTINGS, whole="always"))


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SETTINGS)
    with pytest.raises(UserError, match="being prepared by another run"):
        Journal(tmp_path, SETTINGS)
    journal.close()
    Journal(tmp_path, SETTINGS).close()


def test_what_is_not_there_this_time_is_not_forgotten(tmp_path: Path) -> None:
    for path in ("a", "b"):
        journal = Journal(tmp_path, SETTINGS)
        journal.add(_record(path))
        journal.finish(SETTINGS)
        journal.close()
    assert set(Journal(tmp_path, SETTINGS).records) == {"a", "b"}
