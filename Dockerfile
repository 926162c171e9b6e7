# Tidegauge in a container: `docker build -t tidegauge .`; docker-compose.yml runs it beside a Kafka.
# The Python that the tests run on. The build stage's tools stay behind in it.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/builder \
 && /opt/builder/bin/pip install --require-hashes -r requirements-build.lock \
 && python -m venv /opt/tidegauge \
 && /opt/tidegauge/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY detectors detectors
COPY alerting alerting
COPY pipeline pipeline
RUN /opt/builder/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/tidegauge/bin/pip install --no-deps --no-index /wheels/tidegauge-*.whl

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/tidegauge tidegauge \
 && install -d -o tidegauge -g tidegauge /var/cache/tidegauge
COPY --from=build /opt/tidegauge /opt/tidegauge
ENV PATH=/opt/tidegauge/bin:$PATH PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=/var/cache/tidegauge
USER tidegauge
WORKDIR /var/lib/tidegauge
# Compiled here, detectors are ready at once where the container runs on the same kind of processor, else they are
# compiled there at the first start.
RUN printf 'timestamp,value\n1,1\n2,2\n3,3\n' > /tmp/warm.csv \
 && tidegauge score /tmp/warm.csv -o /tmp/warm && rm -r /tmp/warm /tmp/warm.csv
# State: mount a volume here to keep what was learned.
VOLUME /var/lib/tidegauge
ENTRYPOINT ["tidegauge"]
CMD ["--help"]
