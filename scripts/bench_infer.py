"""How fast a shipped detector is, against PyTorch and against its own network, side by side in one run.

    python scripts/bench_infer.py [--fp32 detector.onnx --int8 detector-int8.onnx] [--picture photo.jpg]

Without files a MobileNetV2 with random weights is exported and quantised on noise: as fast, and good for nothing
else. Contestants take turns, and medians are compared, so that what else the machine does hits all of them alike.
Start and memory are those of fresh processes.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from benching import Bench
from numpy.typing import NDArray

from fakedet.data.photographs import photographs
from fakedet.detector.card import DetectorCard
from fakedet.detector.decision import Decision
from fakedet.detector.detector import Detector
from fakedet.detector.image import decode
from fakedet.detector.onnx import OnnxScorer
from fakedet.detector.spec import FaceSpec, PreprocessSpec
from fakedet.detector.trained_on import TrainedOn
from fakedet.export.onnx_file import save, serialise, to_model, write_card
from fakedet.export.quantise import quantise
from fakedet.models.registry import build

SIZE = 224
EAGER = "PyTorch eager, contiguous"  # as it is called: with gradients on
INFERENCE = "PyTorch in inference mode, contiguous"
MULTIPLY_ADDS = 300e6  # of MobileNetV2 at 224 pixels (Sandler et al., CVPR 2018, table 4)
START = """
import sys, time
from pathlib import Path
begun = time.perf_counter()
from fakedet import Detector
found = Detector.load(sys.argv[1], threads=1).predict(sys.argv[2], explain=True)
seconds = time.perf_counter() - begun
assert found.status == "scored" and found.findings[0].heatmap is not None, found
# Not getrusage: a process inherits the peak of the one that started it.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(seconds, int(peak.split()[1]) / 1024, "torch" in sys.modules)
"""


def in_turns(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 3):
        for name, call in contestants.items():
            start = time.perf_counter()
            call()
            if number >= 3:
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: float(np.median(taken)) for name, taken in times.items()}


def make_files(folder: Path) -> tuple[Path, Path]:
    """An untrained MobileNetV2 as fp32 and int8."""
    card = DetectorCard(
        model="mobilenetv2",
        preprocess=PreprocessSpec(size=SIZE),
        decision=Decision(),
        protocol="none",
        protocol_hash="",
        training={},
        trained_on=TrainedOn().to_json(),
        precision="fp32",
        licence="untrained",
    )
    torch.manual_seed(0)
    model = to_model(build("mobilenetv2").eval(), card)
    save(model, folder / "fp32.onnx")
    smaller = quantise(model, np.random.default_rng(0).normal(0, 1, (8, 3, SIZE, SIZE)).astype(np.float32))
    write_card(smaller, replace(card, precision="int8"))
    save(smaller, folder / "int8.onnx")
    return folder / "fp32.onnx", folder / "int8.onnx"


def bench_network(bench: Bench, fp32: Path, int8: Path, rounds: int) -> None:
    """One picture on one thread: PyTorch in three ways, ONNX Runtime in two, and the processor's limit."""
    torch.set_num_threads(1)
    network = build("mobilenetv2").eval()
    channels_last = build("mobilenetv2").eval().to(memory_format=torch.channels_last)
    image = torch.randn(1, 3, SIZE, SIZE)
    turned = image.contiguous(memory_format=torch.channels_last)
    scorers = {name: OnnxScorer(file.read_bytes(), SIZE, 1) for name, file in (("fp32", fp32), ("int8", int8))}
    square = torch.randn(1024, 1024)
    quietly = torch.inference_mode()
    contestants: dict[str, Callable[[], object]] = {
        EAGER: lambda: network(image),
        INFERENCE: quietly(lambda: network(image)),
        "PyTorch in inference mode, channels last": quietly(lambda: channels_last(turned)),
        "ONNX Runtime fp32": lambda: scorers["fp32"](image.numpy(), False),
        "ONNX Runtime int8": lambda: scorers["int8"](image.numpy(), False),
        "matrix product": lambda: square @ square,
    }
    found = in_turns(contestants, rounds)
    peak = 2 * 1024**3 / found.pop("matrix product") * 1e3  # operations a second
    rows = [
        [name, f"{taken:.2f}", f"{found[EAGER] / taken:.2f}", f"{found[INFERENCE] / taken:.2f}",
         f"{100 * 2 * MULTIPLY_ADDS / taken * 1e3 / peak:.0f} %"]
        for name, taken in found.items()
    ]  # fmt: skip
    header = ["", "ms", "× eager", "× inference mode", f"of {peak / 1e9:.0f} GFLOP/s"]
    bench.table("MobileNetV2, one picture, one thread", header, rows)
    for precision, wanted in (("fp32", "at least 3.5"), ("int8", "at least 6")):
        ours = found[f"ONNX Runtime {precision}"]
        bench.ratio(f"Speed of ONNX Runtime {precision} against {EAGER}", found[EAGER] / ours, wanted=wanted)
        bench.ratio(f"Speed of ONNX Runtime {precision} against {INFERENCE}", found[INFERENCE] / ours)


def bench_crop(bench: Bench, fp32: Path, rounds: int) -> None:
    """A crop's JPEG bytes to the verdict with its map, against the bare network with its map."""
    detector = Detector.load(fp32, threads=1)
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), np.uint8), (9, 9), 3)
    data = cv2.imencode(".jpg", noise)[1].tobytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(fp32.read_bytes(), options, providers=["CPUExecutionProvider"])
    image = np.zeros((1, 3, SIZE, SIZE), np.float32)
    found = in_turns(
        {
            "verdict": lambda: detector.predict(data, explain=True, cropped=True),
            "network": lambda: session.run(None, {"image": image}),
        },
        rounds,
    )
    bench.note(
        f"A 224 px crop, JPEG bytes to verdict with map: {found['verdict']:.2f} ms; the bare network with its map: "
        f"{found['network']:.2f} ms"
    )
    bench.ratio(
        "Time from a crop's bytes to the verdict against the bare network's", found["verdict"] / found["network"],
        wanted="at most 1.25",
    )  # fmt: skip


def bench_stages(bench: Bench, fp32: Path, folder: Path, picture: NDArray[np.uint8], rounds: int) -> None:
    """A picture of a megapixel with a face search, by stage."""
    detector = Detector.load(with_face_search(fp32, folder), threads=1)
    data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    results = [detector.predict(data, explain=True) for _ in range(max(3, rounds // 3))]
    faces = len(results[0].findings)
    height, width = picture.shape[:2]
    title = f"{width} × {height} pixels, {faces} face{'' if faces == 1 else 's'}, one thread"
    rows = [
        [stage, f"{np.median([result.milliseconds[stage] for result in results]):.2f}"]
        for stage in results[0].milliseconds
    ]
    bench.table(title, ["stage", "ms"], rows)


def with_face_search(file: Path, folder: Path) -> Path:
    """The same detector, which looks for faces if it did not."""
    model = onnx.load(file)
    card = DetectorCard.from_json(_card_of(model))
    if card.preprocess.face is None:
        write_card(model, replace(card, preprocess=replace(card.preprocess, face=FaceSpec())))
    (folder / "faces.onnx").write_bytes(serialise(model))
    return folder / "faces.onnx"


def _card_of(model: onnx.ModelProto) -> object:
    found: object = json.loads(next(entry.value for entry in model.metadata_props if entry.key == "fakedet"))
    return found


def bench_start(bench: Bench, fp32: Path, folder: Path, starts: int) -> None:
    """Import, load and the first verdict with map in fresh processes, and what memory they took at most."""
    picture = folder / "crop.png"
    cv2.imwrite(str(picture), np.full((SIZE, SIZE, 3), 127, np.uint8))
    outputs = [
        subprocess.run(
            [sys.executable, "-c", START, str(fp32), str(picture)], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(starts)
    ]
    seconds, memory = (float(np.median([float(words[place]) for words in outputs])) for place in (0, 1))
    torchless = all(words[2] == "False" for words in outputs)
    bench.note(
        f"Cold start to the first verdict with map: {seconds:.2f} s (under 2 wanted), resident memory at most "
        f"{memory:.0f} MB (under 250 wanted), torch {'not ' if torchless else ''}loaded; medians of {starts} processes"
    )


def one_megapixel(file: Path | None) -> NDArray[np.uint8]:
    """A picture scaled to a million pixels: the given one, or the photograph of an astronaut."""
    known = {photograph.name: photograph.path for photograph in photographs()}
    given = decode(file or known["astronaut"])
    scale = np.sqrt(1e6 / (given.shape[0] * given.shape[1]))
    return np.asarray(cv2.resize(given, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all of it, print and save."""
    bench = Bench("infer", __doc__)
    bench.parser.add_argument("--fp32", type=Path, help="a MobileNetV2 of export.py")
    bench.parser.add_argument("--int8", type=Path, help="the same with quantize=int8")
    bench.parser.add_argument("--picture", type=Path, help="with a face, for the search")
    bench.parser.add_argument("--rounds", type=int, default=30)
    bench.parser.add_argument("--starts", type=int, default=5, help="fresh processes (default 5)")
    options = bench.parse(arguments)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = (options.fp32, options.int8)
        fp32, int8 = make_files(folder) if None in given else given
        bench_network(bench, fp32, int8, options.rounds)
        bench_crop(bench, fp32, options.rounds)
        bench_stages(bench, fp32, folder, one_megapixel(options.picture), options.rounds)
        bench_start(bench, fp32, folder, options.starts)
    bench.save()


if __name__ == "__main__":
    main()
