# Two images: `api` (HTTP and migrations; no torch) and `worker` (torch for CUDA 13, and for the CPU where there is no GPU).
# `docker compose build` makes both. Workloads of a team's own go on top of the worker:
#
#   FROM clr-tuner-worker
#   USER root
#   COPY two-rings /tmp/two-rings
#   RUN pip install --no-cache-dir /tmp/two-rings
#   USER 10001:10001

FROM python:3.11.15-slim-bookworm AS base
ENV PATH=/venv/bin:$PATH

# What we need comes before our sources, which change more often: whatever pip gets has the hash that `make lock` wrote down.
FROM base AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /venv
COPY requirements requirements
RUN pip install --no-deps --require-hashes -r requirements/api.txt

FROM build AS build-api
COPY . .
RUN pip install --no-deps --no-build-isolation . ./service

FROM build AS build-worker
# For torch from elsewhere: an index of wheels for the CPU alone, or for an older CUDA.
ARG PIP_EXTRA_INDEX_URL
COPY constraints.txt ./
# Every build of torch has a hash of its own, so it and the CUDA that it brings are locked by version.
RUN pip install --no-deps --require-hashes -r requirements/service.txt \
 && pip install -c constraints.txt torch \
 && pip install --no-deps --require-hashes --no-build-isolation --use-pep517 -r requirements/datasets.txt
COPY . .
RUN pip install --no-deps --no-build-isolation . ./service

FROM base AS run
RUN groupadd --gid 10001 clr \
 && useradd --uid 10001 --gid clr --create-home clr \
 && install --directory --owner clr --group clr --mode 0700 /data
ENV CLR_DATA_DIR=/data
WORKDIR /home/clr
USER 10001:10001
STOPSIGNAL SIGTERM

FROM run AS api
COPY --from=build-api /venv /venv
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["clr-tuner", "api"]

FROM run AS worker
COPY --from=build-worker /venv /venv
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s CMD ["python", "-m", "worker.health"]
CMD ["clr-tuner", "worker"]
