# syntax=docker/dockerfile:1
# The service alone: no torch, no compiler, no shell script. Build: docker build -t fakedet .
# Run:   docker run --read-only --cap-drop ALL -p 8000:8000 fakedet
# With another detector: -v "$PWD/detector.onnx:/detector.onnx:ro" -e FAKEDET_MODEL=/detector.onnx
ARG PYTHON=3.13.9

FROM python:${PYTHON}-slim-trixie AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# The exact versions first: they change less often than the code.
COPY requirements.txt pyproject.toml README.md LICENSE ./
RUN python -m venv /opt/fakedet
COPY src/fakedet src/fakedet
RUN /opt/fakedet/bin/pip install --constraint requirements.txt ".[serve]" \
    && /opt/fakedet/bin/pip uninstall --yes pip \
    && find /opt/fakedet -depth -type d \( -name tests -o -name test \) -path "*/site-packages/*/*" -exec rm -rf {} +

FROM python:${PYTHON}-slim-trixie
LABEL org.opencontainers.image.title="fake-image-detection" org.opencontainers.image.licenses="MIT AND LicenseRef-Research-Only-Weights"
COPY --from=build /opt/fakedet /opt/fakedet
# Few arenas: otherwise every thread keeps its own copy of the largest picture's memory.
ENV PATH=/opt/fakedet/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/ready', timeout=4)"]
CMD ["python", "-m", "fakedet.serve", "--host", "0.0.0.0", "--port", "8000"]
