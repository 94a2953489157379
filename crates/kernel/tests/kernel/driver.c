/*
 * A driver for queued invalidation, written for the tests from the protocol as this project describes it; no kernel's text.
 * It keeps the rules of g5, so that the whole of the tool can be tried without a kernel tree. Each mutant is one replacement.
 */
#define QI_LENGTH 256
#define DMAR_IQH_REG 0x80
#define DMAR_IQT_REG 0x88
#define DMAR_FSTS_REG 0x34
#define DMAR_IQER_REG 0xb0

#define FAULT_IQE 0x10u
#define FAULT_ICE 0x20u
#define FAULT_ITE 0x40u
#define WAIT_WITH_STATUS 0x25ull

enum { QI_FREE, QI_IN_USE, QI_DONE, QI_ABORT };

struct qi_desc {
	u64 word[4];
};

struct q_inval {
	raw_spinlock_t q_lock;
	char *desc;
	int *desc_status;
	int free_head, free_tail, free_cnt;
};

struct intel_iommu {
	struct never_defined_anywhere first;
	char *reg;
	u64 ecap;
	struct q_inval *qi;
};

static int slot_shift(struct intel_iommu *iommu)
{
	return (iommu->ecap >> 43) & 1 ? 5 : 4;
}

static int after(int slot, int by)
{
	return (slot + by + QI_LENGTH) % QI_LENGTH;
}

static void reclaim_free_desc(struct q_inval *qi)
{
	for (;;) {
		int state = qi->desc_status[qi->free_tail];

		if (state != QI_FREE || qi->free_tail == qi->free_head)
			return;
		qi->free_tail = after(qi->free_tail, 1);
		qi->free_cnt += 1;
	}
}

static int abort_those_in_use(struct intel_iommu *iommu, int shift)
{
	int *state = iommu->qi->desc_status;
	int from = after((int)readl(iommu->reg + DMAR_IQH_REG) >> shift, -1);
	int to = after((int)readl(iommu->reg + DMAR_IQT_REG) >> shift, -1);
	u16 who = (u16)(readq(iommu->reg + DMAR_IQER_REG) >> 32);

	writel(FAULT_ITE, iommu->reg + DMAR_FSTS_REG);
	do {
		if (state[from] == QI_IN_USE)
			state[from] = QI_ABORT;
		from = after(from, -1);
	} while (from != to);
	if (who) {
		struct device *dev = device_rbtree_find(iommu, who);

		if (!dev || !pci_device_is_present(to_pci_dev(dev)))
			return -ETIMEDOUT;
	}
	return 0;
}

static int qi_check_fault(struct intel_iommu *iommu, int first, int last)
{
	struct q_inval *qi = iommu->qi;
	int shift = slot_shift(iommu), rc;
	u32 faults;

	if (qi->desc_status[last] == QI_ABORT)
		return -EAGAIN;
	faults = readl(iommu->reg + DMAR_FSTS_REG);
	if (faults & FAULT_IQE) {
		int at = (int)readl(iommu->reg + DMAR_IQH_REG) >> shift;

		if (at == first) {
			memcpy(qi->desc + (at << shift), qi->desc + (last << shift), 1 << shift);
			writel(FAULT_IQE, iommu->reg + DMAR_FSTS_REG);
			return -EINVAL;
		}
	}
	if (faults & FAULT_ITE) {
		rc = abort_those_in_use(iommu, shift);
		if (rc)
			return rc;
		if (qi->desc_status[last] == QI_ABORT)
			return -EAGAIN;
	}
	if (faults & FAULT_ICE)
		writel(FAULT_ICE, iommu->reg + DMAR_FSTS_REG);
	return 0;
}

int qi_submit_sync(struct intel_iommu *iommu, struct qi_desc *desc, unsigned int count, unsigned long options)
{
	struct q_inval *qi = iommu->qi;
	struct qi_desc wait = { { 0 } };
	int shift = slot_shift(iommu), first, last, rc, n;
	unsigned long flags;

	do {
		rc = 0;
		raw_spin_lock_irqsave(&qi->q_lock, flags);
		while (qi->free_cnt < (int)count + 2) {
			raw_spin_unlock_irqrestore(&qi->q_lock, flags);
			cpu_relax();
			raw_spin_lock_irqsave(&qi->q_lock, flags);
		}
		first = qi->free_head;
		last = after(first, count);
		for (n = 0; n < (int)count; n++) {
			memcpy(qi->desc + (after(first, n) << shift), &desc[n], 1 << shift);
			qi->desc_status[after(first, n)] = QI_IN_USE;
		}
		qi->desc_status[last] = QI_IN_USE;
		wait.word[0] = (u64)QI_DONE << 32 | WAIT_WITH_STATUS;
		wait.word[1] = virt_to_phys(&qi->desc_status[last]);
		memcpy(qi->desc + (last << shift), &wait, 1 << shift);
		qi->free_head = after(last, 1);
		qi->free_cnt -= count + 1;
		writel(qi->free_head << shift, iommu->reg + DMAR_IQT_REG);
		while (READ_ONCE(qi->desc_status[last]) != QI_DONE) {
			rc = qi_check_fault(iommu, first, last);
			if (rc)
				break;
			raw_spin_unlock(&qi->q_lock);
			cpu_relax();
			raw_spin_lock(&qi->q_lock);
		}
		for (n = 0; n <= (int)count; n++)
			qi->desc_status[after(first, n)] = QI_FREE;
		reclaim_free_desc(qi);
		raw_spin_unlock_irqrestore(&qi->q_lock, flags);
	} while (rc == -EAGAIN);
	return rc;
}
