"""Pictures out of a multipart form, in memory alone."""

import sys

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from fakedet.serve.problems import Problem

_MOST_FIELDS = 8
_FIELD_BYTES = 1024
_TRUE, _FALSE = ("true", "1"), ("false", "0")


class _InMemory(MultiPartParser):
    """The body is limited already: no part of it may go to a temporary file."""

    spool_max_size = sys.maxsize


async def read_form(request: Request, field: str, most: int) -> tuple[list[bytes], bool]:
    """The pictures of a form, and whether they shall be explained.

    Names and types that the client gives its files are not read: the bytes tell.

    Args:
        request: whose body is a form with files in `field` and, if at all, `explain`.
        field: name of the files' field.
        most: number of pictures that are allowed.

    Raises:
        Problem: for what is no form, a damaged one, and one with other, too many or too few fields.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise Problem("not-a-form", f"Send the picture as the file field {field} of a multipart/form-data form.")
    # One file more than allowed is read, so that the answer can say what is wrong.
    parser = _InMemory(
        request.headers,
        request.stream(),
        max_files=most + 1,
        max_fields=_MOST_FIELDS,
        max_part_size=_FIELD_BYTES,
    )
    try:
        form = await parser.parse()
    except UnicodeError:  # of a charset that knows no text
        raise Problem("bad-form", "The form's charset cannot be used: leave it out.") from None
    except MultiPartException as error:
        raise Problem("bad-form", f"The form is damaged or has too many or too long fields: {error.message}") from None
    images, explain = [], False
    for name, value in form.multi_items():
        if name == field and isinstance(value, UploadFile):
            images.append(value.file.read())
        elif name == "explain" and isinstance(value, str):
            explain = _truth(value)
        elif name == field:
            raise Problem("no-image", f"The field {field} is a text; send a file, with a file name.")
        else:
            raise Problem("bad-parameter", f"The form has a field that is neither the file {field} nor explain.")
    await form.close()
    if not images:
        raise Problem("no-image", f"Send the picture as the file field {field}.")
    if len(images) > most:
        number = "one picture" if most == 1 else f"at most {most} pictures"
        raise Problem("too-many-images", f"The form may have {number}.")
    return images, explain


def _truth(value: str) -> bool:
    if value.lower() not in _TRUE + _FALSE:
        raise Problem("bad-parameter", "The field explain is true or false.")
    return value.lower() in _TRUE
