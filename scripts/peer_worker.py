"""A published detector in a process of its own, with the versions that its weights are meant for.

Called by `Running` below: paths come in, a line each, and scores with their milliseconds go out.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import peers


class Running:
    """A peer that waits for pictures; its network has one thread.

    Attributes:
        threshold: the peer's own.
        size: bytes of its files.
    """

    def __init__(self, peer: peers.Peer, cache: Path) -> None:
        """Fetch what is missing, and start it.

        Raises:
            UserError: when it cannot be had.
        """
        weights, runtime = peer.fetch(cache), peers.fetch(peer.runtime, cache)
        self.size = peer.size(weights)
        # Never the folder of the weights: what lies on this path can be imported, and so run.
        environment = {**os.environ, "PYTHONPATH": str(runtime.resolve()), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, peer.name, str(weights.resolve())],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.threshold = float(self._answer()[0])

    def __call__(self, file: Path) -> tuple[float, float]:
        """Score of a picture, and the milliseconds from its bytes to the score."""
        assert self._process.stdin is not None
        print(json.dumps(str(file.resolve())), file=self._process.stdin, flush=True)
        score, milliseconds = self._answer()
        return score, milliseconds

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.communicate()

    def _answer(self) -> list[float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer ended with status {self._process.wait()}; what it said stands above")
        numbers: list[float] = json.loads(line)
        return numbers


def main() -> None:
    """Say the threshold, then answer until the other side is done."""
    name, folder = sys.argv[1:]
    cv2.setNumThreads(1)
    judge = next(peer for peer in peers.PEERS if peer.name == name).open(Path(folder))
    print(json.dumps([judge.threshold]), flush=True)
    for line in sys.stdin:
        data = Path(json.loads(line)).read_bytes()
        start = time.perf_counter()
        score = judge(data)
        print(json.dumps([score, 1000 * (time.perf_counter() - start)]), flush=True)


if __name__ == "__main__":
    main()
