#!/usr/bin/env bash
# Makes a throw-away copy of this machine and boots a real systemd on it. To be run by `machine.py`, in namespaces of
# its own for mounts, processes, IPC, host name, control groups and, but for installing, network.
#   boot.sh DIRECTORY LAYERS: the copy is made in DIRECTORY, on a tmpfs, of LAYERS, directories with colons between
set -euo pipefail

base=$1 layers=$2
mount --make-rprivate /
mount -t overlay machine -o "lowerdir=$layers,upperdir=$base/upper,workdir=$base/work" "$base/root"
cd "$base/root"

mount -t proc proc proc
# What is set there is set for the whole machine, whoever sets it.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/shm dev/pts dev/mqueue dev/hugepages
for node in null zero full random urandom tty; do
    touch "dev/$node" && mount --bind "/dev/$node" "dev/$node"
done
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=755 tmpfs run
touch run/notify
mount --bind "$base/notify" run/notify
hostname kakiyo-test
ip link set lo up

mkdir -p old
pivot_root . old
umount -l old
# Else what LoadCredential= mounts is never seen by the service.
mount --make-rshared /
exec env -i container=kakiyo-test NOTIFY_SOCKET=/run/notify PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --log-target=journal --show-status=no
