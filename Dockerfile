# The counter as a container image; docs/container.md says how it is built, run and checked.
# 计数器容器镜像，构建与运行见 docs/container.md
#
#   docker build -t lobbycount .                          # cpu: amd64 and arm64
#   docker build -t lobbycount:jetson --target jetson …   # untested, see docs/container.md
#
# To pin the base: --build-arg BASE=docker.io/library/debian:bookworm-slim@sha256:…
# On another base, python3 has to be 3.11 or newer.
ARG BASE=docker.io/library/debian:bookworm-slim

# --- What is built needs pip; what runs does not have it -----------------------------------
FROM ${BASE} AS dependencies
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# Debian's packages are those of the day: a version named here is gone with the next security fix.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/*
# A mirror, where there is no way to the index.
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock ./
RUN python3 -m venv /opt/builders \
 && python3 -m venv --without-pip /opt/lobbycount \
 && /opt/builders/bin/pip --python /opt/lobbycount/bin/python install --require-hashes --only-binary :all: -r requirements.lock \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/lobbycount/lib

# --- Our own wheel, model inside; its build tools are locked too ---------------------------
FROM dependencies AS program
COPY requirements-dev.lock ./
COPY scripts/installing/program.sh scripts/installing/
RUN export ROOT=/src && . scripts/installing/program.sh && builders > /tmp/builders.lock \
 && /opt/builders/bin/pip install --require-hashes --only-binary :all: -r /tmp/builders.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY config/lobby.example.yaml config/
COPY config/schemes config/schemes
COPY models models
COPY model_export model_export
COPY evaluation evaluation
COPY edge edge
# A layer of its own: an update of the program alone is a few MB.
RUN /opt/builders/bin/pip wheel --no-index --no-deps --no-build-isolation -w /tmp/wheels . \
 && /opt/builders/bin/pip --python /opt/lobbycount/bin/python install --no-index --no-deps --root /own /tmp/wheels/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash -s /own /own/opt/lobbycount/lib

# --- OpenCV's windows link to libGL, and nothing here opens one ----------------------------
# As a package it wants Mesa and LLVM, 150 MB. Its three libraries do without; their control
# files go where scanners look for packages that were put in without dpkg.
FROM ${BASE} AS libraries
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /tmp/packages
RUN apt-get update \
 && apt-get download libgl1 libglx0 libglvnd0 \
 && install -d /libraries/var/lib/dpkg/status.d \
 && for package in *.deb; do \
      dpkg-deb -x "$package" /libraries \
      && dpkg-deb -f "$package" > "/libraries/var/lib/dpkg/status.d/$(dpkg-deb -f "$package" Package)"; \
    done

# --- What runs -----------------------------------------------------------------------------
FROM ${BASE} AS runtime
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# What OpenCV and libGL link to beside the above, and whom TLS trusts.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 libglib2.0-0 libx11-6 ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/*.log /var/log/apt
COPY --from=libraries /libraries/ /
# Cameras belong to the group video. The number is no system user's of any host.
RUN ldconfig \
 && groupadd --gid 10001 lobbycount \
 && useradd --uid 10001 --gid 10001 --groups video --home-dir /var/lib/lobbycount --no-create-home --shell /usr/sbin/nologin lobbycount \
 && install -d -m 700 -o 10001 -g 10001 /var/lib/lobbycount \
 && install -d -m 750 -o 10001 -g 10001 /etc/lobbycount \
 && ln -s /opt/lobbycount/bin/lobbycount /usr/local/bin/lobbycount
# What systemd says to a service: where the last good config is looked for, and that who hangs is
# to be ended; with no systemd that listens, the process ends itself and is restarted.
ENV STATE_DIRECTORY=/var/lib/lobbycount \
    WATCHDOG_USEC=120000000 \
    HOME=/tmp LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 PYTHONFAULTHANDLER=1
VOLUME ["/var/lib/lobbycount"]
WORKDIR /
# Whether people are counted. Docker tells it only; a missing network is no failure, see the page.
HEALTHCHECK --interval=30s --timeout=20s --start-period=120s --retries=3 \
  CMD ["/opt/lobbycount/bin/python", "-m", "edge.adapters.health", "/var/lib/lobbycount"]
# The open interval is stored and the last delivery tried: give it 60 s (docker stop -t 60).
STOPSIGNAL SIGTERM
ENTRYPOINT ["lobbycount"]
CMD ["run", "--config", "/etc/lobbycount/lobby.yaml"]
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lobbycount" \
      org.opencontainers.image.description="An anonymous people counter for public lobbies. No picture leaves it." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# --- Jetson: the same on NVIDIA's base, with ONNX Runtime for its GPU. Never built here -----
FROM dependencies AS jetson-dependencies
# A requirement and its hash, e.g. "onnxruntime-gpu @ https://…/onnxruntime_gpu-1.28.0-….whl";
# below 1.29, which sends telemetry (docs/adr/0006).
ARG ONNXRUNTIME
ARG ONNXRUNTIME_SHA256
RUN : "${ONNXRUNTIME:?give --build-arg ONNXRUNTIME=…, see docs/container.md}" "${ONNXRUNTIME_SHA256:?}" \
 && echo "$ONNXRUNTIME --hash=sha256:$ONNXRUNTIME_SHA256" > /tmp/vendor.lock \
 && /opt/builders/bin/pip --python /opt/lobbycount/bin/python uninstall -y onnxruntime \
 && /opt/builders/bin/pip --python /opt/lobbycount/bin/python install --require-hashes --no-deps --only-binary :all: -r /tmp/vendor.lock \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/lobbycount/lib

FROM runtime AS jetson
COPY --from=jetson-dependencies /opt/lobbycount /opt/lobbycount
COPY --from=program /own/ /
USER 10001:10001
RUN ["lobbycount", "models", "verify"]

# --- The default ---------------------------------------------------------------------------
FROM runtime AS cpu
COPY --from=dependencies /opt/lobbycount /opt/lobbycount
COPY --from=program /own/ /
USER 10001:10001
# An image whose model does not run here is not made.
RUN ["lobbycount", "models", "verify"]
