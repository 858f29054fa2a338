#!/bin/sh
# Finishes a Debian root directory: customize.sh ROOT. Runs as root of mmdebstrap's namespace,
# after every package is configured; leaves a system with no identity of its own.
set -eu
root=$1

printf 'LABEL=root / ext4 errors=remount-ro 0 1\n' >"$root/etc/fstab"
printf 'localhost\n' >"$root/etc/hostname"
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root"/etc/ssh/ssh_host_* "$root/etc/resolv.conf"
ln -s ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"

chroot "$root" systemctl -q enable systemd-networkd systemd-resolved serial-getty@ttyS0.service
# Their first run would compete with the first boot, and upgrades are the owner's choice.
chroot "$root" systemctl -q disable apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer dpkg-db-backup.timer

rm -rf "$root"/var/log/* "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old
