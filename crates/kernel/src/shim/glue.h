/*
 * Behind the cut text: what the program that runs it has to know of its structures, and the way in.
 * Written for this project; nothing here is taken from a kernel.
 */

_Static_assert((QI_LENGTH) > 0 && (QI_LENGTH) < 65536, "QI_LENGTH is no number of slots");
const unsigned int vtd_qi_length = QI_LENGTH;

/* What the program that runs the cut text takes for granted of structures that it reads and writes. */
#define VTD_QI_IS(type, object) __builtin_types_compatible_p(__typeof__(object), type)
_Static_assert(VTD_QI_IS(int, ((struct q_inval *)0)->free_head), "free_head of struct q_inval is no int");
_Static_assert(VTD_QI_IS(int, ((struct q_inval *)0)->free_tail), "free_tail of struct q_inval is no int");
_Static_assert(VTD_QI_IS(int, ((struct q_inval *)0)->free_cnt), "free_cnt of struct q_inval is no int");
_Static_assert(VTD_QI_IS(int, *((struct q_inval *)0)->desc_status), "desc_status of struct q_inval does not point to int");
_Static_assert(VTD_QI_IS(raw_spinlock_t, ((struct q_inval *)0)->q_lock), "q_lock of struct q_inval is no raw_spinlock_t");
_Static_assert(sizeof(((struct q_inval *)0)->desc) == sizeof(void *), "desc of struct q_inval is no pointer");
_Static_assert(sizeof(((struct intel_iommu *)0)->reg) == sizeof(void *), "reg of struct intel_iommu is no pointer");
_Static_assert(VTD_QI_IS(struct q_inval *, ((struct intel_iommu *)0)->qi), "qi of struct intel_iommu is no struct q_inval *");
_Static_assert(VTD_QI_IS(u64, ((struct intel_iommu *)0)->ecap), "ecap of struct intel_iommu is no u64");
_Static_assert(sizeof(struct qi_desc) == 32, "struct qi_desc does not have 32 bytes");
_Static_assert(sizeof(struct q_inval) <= 65536, "struct q_inval has more than 65536 bytes");
_Static_assert(sizeof(struct intel_iommu) <= 65536, "what is used of struct intel_iommu has more than 65536 bytes");

/* Sizes and places, in the order of Layout in program.rs. */
const size_t vtd_qi_layout[] = {
	sizeof(struct intel_iommu),
	sizeof(struct q_inval),
	offsetof(struct q_inval, q_lock),
	offsetof(struct q_inval, free_head),
	offsetof(struct q_inval, free_tail),
	offsetof(struct q_inval, free_cnt),
};

/* Registers as the tree numbers them, in the order of Register in access.rs. */
const u32 vtd_qi_registers[] = { DMAR_IQH_REG, DMAR_IQT_REG, DMAR_FSTS_REG, VTD_QI_IQER };

void vtd_qi_cell(unsigned int number, u64 value);

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

/* The tree's function, with what it takes beside iommu, desc, count and options: zeros, and cells of its own for pointers. */
int vtd_qi_submit(struct intel_iommu *iommu, void *desc, unsigned int count, unsigned long options)
{
	u64 cells[VTD_QI_CELLS + 1][64] = { { 0 } };
	int rc = VTD_QI_CALL;

	for (unsigned int i = 0; i < VTD_QI_CELLS; i++)
		if (cells[i][0])
			vtd_qi_cell(i, cells[i][0]);
	return rc;
}
