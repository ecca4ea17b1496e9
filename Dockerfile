# Builds the workspace once, and an image for each service from a minimal base and the binary.
#
#     docker build --target temporal-api -t temporal-api .
#
# Compiled dependencies are kept in cache mounts, so that a second build compiles only what changed.

# The list of parts of an image (SBOM) then has the crates, from Cargo.lock.
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# `--build-arg OPT_LEVEL=0` shortens the build and makes the programs slower.
ARG OPT_LEVEL=3
ENV CARGO_PROFILE_RELEASE_OPT_LEVEL=$OPT_LEVEL
COPY . .
# The cache mounts exist only in this step, so the programs are copied out of them.
RUN --mount=type=cache,id=order-fulfilment-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=order-fulfilment-target,target=/src/target,sharing=locked \
    cargo build --locked --release \
        -p founder -p fake-stripe-chaos -p temporal-worker -p temporal-api --bins \
    && mkdir -p /out/data \
    && cp target/release/founder target/release/fake-stripe-chaos \
          target/release/temporal-worker target/release/temporal-api /out/

# Only the programs, for the archives of a release.
FROM scratch AS programs
COPY --from=build /out/founder /out/fake-stripe-chaos /out/temporal-worker /out/temporal-api /

# The common base of the four images. The CA certificates are for upstreams and Temporal Cloud over TLS.
# Each image's health check asks for liveness and not for readiness: an orchestrator may restart an unhealthy container,
# and a restart doesn't repair a dependency. The compose files ask for readiness instead.
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
      org.opencontainers.image.description="Payment, inventory, shipping and notification provider with deliberate faults and a ledger"
ENV LISTEN_ADDR=0.0.0.0:3001
EXPOSE 3001
# A named volume gets the owner of the folder that it covers.
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
