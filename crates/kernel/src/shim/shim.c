/*
 * The call-backs that the compiler puts before each memory access (-fsanitize=thread), and the functions behind shim.h.
 * Not itself compiled with -fsanitize. Written for this project; nothing here is taken from a kernel.
 *
 * Everything that the driver shares with hardware or with other submitters lies in one arena. An access to it is handed on, if
 * it is of a kind that is asked for; anything else (the stack) costs a comparison.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of Kind in access.rs. */
enum kind { READ, WRITE, COPY, LOCK, UNLOCK, RELAX, READ_REG, WRITE_REG, OUTSIDE, RUNAWAY, CLOCK, CELL };

struct piece {
	uintptr_t at;
	uintptr_t bytes;
};

/* Set by the program that runs the cut functions. Places are relative to the arena. */
uintptr_t vtd_qi_arena;
uintptr_t vtd_qi_arena_bytes;
struct piece vtd_qi_status, vtd_qi_descs, vtd_qi_private, vtd_qi_queue, vtd_qi_unit;
/* Which accesses stop: 1 statuses and descriptors, 2 private fields. */
unsigned int vtd_qi_mask;
/* How many accesses may follow before the lock is next taken or dropped. */
unsigned int vtd_qi_budget;
unsigned int vtd_qi_budget_full;
/* How many accesses did not stop that would have with every bit of the mask. */
uint64_t vtd_qi_passed;
const void *vtd_qi_q_lock;
void *vtd_qi_reg;
void *vtd_qi_context;
uint64_t (*vtd_qi_stop)(void *context, uint32_t kind, uint32_t bytes, uint64_t at, uint64_t value);
uint32_t (*vtd_qi_device_state)(void *context, uint32_t rid);

static unsigned int logging;

static uint64_t stop(enum kind kind, uint32_t bytes, uint64_t at, uint64_t value)
{
	unsigned int saved = logging;
	uint64_t answer;

	logging = 0;
	answer = vtd_qi_stop(vtd_qi_context, kind, bytes, at, value);
	logging = saved;
	return answer;
}

static int inside(const struct piece *piece, uintptr_t at, uintptr_t bytes)
{
	return at - piece->at < piece->bytes && bytes <= piece->bytes - (at - piece->at);
}

/* What a log line reads is no access of the driver. */
static void step(unsigned int bit, enum kind kind, uint32_t bytes, uintptr_t at)
{
	if (logging && kind == READ)
		return;
	if (vtd_qi_mask & bit)
		stop(kind, bytes, at, 0);
	else
		vtd_qi_passed++;
}

static __attribute__((noinline)) void arena_access(uintptr_t at, uint32_t bytes, enum kind kind)
{
	if (!--vtd_qi_budget) {
		vtd_qi_budget = vtd_qi_budget_full;
		stop(RUNAWAY, bytes, at, 0);
	}
	if (inside(&vtd_qi_status, at, bytes) || inside(&vtd_qi_descs, at, bytes))
		step(1, kind, bytes, at);
	else if (inside(&vtd_qi_private, at, bytes))
		step(2, kind, bytes, at);
	else if (!inside(&vtd_qi_queue, at, bytes) && !inside(&vtd_qi_unit, at, bytes))
		stop(OUTSIDE, bytes, at, kind);
}

static inline __attribute__((always_inline)) void access(const void *p, uint32_t bytes, enum kind kind)
{
	uintptr_t at = (uintptr_t)p - vtd_qi_arena;

	if (__builtin_expect(at < vtd_qi_arena_bytes, 0))
		arena_access(at, bytes, kind);
}

#define ACCESS(n) \
	void __tsan_read##n(void *p) { access(p, n, READ); } \
	void __tsan_write##n(void *p) { access(p, n, WRITE); } \
	void __tsan_unaligned_read##n(void *p) { access(p, n, READ); } \
	void __tsan_unaligned_write##n(void *p) { access(p, n, WRITE); } \
	void __tsan_volatile_read##n(void *p) { access(p, n, READ); } \
	void __tsan_volatile_write##n(void *p) { access(p, n, WRITE); } \
	void __tsan_unaligned_volatile_read##n(void *p) { access(p, n, READ); } \
	void __tsan_unaligned_volatile_write##n(void *p) { access(p, n, WRITE); } \
	void __tsan_read_write##n(void *p) { access(p, n, READ); access(p, n, WRITE); } \
	void __tsan_unaligned_read_write##n(void *p) { access(p, n, READ); access(p, n, WRITE); }

ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void __tsan_init(void) {}
void __tsan_func_entry(void *p) { (void)p; }
void __tsan_func_exit(void) {}
void __tsan_vptr_update(void **p, void *q) { (void)p; (void)q; }
void __tsan_read_range(void *p, unsigned long bytes) { access(p, (uint32_t)bytes, READ); }
void __tsan_write_range(void *p, unsigned long bytes) { access(p, (uint32_t)bytes, WRITE); }

/* A copy is one access. Reading from the arena is no step of its own: the value counts when the copy is made. */
void *vtd_qi_memcpy(void *to, const void *from, unsigned long bytes)
{
	uintptr_t at = (uintptr_t)to - vtd_qi_arena;
	uintptr_t source = (uintptr_t)from - vtd_qi_arena;

	if (source < vtd_qi_arena_bytes && !inside(&vtd_qi_descs, source, bytes) && !inside(&vtd_qi_status, source, bytes))
		arena_access(source, (uint32_t)bytes, READ);
	if (at < vtd_qi_arena_bytes)
		arena_access(at, (uint32_t)bytes, COPY);
	else if (source < vtd_qi_arena_bytes)
		arena_access(source, (uint32_t)bytes, READ);
	for (unsigned long i = 0; i < bytes; i++)
		((volatile char *)to)[i] = ((const volatile char *)from)[i];
	return to;
}

void *vtd_qi_memset(void *to, int byte, unsigned long bytes)
{
	access(to, (uint32_t)bytes, COPY);
	for (unsigned long i = 0; i < bytes; i++)
		((volatile char *)to)[i] = (char)byte;
	return to;
}

void *__tsan_memcpy(void *to, const void *from, unsigned long bytes) { return vtd_qi_memcpy(to, from, bytes); }
void *__tsan_memmove(void *to, const void *from, unsigned long bytes) { return vtd_qi_memcpy(to, from, bytes); }
void *__tsan_memset(void *to, int byte, unsigned long bytes) { return vtd_qi_memset(to, byte, bytes); }

static uint64_t reg_of(const volatile void *reg)
{
	return (uintptr_t)reg - (uintptr_t)vtd_qi_reg;
}

static uint64_t read_reg(const volatile void *reg, uint32_t bytes)
{
	if (logging)
		return 0;
	return stop(READ_REG, bytes, reg_of(reg), 0);
}

uint32_t vtd_qi_readl(const volatile void *reg) { return (uint32_t)read_reg(reg, 4); }
uint64_t vtd_qi_readq(const volatile void *reg) { return read_reg(reg, 8); }
void vtd_qi_writel(uint32_t value, volatile void *reg) { stop(WRITE_REG, 4, reg_of(reg), value); }
void vtd_qi_writeq(uint64_t value, volatile void *reg) { stop(WRITE_REG, 8, reg_of(reg), value); }

void vtd_qi_lock(void *lock)
{
	if (lock != vtd_qi_q_lock)
		return;
	stop(LOCK, 0, 0, 0);
	vtd_qi_budget = vtd_qi_budget_full;
}

void vtd_qi_unlock(void *lock)
{
	if (lock != vtd_qi_q_lock)
		return;
	vtd_qi_budget = vtd_qi_budget_full;
	stop(UNLOCK, 0, 0, 0);
}

void vtd_qi_relax(void)
{
	stop(RELAX, 0, 0, 0);
}

uint64_t vtd_qi_clock(void)
{
	return stop(CLOCK, 0, 0, 0);
}

/* What a call has left in a cell that it was given beside what it takes since 5.8. */
void vtd_qi_cell(unsigned int number, uint64_t value)
{
	stop(CELL, number, 0, value);
}

int vtd_qi_log(const char *format, ...)
{
	(void)format;
	return 0;
}

void vtd_qi_log_enter(void) { logging++; }
void vtd_qi_log_leave(void) { logging--; }

static struct { uint16_t rid; } devices[4];

/* 0: no such device; 1: gone; 2: present. */
void *vtd_qi_device(uint16_t rid)
{
	if (!vtd_qi_device_state(vtd_qi_context, rid))
		return NULL;
	devices[rid >> 8 & 3].rid = rid;
	return &devices[rid >> 8 & 3];
}

int vtd_qi_is_present(uint16_t rid)
{
	return vtd_qi_device_state(vtd_qi_context, rid) == 2;
}
