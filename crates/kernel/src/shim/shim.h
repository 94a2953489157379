/*
 * What stands in for the kernel around the cut functions: types, lock, registers, relaxing, copying, logging, time, devices.
 * Written for this project; nothing here is taken from a kernel.
 *
 * Names that are defined here are never cut out of the tree.
 */
#ifndef VTD_QI_SHIM_H
#define VTD_QI_SHIM_H

/* Types. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef u16 __le16;
typedef u32 __le32;
typedef u64 __le64;
typedef unsigned long size_t;
typedef long ssize_t;
typedef unsigned long uintptr_t;
typedef u64 phys_addr_t;
typedef u64 dma_addr_t;
typedef s64 ktime_t;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

#define __iomem
#define __user
#define __force
#define __init
#define __rcu
#define __percpu
#define __maybe_unused __attribute__((unused))
#define __always_unused __attribute__((unused))
#define __always_inline inline __attribute__((always_inline))
#define noinline __attribute__((__noinline__))
#define noinline_for_stack noinline
#define notrace
#define __cold
#define __exit
#define __noreturn __attribute__((__noreturn__))
#define __sched
#define __used __attribute__((__used__))
#define __packed __attribute__((packed))
#define __printf(a, b)
#define __must_check
#define asmlinkage
#define fallthrough __attribute__((fallthrough))
#define EXPORT_SYMBOL_GPL(name)
#define likely(x) (x)
#define unlikely(x) (x)
#define offsetof(type, member) __builtin_offsetof(type, member)
#define typeof __typeof__

/* Errors. */
#define EIO 5
#define EAGAIN 11
#define ENOMEM 12
#define EBUSY 16
#define ENODEV 19
#define EINVAL 22
#define ETIME 62
#define ETIMEDOUT 110

/* Words. */
#define BIT(n) (1UL << (n))
#define BIT_ULL(n) (1ULL << (n))
#define GENMASK(h, l) ((~0UL >> (63 - (h))) & (~0UL << (l)))
#define GENMASK_ULL(h, l) ((~0ULL >> (63 - (h))) & (~0ULL << (l)))
#define FIELD_GET(mask, word) (((u64)(word) & (mask)) >> __builtin_ctzll(mask))
#define FIELD_PREP(mask, value) (((u64)(value) << __builtin_ctzll(mask)) & (mask))
#define lower_32_bits(n) ((u32)(n))
#define upper_32_bits(n) ((u32)((u64)(n) >> 32))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define max_t(type, a, b) ((type)(a) > (type)(b) ? (type)(a) : (type)(b))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define cpu_to_le64(x) (x)
#define le64_to_cpu(x) (x)

/* Memory. */
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))
#define smp_load_acquire(p) READ_ONCE(*(p))
#define smp_store_release(p, value) WRITE_ONCE(*(p), value)
#define data_race(x) (x)
#define barrier() __asm__ __volatile__("" : : : "memory")
#define mb() barrier()
#define rmb() barrier()
#define wmb() barrier()
#define smp_mb() barrier()
#define smp_rmb() barrier()
#define smp_wmb() barrier()
#define dma_rmb() barrier()
#define dma_wmb() barrier()
void *vtd_qi_memcpy(void *to, const void *from, size_t bytes);
void *vtd_qi_memset(void *to, int byte, size_t bytes);
#define memcpy(to, from, bytes) vtd_qi_memcpy(to, from, bytes)
#define memmove(to, from, bytes) vtd_qi_memcpy(to, from, bytes)
#define memset(to, byte, bytes) vtd_qi_memset(to, byte, bytes)
/* Physical addresses are virtual ones here: hardware writes where it is told to. */
#define virt_to_phys(p) ((phys_addr_t)(uintptr_t)(p))
#define __pa(p) virt_to_phys(p)
#define clflush_cache_range(p, bytes) ((void)(p), (void)(bytes))

/* Registers. */
u32 vtd_qi_readl(const volatile void *reg);
u64 vtd_qi_readq(const volatile void *reg);
void vtd_qi_writel(u32 value, volatile void *reg);
void vtd_qi_writeq(u64 value, volatile void *reg);
#define readl(reg) vtd_qi_readl(reg)
#define readq(reg) vtd_qi_readq(reg)
#define writel(value, reg) vtd_qi_writel(value, reg)
#define writeq(value, reg) vtd_qi_writeq(value, reg)
#define readl_relaxed(reg) vtd_qi_readl(reg)
#define readq_relaxed(reg) vtd_qi_readq(reg)
#define writel_relaxed(value, reg) vtd_qi_writel(value, reg)
#define writeq_relaxed(value, reg) vtd_qi_writeq(value, reg)
#define ioread32(reg) vtd_qi_readl(reg)
#define ioread64(reg) vtd_qi_readq(reg)
#define iowrite32(value, reg) vtd_qi_writel(value, reg)
#define iowrite64(value, reg) vtd_qi_writeq(value, reg)

/* The lock, and waiting. */
typedef struct vtd_qi_spinlock {
	int unused;
} raw_spinlock_t;
typedef raw_spinlock_t spinlock_t;
void vtd_qi_lock(void *lock);
void vtd_qi_unlock(void *lock);
void vtd_qi_relax(void);
#define raw_spin_lock(lock) vtd_qi_lock(lock)
#define raw_spin_unlock(lock) vtd_qi_unlock(lock)
#define raw_spin_lock_irq(lock) vtd_qi_lock(lock)
#define raw_spin_unlock_irq(lock) vtd_qi_unlock(lock)
#define raw_spin_lock_irqsave(lock, flags) ((flags) = 0, vtd_qi_lock(lock))
#define raw_spin_unlock_irqrestore(lock, flags) ((void)(flags), vtd_qi_unlock(lock))
#define spin_lock(lock) vtd_qi_lock(lock)
#define spin_unlock(lock) vtd_qi_unlock(lock)
#define spin_lock_irq(lock) vtd_qi_lock(lock)
#define spin_unlock_irq(lock) vtd_qi_unlock(lock)
#define spin_lock_irqsave(lock, flags) ((flags) = 0, vtd_qi_lock(lock))
#define spin_unlock_irqrestore(lock, flags) ((void)(flags), vtd_qi_unlock(lock))
#define local_irq_save(flags) ((flags) = 0)
#define local_irq_restore(flags) ((void)(flags))
#define might_sleep() ((void)0)
#define cpu_relax() vtd_qi_relax()
#define cond_resched() vtd_qi_relax()
#define touch_nmi_watchdog() ((void)0)
#define udelay(n) ((void)(n), vtd_qi_relax())
#define ndelay(n) ((void)(n), vtd_qi_relax())

/* Logging: the arguments are evaluated, nothing is printed. */
int vtd_qi_log(const char *format, ...);
#define pr_emerg(...) vtd_qi_log(__VA_ARGS__)
#define pr_alert(...) vtd_qi_log(__VA_ARGS__)
#define pr_crit(...) vtd_qi_log(__VA_ARGS__)
#define pr_err(...) vtd_qi_log(__VA_ARGS__)
#define pr_warn(...) vtd_qi_log(__VA_ARGS__)
#define pr_notice(...) vtd_qi_log(__VA_ARGS__)
#define pr_info(...) vtd_qi_log(__VA_ARGS__)
#define pr_debug(...) vtd_qi_log(__VA_ARGS__)
#define pr_cont(...) vtd_qi_log(__VA_ARGS__)
#define pr_err_once(...) vtd_qi_log(__VA_ARGS__)
#define pr_warn_once(...) vtd_qi_log(__VA_ARGS__)
#define pr_info_once(...) vtd_qi_log(__VA_ARGS__)
#define pr_err_ratelimited(...) vtd_qi_log(__VA_ARGS__)
#define pr_warn_ratelimited(...) vtd_qi_log(__VA_ARGS__)
#define pr_info_ratelimited(...) vtd_qi_log(__VA_ARGS__)
#define pr_notice_ratelimited(...) vtd_qi_log(__VA_ARGS__)
#define pr_debug_ratelimited(...) vtd_qi_log(__VA_ARGS__)
#define printk(...) vtd_qi_log(__VA_ARGS__)
#define dev_err(dev, ...) ((void)(dev), vtd_qi_log(__VA_ARGS__))
#define dev_warn(dev, ...) ((void)(dev), vtd_qi_log(__VA_ARGS__))
#define dev_info(dev, ...) ((void)(dev), vtd_qi_log(__VA_ARGS__))
#define dev_err_ratelimited(dev, ...) ((void)(dev), vtd_qi_log(__VA_ARGS__))
#define dev_warn_ratelimited(dev, ...) ((void)(dev), vtd_qi_log(__VA_ARGS__))
#define dev_info_ratelimited(dev, ...) ((void)(dev), vtd_qi_log(__VA_ARGS__))
#define dump_stack() ((void)0)
#define WARN_ON(condition) (!!(condition))
#define WARN_ON_ONCE(condition) (!!(condition))
#define WARN(condition, ...) ((void)vtd_qi_log(__VA_ARGS__), !!(condition))
#define WARN_ONCE(condition, ...) ((void)vtd_qi_log(__VA_ARGS__), !!(condition))
#define BUG_ON(condition) ((condition) ? __builtin_trap() : (void)0)
#define BUG() __builtin_trap()
#define BUILD_BUG_ON(condition) ((void)0)

/* What a function does that only writes to the log: its reads are no steps. */
void vtd_qi_log_enter(void);
void vtd_qi_log_leave(void);

/* Timing of the driver itself: off. */
#define dmar_latency_enabled(iommu, type) ((void)(iommu), (void)(type), 0)
#define dmar_latency_update(iommu, type, ns) ((void)(iommu), (void)(type), (void)(ns))

/* Devices: which there are and which are gone is asked of the program that runs the cut functions. */
struct device {
	u16 rid;
};
struct pci_dev {
	struct device dev;
};
struct device *vtd_qi_device(u16 rid);
int vtd_qi_is_present(u16 rid);
#define device_rbtree_find(iommu, rid) ((void)(iommu), vtd_qi_device(rid))
#define dev_is_pci(device) ((device) != NULL)
#define to_pci_dev(device) ((struct pci_dev *)(device))
#define pci_device_is_present(pdev) vtd_qi_is_present((pdev)->dev.rid)
#define pci_dev_is_disconnected(pdev) (!vtd_qi_is_present((pdev)->dev.rid))
#define pci_get_domain_bus_and_slot(domain, bus, devfn) \
	((void)(domain), (struct pci_dev *)vtd_qi_device((u16)((bus) << 8 | (devfn))))
#define pci_dev_put(pdev) ((void)(pdev))
#define PCI_BUS_NUM(rid) (((rid) >> 8) & 0xff)
#define PCI_DEVFN(slot, func) ((((slot) & 0x1f) << 3) | ((func) & 7))
#define PCI_SLOT(devfn) (((devfn) >> 3) & 0x1f)
#define PCI_FUNC(devfn) ((devfn) & 7)
#define dev_name(device) ((void)(device), "device")
#define pci_name(pdev) ((void)(pdev), "device")

#endif
