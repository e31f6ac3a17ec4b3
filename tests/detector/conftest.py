from pathlib import Path

import pytest
from films import FILES, write


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of `films.FILES`, 240 frames each."""
    folder = tmp_path_factory.mktemp("films")
    for name, settings in FILES.items():
        write(folder / name, 240, **settings)
    return folder
