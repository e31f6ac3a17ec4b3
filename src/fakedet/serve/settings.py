"""What a person may set of the service: environment variables that begin with FAKEDET_."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from fakedet.detector.image import MAX_PIXELS
from fakedet.detector.onnx import cores
from fakedet.detector.shipped import OWN
from fakedet.errors import UserError, did_you_mean

PREFIX = "FAKEDET_"
# Variables of the commands, which may be set on the same machine.
_OF_OTHERS = {"FAKEDET_WEIGHTS_URL", "FAKEDET_DATASETS_URL"}
# What Kubernetes tells every container of a Service that is called fakedet.
_KUBERNETES = re.compile(r"FAKEDET_(SERVICE_(HOST|PORT)|PORT(_\d+_.+)?$)")


class Settings(BaseSettings):
    """Every setting with its default; each is read from the variable of its name, in capitals, behind FAKEDET_.

    Attributes:
        model: the detector's file; without it, the one that ships with the package.
        finder_file: the face finder's own network, for a detector whose finder brings none (`yunet`).
        sha256: what the file must hash to, in hexadecimal; without it any file is taken.
        threads: pictures that are judged at once, each on one thread; without it, as many as there are cores.
        queue: pictures that may wait for a thread; above it the answer is 503.
        batch: most pictures of one request, as far as threads and queue hold so many.
        max_upload_bytes: most bytes of a request's body, as far as max_buffered_bytes lets.
        max_buffered_bytes: most bytes that all requests together hold in memory; above it the answer is 503.
        max_pixels: most pixels of a picture.
        receive_seconds: how long a client may take to send its request.
        api_key: what clients must send as `X-API-Key`; without it everybody may ask.
        cors_origins: web pages of other origins that may ask, separated by commas; none by default.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    model: Path | None = None
    finder_file: Path | None = None
    sha256: str | None = Field(default=None, pattern="^[0-9a-fA-F]{64}$")
    threads: int | None = Field(default=None, ge=1, le=256)
    queue: int = Field(default=64, ge=0, le=10_000)
    batch: int = Field(default=16, ge=1, le=1000)
    max_upload_bytes: int = Field(default=20 * 2**20, ge=1024)
    max_buffered_bytes: int = Field(default=256 * 2**20, ge=1024)
    max_pixels: int = Field(default=MAX_PIXELS, ge=1, le=MAX_PIXELS)
    receive_seconds: float = Field(default=15, gt=0, le=3600)
    api_key: SecretStr | None = Field(default=None, min_length=16)
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()

    @field_validator("api_key")
    @classmethod
    def _check_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and re.fullmatch(r"[!-~]([ -~]*[!-~])?", key.get_secret_value()) is None:
            raise ValueError("a header carries printable ASCII alone, without blanks or line breaks at its ends")
        return key

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            scheme, _, host = origin.partition("://")
            if scheme not in ("http", "https") or not host or "/" in host:
                raise ValueError("origins are of the form https://example.org")
        return origins

    @property
    def workers(self) -> int:
        """Pictures that are judged at once."""
        return self.threads or cores()

    @property
    def most_pictures(self) -> int:
        """Of one request: more could never be taken."""
        return min(self.batch, self.workers + self.queue)

    @property
    def most_bytes(self) -> int:
        """Of one request's body: more could never be taken."""
        return min(self.max_upload_bytes, self.max_buffered_bytes)

    def model_file(self) -> Path:
        """The detector's file: the one that is named, or the one that comes along."""
        return self.model or OWN


def read_settings() -> Settings:
    """The settings of this process's environment.

    Raises:
        UserError: for a name that nothing reads and a value that is not allowed; it never shows the API key.
    """
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known and name not in _OF_OTHERS and not _KUBERNETES.match(name):
            raise UserError(f"{name}{did_you_mean(name, known)} is no setting of the service; unset it.")
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = PREFIX + str(first["loc"][0]).upper()
        shown = "" if name == "FAKEDET_API_KEY" else f"={os.environ.get(name, '')!r:.60}"
        raise UserError(f"{name}{shown} cannot be used: {first['msg']}.") from None
