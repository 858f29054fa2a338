# Makes the volumes of this machine, or finds them again. Nothing that holds data is written over unless that was asked for.
set -u

fail() {
    echo "underlay: volume $name: $1" >&2
    echo "underlay: volume $name: $1" 2>/dev/null >/dev/console || :
    # What is not complete does not call home: the server says that it waits, and the console why.
    echo 'cloud_final_modules: []' >/etc/cloud/cloud.cfg.d/99-underlay-volumes.cfg
    exit 1
}

# The serial number of a disk as the kernel has it, without spaces.
serial_of() {
    for file in "/sys/block/$1/serial" "/sys/block/$1/device/serial"; do
        if [ -r "$file" ]; then
            tr -d ' \n' <"$file"
            return
        fi
    done
    if [ -r "/sys/block/$1/device/vpd_pg80" ]; then
        tail -c +5 "/sys/block/$1/device/vpd_pg80" | tr -d ' \n\0'
    fi
}

disk_of() {
    wanted=$(printf %s "$1" | tr -d ' ')
    for entry in /sys/block/*; do
        disk=${entry##*/}
        case $disk in loop* | ram* | dm-* | md* | sr* | zram*) continue ;; esac
        if [ "$(serial_of "$disk")" = "$wanted" ]; then
            echo "/dev/$disk"
            return
        fi
    done
    return 1
}

# Is nothing known to be on it? blkid ends with 2 only then.
is_blank() {
    blkid -p "$1" >/dev/null 2>&1
    [ $? -eq 2 ]
}

group_of() { pvs --noheadings -o vg_name "$1" 2>/dev/null | tr -d ' '; }

# Takes apart whatever a disk belongs to, and forgets it.
forget() {
    group=$(group_of "$1")
    [ -z "$group" ] || vgremove -f -y "$group" || fail "$1 cannot be taken out of volume group $group"
    for holder in /sys/block/"${1#/dev/}"/holders/md*; do
        [ ! -e "$holder" ] || mdadm --stop "/dev/${holder##*/}" || fail "$1 is in an array that does not stop"
    done
    wipefs -a -f "$1" || fail "$1 cannot be wiped"
}

lvm() {
    command -v vgcreate >/dev/null || fail "the image has no lvm2"
    group=underlay-$name
    device=/dev/$group/data
    if vgs "$group" >/dev/null 2>&1; then
        missing=$(vgs --noheadings -o vg_missing_pv_count "$group" | tr -d ' ')
        [ "$missing" = 0 ] || fail "$missing disks of volume group $group are not here"
        for disk in $disks; do
            owner=$(group_of "$disk")
            if [ "$owner" = "$group" ]; then
                pvresize "$disk" || fail "$disk does not grow"
            elif [ -z "$owner" ] && is_blank "$disk"; then
                vgextend -y "$group" "$disk" || fail "$disk does not join volume group $group"
            else
                fail "$disk holds something else"
            fi
        done
        vgchange -a y "$group" || fail "volume group $group does not start"
        if [ "$(vgs --noheadings -o vg_free_count "$group" | tr -d ' ')" != 0 ]; then
            lvextend -l +100%FREE "$group/data" || fail "it does not grow"
        fi
    else
        for disk in $disks; do
            is_blank "$disk" || fail "$disk holds something else"
        done
        # shellcheck disable=SC2086  # one word for each disk
        vgcreate -y "$group" $disks || fail "volume group $group cannot be made"
        lvcreate -y -W y -Z y -l 100%FREE -n data "$group" || fail "its logical volume cannot be made"
    fi
}

mirror() {
    command -v mdadm >/dev/null || fail "the image has no mdadm"
    array=underlay-$name
    device=
    members=0
    blanks=0
    for disk in $disks; do
        for holder in /sys/block/"${disk#/dev/}"/holders/md*; do
            [ ! -e "$holder" ] || device=/dev/${holder##*/}
        done
        if mdadm --examine --export "$disk" 2>/dev/null | grep -q "^MD_NAME=\(.*:\)\?$array\$"; then
            members=$((members + 1))
        elif is_blank "$disk"; then
            blanks=$((blanks + 1))
        else
            fail "$disk holds something else"
        fi
    done
    count=$((members + blanks))
    if [ "$members" = 0 ]; then
        device=/dev/md/$array
        # shellcheck disable=SC2086
        mdadm --create "$device" --run --force --metadata=1.2 --homehost=any --name="$array" --level=1 \
            --raid-devices="$count" $disks || fail "the mirror cannot be made"
    else
        if [ -z "$device" ]; then
            device=/dev/md/$array
            # shellcheck disable=SC2086
            mdadm --assemble --run "$device" $disks || fail "the mirror does not start"
        fi
        for disk in $disks; do
            # One that was exchanged takes its part again.
            if is_blank "$disk"; then
                mdadm --manage "$device" --add "$disk" || fail "$disk does not join the mirror"
            fi
        done
        mdadm --grow "$device" --size=max >/dev/null 2>&1 || :
    fi
}

# volume NAME LAYOUT FILESYSTEM MOUNT keep|erase SERIAL...
volume() {
    name=$1 layout=$2 kind=$3 mount=$4 keep=$5
    shift 5
    disks=
    for serial; do
        disk=$(disk_of "$serial") || fail "there is no disk with serial $serial"
        disks="$disks $disk"
    done
    if [ "$keep" = erase ]; then
        for disk in $disks; do forget "$disk"; done
    fi
    case $layout in
    lvm) lvm ;;
    mirror) mirror ;;
    *) device=${disks# } ;;
    esac
    udevadm settle || :
    command -v "mkfs.$kind" >/dev/null || fail "the image has no mkfs.$kind"
    if is_blank "$device"; then
        # It is blank, so there is nothing to be asked about.
        case $kind in xfs) force=-f ;; *) force=-F ;; esac
        "mkfs.$kind" -q "$force" -L "$name" "$device" || fail "its file system cannot be made"
    else
        found=$(blkid -p -o value -s TYPE "$device") label=$(blkid -p -o value -s LABEL "$device")
        if [ "$found" != "$kind" ] || [ "$label" != "$name" ]; then
            fail "$device holds something else (${found:-no file system} \"$label\")"
        fi
    fi
    udevadm settle || :
    mkdir -p "$mount" || fail "$mount cannot be made"
    grep -q "^LABEL=$name " /etc/fstab || echo "LABEL=$name $mount $kind defaults,nofail 0 2" >>/etc/fstab
    mountpoint -q "$mount" || mount -t "$kind" "$device" "$mount" || fail "it cannot be mounted at $mount"
    case $kind in
    ext4) resize2fs "$device" ;;
    xfs) xfs_growfs "$mount" ;;
    esac || fail "its file system does not grow"
}

rm -f /etc/cloud/cloud.cfg.d/99-underlay-volumes.cfg
udevadm settle || :
