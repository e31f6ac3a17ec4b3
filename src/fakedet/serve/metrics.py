"""What Prometheus is told, in a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from fakedet.detector.result import Result

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counters of requests and verdicts, and times; labels come from fixed lists, never from a client."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "fakedet_requests", "Requests answered.", ["method", "path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "fakedet_request_seconds", "From first byte to answer.", ["path"], buckets=_SECONDS, registry=self._registry
        )
        self._stages = Histogram(
            "fakedet_stage_seconds", "A picture's stages.", ["stage"], buckets=_SECONDS, registry=self._registry
        )
        self._verdicts = Counter("fakedet_verdicts", "Pictures by verdict.", ["verdict"], registry=self._registry)
        self.taken = Gauge("fakedet_taken", "Pictures that are judged or wait for it.", registry=self._registry)
        self.ready = Gauge("fakedet_ready", "1 when the detector gives numbers.", registry=self._registry)

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def judged(self, result: Result) -> None:
        """Count a picture and its stages."""
        self._verdicts.labels(result.verdict or result.status.replace(" ", "_")).inc()
        for stage, milliseconds in result.milliseconds.items():
            self._stages.labels(stage).observe(milliseconds / 1000)

    def text(self) -> bytes:
        """Everything, in Prometheus' format."""
        return generate_latest(self._registry)
