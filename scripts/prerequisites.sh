#!/bin/sh
# What `make` needs from the system: `scripts/prerequisites.sh python`, or `scripts/prerequisites.sh broker`.
# Says what is missing and installs it with apt where it may, else prints the line that does and exits 1.
#   python   Python >= 3.11 that can make a virtual environment; its path is printed on stdout
#   broker   Java >= 17 and Maven, unless Docker works or KAFKA_BOOTSTRAP names a Kafka
#   kcat, alertmanager
#            programs of others for some tests: a Kafka client; Alertmanager, its amtool, and Prometheus. The tests are
#            skipped without them, so their absence is no failure
set -eu

PYTHONS="python3 python3.13 python3.12 python3.11"

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 1
}

# The line a person would type; "sudo " where it is needed.
sudo_for_apt() { if [ "$(id -u)" -eq 0 ]; then printf ''; else printf 'sudo '; fi; }

may_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}

lists_updated=no
update_lists() {
    [ "$lists_updated" = no ] || return 0
    lists_updated=yes
    as_root apt-get update -qq >&2 || say "apt-get update failed; trying with the lists that are there"
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi; }

# 0 where apt knows a version of the package that it could install
has_package() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }

install() {
    say "installing with apt: $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        fail "apt-get install $* failed"
}

find_python() {
    for name in $PYTHONS; do
        # Debian has venv without ensurepip until python3-venv is there.
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

# The package that makes the newest usable Python complete: python3-venv, or a version of its own where the default is old.
python_packages() {
    if apt-cache policy python3-venv 2>/dev/null | grep -Eq 'Candidate: (3\.(1[1-9]|[2-9][0-9])|[4-9])'; then
        echo python3 python3-venv
        return 0
    fi
    for version in 3.13 3.12 3.11; do
        if has_package "python$version-venv"; then
            echo "python$version" "python$version-venv"
            return 0
        fi
    done
    return 1
}

need_python() {
    find_python && return 0
    say "missing: Python 3.11 or newer with venv"
    may_install || fail "install it, on Debian or Ubuntu: $(sudo_for_apt)apt-get update && $(sudo_for_apt)apt-get install -y python3 python3-venv"
    update_lists
    packages=$(python_packages) || fail "apt offers no Python 3.11 or newer here: install one and put it on PATH"
    # shellcheck disable=SC2086 # two words
    install $packages
    find_python || fail "still no Python 3.11 or newer with venv on PATH"
}

java_release() {
    java=java
    if [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/java" ]; then java=$JAVA_HOME/bin/java; fi
    "$java" -version 2>&1 | sed -n 's/.*version "\(1\.\)\{0,1\}\([0-9][0-9]*\).*/\2/p' | head -n 1
}

docker_works() {
    command -v docker >/dev/null 2>&1 && docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1
}

need_broker() {
    [ -z "${KAFKA_BOOTSTRAP:-}" ] || return 0
    release=$(java_release || true)
    java_fits=no
    if [ "${release:-0}" -ge 17 ]; then java_fits=yes; fi
    if [ "$java_fits" = yes ] && command -v mvn >/dev/null 2>&1; then return 0; fi
    if docker_works; then return 0; fi
    missing=""
    [ "$java_fits" = yes ] || missing="a JDK, 17 or newer"
    command -v mvn >/dev/null 2>&1 || missing="${missing:+$missing, and }Maven"
    say "missing for a local Kafka: $missing (or Docker, or KAFKA_BOOTSTRAP=host:port)"
    may_install || fail "install it, on Debian 12: $(sudo_for_apt)apt-get update && $(sudo_for_apt)apt-get install -y openjdk-17-jdk-headless maven" \
        "(openjdk-21-jdk-headless on Debian 13 and Ubuntu 24.04)"
    update_lists
    packages=""
    if [ "$java_fits" = no ]; then
        for offered in 17 21 25; do
            if has_package "openjdk-$offered-jdk-headless"; then
                packages="openjdk-$offered-jdk-headless"
                break
            fi
        done
        [ -n "$packages" ] || fail "apt offers no JDK 17 or newer here: install one, and set JAVA_HOME or PATH"
    fi
    command -v mvn >/dev/null 2>&1 || packages="$packages maven"
    # shellcheck disable=SC2086 # one word a package
    install $packages
    release=$(java_release || true)
    [ "${release:-0}" -ge 17 ] || fail "java is still ${release:-missing}, needed is 17 or newer: set JAVA_HOME or PATH"
}

want_kcat() {
    command -v kcat >/dev/null 2>&1 && return 0
    if may_install; then
        update_lists
        if has_package kcat; then
            install kcat
            return 0
        fi
    fi
    say "kcat is not here: the tests that use it are skipped"
}

want_alertmanager() {
    command -v amtool >/dev/null 2>&1 && command -v prometheus >/dev/null 2>&1 && return 0
    # Where services run, Debian's packages would start theirs: that is not for a test to decide.
    if may_install && [ ! -d /run/systemd/system ]; then
        update_lists
        if has_package prometheus-alertmanager && has_package prometheus; then
            install prometheus-alertmanager prometheus
            return 0
        fi
    fi
    say "Alertmanager and Prometheus are not here: the tests that use them are skipped" \
        "(apt-get install prometheus-alertmanager prometheus)"
}

[ $# -gt 0 ] || fail "usage: $0 python|broker|kcat|alertmanager ..."
for what in "$@"; do
    case $what in
    python) need_python ;;
    broker) need_broker ;;
    kcat) want_kcat ;;
    alertmanager) want_alertmanager ;;
    *) fail "usage: $0 python|broker|kcat|alertmanager ..." ;;
    esac
done
