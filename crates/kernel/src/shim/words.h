/*
 * More of what stands in for the kernel: what patches use and the driver of today does not. Guards, atomic counters, a clock, waiting
 * for a register, static keys, lockdep, per-CPU variables and small arithmetic. Written for this project; nothing is taken from a kernel.
 *
 * A name that begins with one of PREFIXES in words.rs is known too: it is given a macro that does nothing.
 */

/* Guards: the lock is dropped where the scope ends, in whatever way. */
enum { raw_spinlock = 1, raw_spinlock_irq, raw_spinlock_irqsave, spinlock, spinlock_irq, spinlock_irqsave, rcu, irqsave, preempt };
static inline void *vtd_qi_guarded(void *lock)
{
	vtd_qi_lock(lock);
	return lock;
}
static inline void vtd_qi_unguard(void *guard)
{
	void *lock = *(void **)guard;

	if (lock)
		vtd_qi_unlock(lock);
}
#define vtd_qi_guard_raw_spinlock(lock) vtd_qi_guarded(lock)
#define vtd_qi_guard_raw_spinlock_irq(lock) vtd_qi_guarded(lock)
#define vtd_qi_guard_raw_spinlock_irqsave(lock) vtd_qi_guarded(lock)
#define vtd_qi_guard_spinlock(lock) vtd_qi_guarded(lock)
#define vtd_qi_guard_spinlock_irq(lock) vtd_qi_guarded(lock)
#define vtd_qi_guard_spinlock_irqsave(lock) vtd_qi_guarded(lock)
#define vtd_qi_guard_rcu() NULL
#define vtd_qi_guard_irqsave() NULL
#define vtd_qi_guard_preempt() NULL
#define vtd_qi_glued(a, b) a##b
#define vtd_qi_named(a, b) vtd_qi_glued(a, b)
#define vtd_qi_cleaned __attribute__((cleanup(vtd_qi_unguard), unused))
#define guard(kind) void *vtd_qi_named(vtd_qi_guard, __COUNTER__) vtd_qi_cleaned = vtd_qi_guard_##kind
#define scoped_guard(kind, ...) \
	for (void *vtd_qi_scope vtd_qi_cleaned = vtd_qi_guard_##kind(__VA_ARGS__), *vtd_qi_done = NULL; !vtd_qi_done; \
	     vtd_qi_done = (void *)1)
#define raw_spin_trylock(lock) (vtd_qi_lock(lock), 1)
#define spin_trylock(lock) (vtd_qi_lock(lock), 1)
#define raw_spin_is_locked(lock) ((void)(lock), 1)
#define raw_spin_lock_init(lock) ((void)(lock))
#define spin_lock_init(lock) ((void)(lock))
#define local_irq_disable() ((void)0)
#define local_irq_enable() ((void)0)
#define irqs_disabled() 1
#define preempt_disable() ((void)0)
#define preempt_enable() ((void)0)
#define smp_processor_id() 0
#define raw_smp_processor_id() 0
#define rcu_read_lock() ((void)0)
#define rcu_read_unlock() ((void)0)

/* Counters: each operation is one step, since nothing else runs between two stops. */
typedef struct {
	int counter;
} atomic_t;
typedef struct {
	s64 counter;
} atomic64_t;
typedef atomic64_t atomic_long_t;
#define ATOMIC_INIT(n) { (n) }
#define ATOMIC64_INIT(n) { (n) }
#define ATOMIC_LONG_INIT(n) { (n) }
#define VTD_QI_ATOMIC(p, type, word) \
	static inline word p##_read(const type *v) { return READ_ONCE(v->counter); } \
	static inline word p##_read_acquire(const type *v) { return READ_ONCE(v->counter); } \
	static inline void p##_set(type *v, word n) { WRITE_ONCE(v->counter, n); } \
	static inline void p##_set_release(type *v, word n) { WRITE_ONCE(v->counter, n); } \
	static inline void p##_add(word n, type *v) { v->counter += n; } \
	static inline void p##_sub(word n, type *v) { v->counter -= n; } \
	static inline void p##_inc(type *v) { v->counter++; } \
	static inline void p##_dec(type *v) { v->counter--; } \
	static inline void p##_or(word n, type *v) { v->counter |= n; } \
	static inline void p##_and(word n, type *v) { v->counter &= n; } \
	static inline word p##_add_return(word n, type *v) { return v->counter += n; } \
	static inline word p##_sub_return(word n, type *v) { return v->counter -= n; } \
	static inline word p##_inc_return(type *v) { return ++v->counter; } \
	static inline word p##_dec_return(type *v) { return --v->counter; } \
	static inline bool p##_inc_and_test(type *v) { return !++v->counter; } \
	static inline bool p##_dec_and_test(type *v) { return !--v->counter; } \
	static inline bool p##_sub_and_test(word n, type *v) { return !(v->counter -= n); } \
	static inline bool p##_inc_not_zero(type *v) { return v->counter ? v->counter++, 1 : 0; } \
	static inline bool p##_add_unless(type *v, word n, word u) { return v->counter != u ? v->counter += n, 1 : 0; } \
	static inline word p##_fetch_add(word n, type *v) { return (v->counter += n) - n; } \
	static inline word p##_fetch_sub(word n, type *v) { return (v->counter -= n) + n; } \
	static inline word p##_fetch_inc(type *v) { return v->counter++; } \
	static inline word p##_fetch_dec(type *v) { return v->counter--; } \
	static inline word p##_xchg(type *v, word n) { word was = v->counter; v->counter = n; return was; } \
	static inline word p##_cmpxchg(type *v, word old, word n) \
	{ \
		word was = v->counter; \
		if (was == old) \
			v->counter = n; \
		return was; \
	} \
	static inline bool p##_try_cmpxchg(type *v, word *old, word n) \
	{ \
		word was = *old; \
		*old = p##_cmpxchg(v, was, n); \
		return *old == was; \
	}
VTD_QI_ATOMIC(atomic, atomic_t, int)
VTD_QI_ATOMIC(atomic64, atomic64_t, s64)
VTD_QI_ATOMIC(atomic_long, atomic_long_t, long)
#define xchg(p, n) ({ __typeof__(*(p)) vtd_qi_was = *(p); *(p) = (n); vtd_qi_was; })
#define cmpxchg(p, old, n) ({ __typeof__(*(p)) vtd_qi_was = *(p); if (vtd_qi_was == (old)) *(p) = (n); vtd_qi_was; })
#define this_cpu_inc(v) ((void)(v)++)
#define this_cpu_dec(v) ((void)(v)--)
#define this_cpu_add(v, n) ((void)((v) += (n)))
#define this_cpu_read(v) (v)
#define this_cpu_write(v, n) ((void)((v) = (n)))
#define DEFINE_PER_CPU(type, name) type name
#define DECLARE_PER_CPU(type, name) extern type name

/* The clock: in nanoseconds, from one place. When it is looked at it may have moved on by more than any time-out. */
u64 vtd_qi_clock(void);
typedef u64 cycles_t;
#define NSEC_PER_SEC 1000000000L
#define NSEC_PER_MSEC 1000000L
#define NSEC_PER_USEC 1000L
#define USEC_PER_SEC 1000000L
#define USEC_PER_MSEC 1000L
#define MSEC_PER_SEC 1000L
#define HZ 1000
#define tsc_khz 1000000u
#define jiffies ((unsigned long)(vtd_qi_clock() / 1000000))
#define get_jiffies_64() ((u64)(vtd_qi_clock() / 1000000))
#define msecs_to_jiffies(n) ((unsigned long)(n))
#define usecs_to_jiffies(n) (((unsigned long)(n) + 999) / 1000)
#define secs_to_jiffies(n) ((unsigned long)(n) * HZ)
#define nsecs_to_jiffies(n) ((unsigned long)((u64)(n) / 1000000))
#define jiffies_to_msecs(n) ((unsigned int)(n))
#define jiffies_to_usecs(n) ((unsigned int)(n) * 1000)
#define time_after(a, b) ((long)((unsigned long)(b) - (unsigned long)(a)) < 0)
#define time_before(a, b) time_after(b, a)
#define time_after_eq(a, b) ((long)((unsigned long)(a) - (unsigned long)(b)) >= 0)
#define time_before_eq(a, b) time_after_eq(b, a)
#define time_is_before_jiffies(a) time_after(jiffies, a)
#define time_is_after_jiffies(a) time_before(jiffies, a)
#define time_after64(a, b) ((s64)((u64)(b) - (u64)(a)) < 0)
#define time_before64(a, b) time_after64(b, a)
#define ktime_get() ((ktime_t)vtd_qi_clock())
#define ktime_get_raw() ((ktime_t)vtd_qi_clock())
#define ktime_get_boottime() ((ktime_t)vtd_qi_clock())
#define ktime_get_ns() vtd_qi_clock()
#define ktime_get_raw_ns() vtd_qi_clock()
#define ktime_get_mono_fast_ns() vtd_qi_clock()
#define local_clock() vtd_qi_clock()
#define sched_clock() vtd_qi_clock()
#define get_cycles() ((cycles_t)vtd_qi_clock())
#define rdtsc() vtd_qi_clock()
#define rdtsc_ordered() vtd_qi_clock()
#define ktime_to_ns(t) ((s64)(t))
#define ktime_to_us(t) ((s64)(t) / 1000)
#define ktime_to_ms(t) ((s64)(t) / 1000000)
#define ns_to_ktime(n) ((ktime_t)(n))
#define us_to_ktime(n) ((ktime_t)(n) * 1000)
#define ms_to_ktime(n) ((ktime_t)(n) * 1000000)
#define ktime_set(s, ns) ((ktime_t)(s) * 1000000000 + (ns))
#define ktime_add(a, b) ((ktime_t)((a) + (b)))
#define ktime_sub(a, b) ((ktime_t)((a) - (b)))
#define ktime_add_ns(t, n) ((ktime_t)((t) + (n)))
#define ktime_add_us(t, n) ((ktime_t)((t) + (s64)(n) * 1000))
#define ktime_add_ms(t, n) ((ktime_t)((t) + (s64)(n) * 1000000))
#define ktime_sub_ns(t, n) ((ktime_t)((t) - (n)))
#define ktime_compare(a, b) ((a) < (b) ? -1 : (a) > (b))
#define ktime_after(a, b) ((a) > (b))
#define ktime_before(a, b) ((a) < (b))
#define ktime_us_delta(a, b) (((a) - (b)) / 1000)
#define ktime_ms_delta(a, b) (((a) - (b)) / 1000000)

/* Waiting. */
#define mdelay(n) ((void)(n), vtd_qi_relax())
#define usleep_range(a, b) ((void)(a), (void)(b), vtd_qi_relax())
#define msleep(n) ((void)(n), vtd_qi_relax())
#define fsleep(n) ((void)(n), vtd_qi_relax())
#define schedule() vtd_qi_relax()
#define touch_softlockup_watchdog() ((void)0)
#define smp_cond_load_acquire(p, condition) smp_cond_load_relaxed(p, condition)
#define smp_cond_load_relaxed(p, condition) \
	({ \
		__typeof__(*(p)) VAL; \
		while (VAL = READ_ONCE(*(p)), !(condition)) \
			vtd_qi_relax(); \
		VAL; \
	})
#define read_poll_timeout_atomic(op, value, condition, delay, timeout, before, ...) \
	({ \
		u64 vtd_qi_end = vtd_qi_clock() + (u64)(timeout) * 1000; \
		while ((value) = op(__VA_ARGS__), !(condition) && (!(timeout) || vtd_qi_clock() <= vtd_qi_end)) \
			vtd_qi_relax(); \
		(value) = op(__VA_ARGS__); \
		(condition) ? 0 : -ETIMEDOUT; \
	})
#define read_poll_timeout(...) read_poll_timeout_atomic(__VA_ARGS__)
#define readl_poll_timeout_atomic(place, value, condition, delay, timeout) \
	read_poll_timeout_atomic(readl, value, condition, delay, timeout, 0, place)
#define readl_poll_timeout(place, value, condition, delay, timeout) \
	read_poll_timeout_atomic(readl, value, condition, delay, timeout, 0, place)

/* Static keys: variables, set as they are defined. */
struct static_key {
	int enabled;
};
struct static_key_false {
	int enabled;
};
struct static_key_true {
	int enabled;
};
#define STATIC_KEY_INIT_FALSE { 0 }
#define STATIC_KEY_INIT_TRUE { 1 }
#define STATIC_KEY_FALSE_INIT { 0 }
#define STATIC_KEY_TRUE_INIT { 1 }
#define DEFINE_STATIC_KEY_FALSE(name) struct static_key_false name = { 0 }
#define DEFINE_STATIC_KEY_TRUE(name) struct static_key_true name = { 1 }
#define DECLARE_STATIC_KEY_FALSE(name) extern struct static_key_false name
#define DECLARE_STATIC_KEY_TRUE(name) extern struct static_key_true name
#define static_branch_likely(key) ((key)->enabled)
#define static_branch_unlikely(key) ((key)->enabled)
#define static_key_enabled(key) ((key)->enabled)
#define static_branch_enable(key) ((void)((key)->enabled = 1))
#define static_branch_disable(key) ((void)((key)->enabled = 0))

/* Logging and checking, beside what shim.h has. */
#define pr_notice_once(...) vtd_qi_log(__VA_ARGS__)
#define pr_debug_once(...) vtd_qi_log(__VA_ARGS__)
#define pr_crit_ratelimited(...) vtd_qi_log(__VA_ARGS__)
#define printk_once(...) vtd_qi_log(__VA_ARGS__)
#define printk_ratelimited(...) vtd_qi_log(__VA_ARGS__)
#define trace_printk(...) vtd_qi_log(__VA_ARGS__)
#define dev_crit(dev, ...) ((void)(dev), vtd_qi_log(__VA_ARGS__))
#define dev_notice(dev, ...) ((void)(dev), vtd_qi_log(__VA_ARGS__))
#define dev_dbg(dev, ...) ((void)(dev), vtd_qi_log(__VA_ARGS__))
#define dev_err_once(dev, ...) ((void)(dev), vtd_qi_log(__VA_ARGS__))
#define dev_warn_once(dev, ...) ((void)(dev), vtd_qi_log(__VA_ARGS__))
#define pci_err(dev, ...) ((void)(dev), vtd_qi_log(__VA_ARGS__))
#define pci_warn(dev, ...) ((void)(dev), vtd_qi_log(__VA_ARGS__))
#define pci_info(dev, ...) ((void)(dev), vtd_qi_log(__VA_ARGS__))
#define WARN_RATELIMIT(condition, ...) ((void)vtd_qi_log(__VA_ARGS__), !!(condition))
#define WARN_ON_RATELIMIT(condition, state) ((void)(state), !!(condition))
#define VM_WARN_ON(condition) ((void)(condition))
#define panic(...) __builtin_trap()
#define BUILD_BUG_ON_MSG(condition, text) ((void)0)
#define static_assert(...) _Static_assert(1, "")
#define unreachable() __builtin_unreachable()
#define IS_ENABLED(option) 0
#define MODULE_PARM_DESC(...) _Static_assert(1, "")
#define module_param(...) _Static_assert(1, "")

/* Errors and words, beside what shim.h has. */
#define EPERM 1
#define ENOENT 2
#define EINTR 4
#define ENXIO 6
#define EFAULT 14
#define EEXIST 17
#define ENOSPC 28
#define ERANGE 34
#define EOPNOTSUPP 95
#define ESHUTDOWN 108
#define ECANCELED 125
#define U8_MAX 255
#define U16_MAX 65535
#define U32_MAX 4294967295u
#define U64_MAX (~0ULL)
#define INT_MAX 2147483647
#define UINT_MAX 4294967295u
#define ULONG_MAX (~0UL)
#define swap(a, b) ({ __typeof__(a) vtd_qi_a = (a); (a) = (b); (b) = vtd_qi_a; })
#define abs(n) ((n) < 0 ? -(n) : (n))
#define clamp(n, low, high) min(max(n, low), high)
#define clamp_t(type, n, low, high) min_t(type, max_t(type, n, low), high)
#define min3(a, b, c) min(min(a, b), c)
#define umin(a, b) min((u64)(a), (u64)(b))
#define umax(a, b) max((u64)(a), (u64)(b))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define ALIGN(n, a) (((n) + (a) - 1) & ~((__typeof__(n))(a) - 1))
#define IS_ALIGNED(n, a) (!((n) & ((__typeof__(n))(a) - 1)))
#define is_power_of_2(n) ((n) && !((n) & ((n) - 1)))
#define ilog2(n) (63 - __builtin_clzll(n))
#define fls(n) ((n) ? 32 - __builtin_clz(n) : 0)
#define ffs(n) __builtin_ffs(n)
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define sizeof_field(type, member) sizeof(((type *)0)->member)
#define array_index_nospec(index, size) (index)
#define test_bit(n, p) ((int)(((p)[(n) / 64] >> ((n) % 64)) & 1))
#define set_bit(n, p) ((void)((p)[(n) / 64] |= 1UL << ((n) % 64)))
#define clear_bit(n, p) ((void)((p)[(n) / 64] &= ~(1UL << ((n) % 64))))
#define __set_bit(n, p) set_bit(n, p)
#define __clear_bit(n, p) clear_bit(n, p)

