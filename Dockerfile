# One build of the workspace, and an image for each service: a distribution's smallest base and the binary.
#
#     docker build --target temporal-api -t temporal-api .
#
# Compiled dependencies are kept in cache mounts, so that a second build compiles only what changed.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# `--build-arg OPT_LEVEL=0` is for who wants to see soon whether it runs, not how fast.
ARG OPT_LEVEL=3
ENV CARGO_PROFILE_RELEASE_OPT_LEVEL=$OPT_LEVEL
COPY . .
# The cache mounts are gone after this step, so what is wanted of them is copied out.
RUN --mount=type=cache,id=order-fulfilment-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=order-fulfilment-target,target=/src/target,sharing=locked \
    cargo build --locked --release \
        -p founder -p fake-stripe-chaos -p temporal-worker -p temporal-api --bins \
    && mkdir -p /out/data \
    && cp target/release/founder target/release/fake-stripe-chaos \
          target/release/temporal-worker target/release/temporal-api /out/

# What all four have in common. The authorities' certificates are for upstreams and Temporal Cloud over TLS.
# Each image's health check asks whether the process answers, and not whether it is ready: an orchestrator may restart
# what is unhealthy, and a restart doesn't bring a dependency back. The compose files ask for readiness instead.
FROM debian:bookworm-slim AS service
ARG VERSION=dev REVISION=unknown
LABEL org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.vendor="order-fulfilment"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 10001:10001
STOPSIGNAL SIGTERM

FROM service AS fake-stripe-chaos
LABEL org.opencontainers.image.title="fake-stripe-chaos" \
      org.opencontainers.image.description="Payment, inventory, shipping and notification provider that misbehaves on purpose and keeps the truth"
ENV LISTEN_ADDR=0.0.0.0:3001
EXPOSE 3001
# A named volume takes over the owner of the folder that it covers.
COPY --from=build --chown=10001:10001 /out/data /data
COPY --from=build /out/fake-stripe-chaos /usr/local/bin/
HEALTHCHECK --interval=3s --timeout=5s --start-period=30s --retries=3 CMD ["fake-stripe-chaos", "healthcheck", "--live"]
ENTRYPOINT ["fake-stripe-chaos"]

FROM service AS temporal-worker
LABEL org.opencontainers.image.title="temporal-worker" \
      org.opencontainers.image.description="Runs the workflows and their activities"
ENV METRICS_ADDR=0.0.0.0:9464
EXPOSE 9464
COPY --from=build /out/temporal-worker /usr/local/bin/
HEALTHCHECK --interval=3s --timeout=5s --start-period=60s --retries=3 CMD ["temporal-worker", "healthcheck", "--live"]
ENTRYPOINT ["temporal-worker"]

FROM service AS temporal-api
LABEL org.opencontainers.image.title="temporal-api" \
      org.opencontainers.image.description="REST over Temporal: place, follow, steer and list orders"
ENV LISTEN_ADDR=0.0.0.0:3002
EXPOSE 3002
COPY --from=build /out/temporal-api /usr/local/bin/
HEALTHCHECK --interval=3s --timeout=5s --start-period=60s --retries=3 CMD ["temporal-api", "healthcheck", "--live"]
ENTRYPOINT ["temporal-api"]

FROM service AS founder
LABEL org.opencontainers.image.title="founder" \
      org.opencontainers.image.description="Aggregates location, weather and a cat fact into one user context"
ENV LISTEN_ADDR=0.0.0.0:3000
EXPOSE 3000
COPY --from=build /out/founder /usr/local/bin/
HEALTHCHECK --interval=3s --timeout=5s --start-period=30s --retries=3 CMD ["founder", "healthcheck", "--live"]
ENTRYPOINT ["founder"]
