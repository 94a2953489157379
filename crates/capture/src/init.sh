#!/bin/sh
# The guest's first program. It loads the drivers of the disks, traces qi_submit_sync, makes invalidations for some seconds, and writes
# what was traced to the second serial port. Lines there that begin with "capture: " are for the host.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
stty -F /dev/ttyS1 raw -echo
exec 3> /dev/ttyS1
. /orders

say() { echo "capture: $*" >&3; }

# The seconds since the kernel started; without a process of its own.
up() { read -r now _ < /proc/uptime; now=${now%.*}; }

say begins "$(uname -r)"

for module in /modules/*; do
    [ -e "$module" ] || continue
    insmod "$module" || say note "the module ${module#/modules/???-} cannot be loaded"
done

# The kernel looks for disks while it goes on.
all_disks() { ls /dev/nvme?n1 /dev/vd? /dev/sd? 2> /dev/null; }
up; until=$((now + 10))
while [ "$(all_disks | wc -l)" -lt "$DISKS" ] && up && [ "$now" -lt "$until" ]; do sleep 0.2; done
disks=$(all_disks)
say disks $disks

tracing=/sys/kernel/tracing
mount -t tracefs tracefs $tracing || say note "it has no tracefs, so that no calls are traced"
[ -e $tracing/events/intel_iommu/qi_submit ] ||
    say note "it has no event intel_iommu:qi_submit, so that submissions are not traced"
if echo 'p:enter qi_submit_sync count=%dx:u32' > $tracing/kprobe_events &&
    echo 'r:ret qi_submit_sync rc=$retval:s32' >> $tracing/kprobe_events &&
    echo 1 > $tracing/events/kprobes/enable; then
    :
else
    say note "qi_submit_sync takes no probes, so that calls and return codes are not traced"
fi

# Direct reads and writes of several sizes: under iommu.strict=1 each ends with an invalidation.
work() {
    step=$2
    while up; [ "$now" -lt "$until" ]; do
        for size in 4k 16k 64k 256k; do
            step=$(((step * 5 + 3) % 1024))
            dd if="$1" of=/dev/null bs=$size count=16 skip=$step iflag=direct
            dd if=/dev/zero of="$1" bs=$size count=4 seek=$step oflag=direct conv=notrunc
        done 2> /dev/null
    done
}

# An interrupt that moves to another processor invalidates the cache of interrupt entries.
move_interrupts() {
    while up; [ "$now" -lt "$until" ]; do
        for mask in 1 $((1 << (CPUS - 1))); do
            for affinity in /proc/irq/*/smp_affinity; do echo $mask > "$affinity"; done
            sleep 0.05
        done 2> /dev/null
    done
}

up; until=$((now + SECONDS_OF_LOAD))
say load begins
job=0
while [ "$job" -lt "$CPUS" ]; do
    for disk in $disks; do work "$disk" $((job * 7)) & done
    job=$((job + 1))
done
move_interrupts &
# Nobody is waited for: a call that hangs does not return.
sleep "$SECONDS_OF_LOAD"
echo 0 > $tracing/tracing_on
say load ends

say trace begins
cat $tracing/trace >&3
say trace ends
# A kernel that shows its ring shows it last: that takes the lock.
mount -t debugfs debugfs /sys/kernel/debug
ring=/sys/kernel/debug/iommu/intel/invalidation_queue
[ -e $ring ] && cat $ring >&3
say ends
sync
poweroff -f
