#!/usr/bin/env bash
# What the Dockerfile does, without an engine: the commands of its first stage in a clean folder, then the binary as user 65532 on a
# read-only root that holds nothing else. `./dev package` runs it; `--binary FILE` skips the build.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

say() { printf '%s\n' "$*" >&2; }
die() { say "package: $*"; exit 1; }

[ "$(id -u)" = 0 ] || exec unshare --user --map-root-user --map-auto "$0" "$@"

work=$(mktemp -d "${TMPDIR:-/tmp}/accolade-package.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The first stage: each COPY and RUN of it, in their order.
build() {
  local line
  mkdir "$work/build"
  while IFS= read -r line; do
    case $line in
      COPY*)
        read -r -a words <<<"${line#COPY }"
        local into="$work/build/${words[-1]}" from
        for from in "${words[@]:0:${#words[@]}-1}"; do
          case ${words[-1]} in
            ./) cp -r "$from" "$work/build/" ;;
            *) mkdir -p "$(dirname "$into")" && cp -r "$from" "$into" ;;
          esac
        done
        ;;
      RUN*) (cd "$work/build" && CARGO_TARGET_DIR=$work/build/target sh -ec "${line#RUN }") ;;
    esac
  done < <(sed -n '/^FROM .* AS build$/,/^FROM /p' Dockerfile | sed -e ':a' -e '/\\$/N; s/\\\n//; ta')
  binary=$work/build/target/release/accolade
}

# The second stage: the binary, what it is linked with, and two folders.
assemble() {
  local library
  root=$work/root
  install -D "$binary" "$root/usr/local/bin/accolade"
  ldd "$binary" | grep -o '/[^ ]*' | while IFS= read -r library; do install -D "$library" "$root$library"; done
  mkdir -p "$root/etc/accolade/secrets" "$root/var/lib/accolade" "$root/tmp" "$work/state"
  chmod 755 "$work" "$root"
  for name in token bind client; do printf 'a-secret-of-the-package-test' >"$root/etc/accolade/secrets/$name"; done
  cat >"$root/etc/accolade/accolade.toml" <<'TOML'
[discord]
token_file = "secrets/token"
[[guild]]
id = "1"
request_channel = "2"
admin_roles = ["3"]
[[guild.rule]]
name = "members"
any_roles = ["4"]
[directory]
url = "ldaps://directory"
bind_dn = "cn=bot,dc=example,dc=org"
bind_password_file = "secrets/bind"
people_dn = "ou=people,dc=example,dc=org"
groups_dn = "ou=groups,dc=example,dc=org"
[keycloak]
url = "https://keycloak"
realm = "community"
client_secret_file = "secrets/client"
federation_id = "00000000-0000-4000-8000-000000000001"
group_mapper_id = "00000000-0000-4000-8000-000000000002"
mail_client_id = "account-link"
mail_redirect_uri = "https://www.example.org/welcome"
[store]
url = "sqlite:///var/lib/accolade/accolade.sqlite"
key_file = "/var/lib/accolade/store.key"
TOML
  chmod 600 "$root"/etc/accolade/secrets/*
  chown -R 65532:65532 "$root/etc/accolade/secrets" "$work/state"
  chmod 700 "$work/state"
}

# Runs the binary as the image does.
in_image() {
  ROOT=$root STATE=$work/state unshare --mount sh -ec '
    mount --bind "$ROOT" "$ROOT"
    mount --bind "$STATE" "$ROOT/var/lib/accolade"
    mount -o remount,bind,ro "$ROOT"
    export ACCOLADE_CONFIG=/etc/accolade/accolade.toml
    exec chroot --userspec=65532:65532 "$ROOT" /usr/local/bin/accolade "$@"' sh "$@"
}

# shows WHAT TEXT COMMAND…: the command's output holds the text.
shows() {
  local what=$1 text=$2 said
  shift 2
  said=$("$@" 2>&1) || true
  case $said in
    *"$text"*) say "ok    $what" ;;
    *) say "$said"; die "$what: no \"$text\"" ;;
  esac
}

binary=
case ${1:-} in
  '') build ;;
  --binary) binary=$(readlink -f "${2:?--binary FILE}") ;;
  *) die "unknown flag: $1" ;;
esac
assemble
say "binary: $(stat -c %s "$binary") bytes"
shows "it runs" "accolade " in_image --version
shows "the configuration is read" "no faults" in_image config check
shows "the database is made on the volume" "is now at version" in_image migrate
shows "nothing can be written elsewhere" "read-only" in_image backup /usr/backup
shows "a backup on the volume" "holds the whole database" in_image backup /var/lib/accolade/backup
[ "$(stat -c %u:%a "$work/state/accolade.sqlite")" = 65532:600 ] || die "the database is not its user's alone"
say "ok    the database is its user's alone"
