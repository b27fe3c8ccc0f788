FROM python:3.13-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8 AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1
WORKDIR /srv/gochat
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY requirements/ requirements/
COPY scripts/ scripts/
# npm comes in a wheel for the pages' scripts, mypyc for the engine; the last sync takes both out again.
RUN pip install --require-hashes --no-deps --requirement requirements/uv.txt \
    && uv venv --python /usr/local/bin/python .venv \
    && .venv/bin/python -m scripts.web \
    && uv pip sync --require-hashes requirements/compile.txt \
    && rm -f .venv/bin/node
# `tracing` has what OTEL_EXPORTER_OTLP_ENDPOINT needs on top.
ARG LOCK=run
COPY pyproject.toml README.md LICENSE ./
COPY gochat/ gochat/
COPY alembic/ alembic/
COPY docs/ docs/
# Editable: the migrations stand beside the package, not in it.
RUN .venv/bin/python scripts/compile.py . \
    && uv pip sync --require-hashes "requirements/${LOCK}.txt" \
    && uv pip install --no-deps --build-constraints requirements/build.txt --editable . \
    && python -m compileall -q gochat

FROM python:3.13-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8
RUN groupadd --system --gid 10001 gochat \
    && useradd --system --uid 10001 --gid 10001 --home-dir /data --create-home gochat
COPY --from=build /srv/gochat /srv/gochat
ENV PATH=/srv/gochat/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    GOCHAT_ENV=production \
    HOST=0.0.0.0
# By number: a host that lets in no root can tell.
USER 10001:10001
# Where a SQLite file would go: SQLITE_PATH=/data/gochat.db, with a volume here.
WORKDIR /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\", 8000)}/api/v1/health/live', timeout=4)"]
CMD ["gochat", "serve"]
