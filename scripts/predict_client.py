"""Ask a running service for verdicts: an example client.

    python scripts/predict_client.py PICTURE [PICTURE …] [--url http://127.0.0.1:8000] [--key KEY] [--explain DIR]

One line a picture: verdict, probability of a fake, name. When the service is busy it waits as long as it is told
to. With `--explain` the heatmaps are written into a folder, one PNG file a finding.
"""

import argparse
import base64
import sys
import time
from pathlib import Path
from typing import Any

try:
    import httpx
except ModuleNotFoundError:
    sys.exit("error: this client needs httpx: pip install httpx")

ATTEMPTS = 5


def ask(client: httpx.Client, picture: Path, explain: bool) -> dict[str, Any]:
    """The service's answer: a prediction, or a problem with `code` and `detail`."""
    for attempt in range(ATTEMPTS):
        response = client.post(
            "/predict",
            files={"image": ("picture", picture.read_bytes())},  # its name is nobody's business
            data={"explain": str(explain).lower()},
        )
        if response.status_code != 503 or attempt == ATTEMPTS - 1:
            break
        time.sleep(float(response.headers.get("Retry-After", 1)))
    answer: dict[str, Any] = response.json()
    return answer


def save_heatmaps(answer: dict[str, Any], picture: Path, folder: Path) -> None:
    """Write what the service drew."""
    for number, finding in enumerate(answer["findings"], start=1):
        if finding["heatmap"] is not None:
            data = base64.b64decode(finding["heatmap"].partition(",")[2])
            (folder / f"{picture.stem}-{number}.png").write_bytes(data)


def main() -> int:
    """Ask for each picture; 1 when one was not judged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key")
    parser.add_argument("--explain", type=Path, metavar="DIR")
    options = parser.parse_args()
    headers = {} if options.key is None else {"X-API-Key": options.key}
    if options.explain:
        options.explain.mkdir(parents=True, exist_ok=True)
    status = 0
    with httpx.Client(base_url=options.url, headers=headers, timeout=60) as client:
        for picture in options.pictures:
            answer = ask(client, picture, bool(options.explain))
            if "code" in answer:
                print(f"not judged\t{answer['code']}\t{picture}\t{answer['detail']}", file=sys.stderr)
                status = 1
                continue
            probability = "" if answer["probability"] is None else f"{answer['probability']:.3f}"
            print(answer["verdict"] or answer["status"], probability, picture, sep="\t")
            if options.explain:
                save_heatmaps(answer, picture, options.explain)
    return status


if __name__ == "__main__":
    sys.exit(main())
