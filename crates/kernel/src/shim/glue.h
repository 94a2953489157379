/*
 * Behind the cut text: what the program that runs it has to know of its structures, and the way in.
 * Written for this project; nothing here is taken from a kernel.
 */

const unsigned int vtd_qi_length = QI_LENGTH;

/* Sizes and places, in the order of Layout in machine.rs. */
const size_t vtd_qi_layout[] = {
	sizeof(struct intel_iommu),
	sizeof(struct q_inval),
	sizeof(struct qi_desc),
	sizeof(*((struct q_inval *)0)->desc_status),
	offsetof(struct q_inval, q_lock),
	offsetof(struct q_inval, free_head),
	offsetof(struct q_inval, free_tail),
	offsetof(struct q_inval, free_cnt),
	sizeof(((struct q_inval *)0)->free_head),
	sizeof(((struct q_inval *)0)->free_tail),
	sizeof(((struct q_inval *)0)->free_cnt),
};

/* Registers as the tree numbers them, in the order of Register in access.rs. */
const u32 vtd_qi_registers[] = { DMAR_IQH_REG, DMAR_IQT_REG, DMAR_FSTS_REG, VTD_QI_IQER };

void vtd_qi_attach(struct intel_iommu *iommu, struct q_inval *qi, void *desc, void *status, void *reg, u64 ecap)
{
	iommu->reg = reg;
	iommu->ecap = ecap;
	iommu->qi = qi;
	qi->desc = desc;
	qi->desc_status = status;
	qi->free_head = 0;
	qi->free_tail = 0;
	qi->free_cnt = QI_LENGTH;
}

int vtd_qi_submit(struct intel_iommu *iommu, void *desc, unsigned int count, unsigned long options)
{
	return qi_submit_sync(iommu, desc, count, options);
}
