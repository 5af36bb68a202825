#!/bin/sh
# The first process of the tests' machine, in namespaces of its own: inside.sh <private> <group> <dockerd> <options>…
# What is written to /etc, /run and /opt is the machine's alone, and ends with it, as all of its processes do.
set -eu
private=$1 group=$2
shift 2

mount -t tmpfs -o mode=0711 none "$private"
for folder in etc run opt; do
    mkdir "$private/$folder" "$private/$folder.work"
    chmod 0755 "$private/$folder"
    mount -t overlay -o "lowerdir=/$folder,upperdir=$private/$folder,workdir=$private/$folder.work" overlay "/$folder"
done

# What this cgroup namespace takes for its root is the only part of each hierarchy that is to be seen here.
hierarchies=$(awk '$(NF-2) ~ /^cgroup2?$/ { print $5, $(NF-2), $NF }' /proc/self/mountinfo)
case "$hierarchies" in
"/sys/fs/cgroup cgroup2 "*)
    mount -t cgroup2 none /sys/fs/cgroup
    # A cgroup that hands controllers on must have no process itself.
    mkdir /sys/fs/cgroup/first
    echo 0 >/sys/fs/cgroup/first/cgroup.procs
    for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || true
    done
    ;;
*)
    mount -t tmpfs -o mode=0755 none /sys/fs/cgroup
    echo "$hierarchies" | while read -r at type options; do
        mkdir -p "$at"
        case "$type,$options" in
        cgroup2,*) mount -t cgroup2 none "$at" ;;
        *name=*) mount -t cgroup -o "none,name=${options##*name=}" none "$at" ;;
        *) mount -t cgroup -o "${options#rw,}" none "$at" ;;
        esac
    done
    ;;
esac

useradd --no-create-home --shell /bin/bash --home-dir "$HOME_OF_USER" --uid "$ID_OF_USER" newcomer
getent group "$group" >/dev/null || groupadd --system "$group"
usermod --append --groups "$group" newcomer

# Not exec: this shell also reaps the processes that others leave to it.
"$@" &
wait $!
