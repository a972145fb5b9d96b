# Builds Accolade and packs only the binary: no shell, no package manager, not root.
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock build.rs ./
COPY src src
COPY migrations migrations
COPY config config
# The test crates are members of the workspace; the image needs only their manifests.
COPY tests/discord-sim/Cargo.toml tests/discord-sim/Cargo.toml
COPY tests/echo-bot/Cargo.toml tests/echo-bot/Cargo.toml
COPY tests/harness/Cargo.toml tests/harness/Cargo.toml
COPY tests/testbed/Cargo.toml tests/testbed/Cargo.toml
RUN mkdir -p tests/discord-sim/src tests/echo-bot/src tests/harness/src tests/testbed/src \
       tests/clients tests/stories tests/workflow \
    && touch tests/discord-sim/src/lib.rs tests/echo-bot/src/main.rs tests/harness/src/lib.rs tests/testbed/src/lib.rs \
       tests/tidy.rs tests/clients/main.rs tests/stories/main.rs tests/workflow/main.rs \
    && cargo build --release --locked --bin accolade

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/accolade /usr/local/bin/accolade
# Run it with a read-only root; the database is on a volume.
USER 65532:65532
VOLUME ["/var/lib/accolade"]
ENV ACCOLADE_CONFIG=/etc/accolade/accolade.toml
ENTRYPOINT ["/usr/local/bin/accolade"]
CMD ["serve"]
