# Palisade's image: one static binary on nothing, for a numeric user, without a shell. `palisade:TAG-sandbox` is the same with `palisade dev`.
#
#   docker build --tag palisade:0.1.0 --build-arg VERSION=0.1.0 .                          compiles in a container
#   docker build --tag palisade:0.1.0-sandbox --build-arg VERSION=0.1.0 --target sandbox --build-arg BUILD=--sandbox .
#   make image                                                                             compiles here, and pulls nothing
#
# `make image` takes what is below the line "FROM scratch AS common", and the folder that image/build.py made in place of the stage `build`.
ARG RUST=rust:1.95-bookworm
FROM ${RUST} AS build
ARG BUILD=""
ARG SOURCE_DATE_EPOCH=0
WORKDIR /src
COPY . .
RUN python3 image/build.py /out ${BUILD}

FROM scratch AS common
COPY --from=build /out/ /
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="palisade" \
      org.opencontainers.image.description="A sidecar proxy that enforces tenant isolation for multi-tenant SaaS on AWS" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="scratch"
ENV PATH=/usr/local/bin
# Relative paths of a configuration that comes from the environment begin here.
WORKDIR /etc/palisade
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/palisade"]

FROM common AS sandbox
CMD ["dev", "--listen", "0.0.0.0"]
HEALTHCHECK --interval=5s --timeout=3s --start-period=15s --retries=3 CMD ["/usr/local/bin/palisade", "health", "--address", "127.0.0.1:18445"]

FROM common AS palisade
CMD ["run", "--config", "/etc/palisade/palisade.yaml"]
# The deadline is above the command's own. Where the admin listener is elsewhere, give --health-cmd its --address.
HEALTHCHECK --interval=5s --timeout=3s --start-period=15s --retries=3 CMD ["/usr/local/bin/palisade", "health"]
