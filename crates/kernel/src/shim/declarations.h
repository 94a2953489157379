/*
 * What a dmar.c takes from its headers, for one that comes without them. Written for this project from the VT-d specification
 * (registers: chapter 11.4; descriptors: 6.5.2) and from what the functions name; nothing here is taken from a kernel.
 */
#define QI_LENGTH 256

/* Registers: their places, and the bits of FSTS. */
#define DMAR_FSTS_REG 0x34
#define DMAR_IQH_REG 0x80
#define DMAR_IQT_REG 0x88
#define DMAR_IQER_REG 0xb0
#define DMA_FSTS_IQE BIT(4)
#define DMA_FSTS_ICE BIT(5)
#define DMA_FSTS_ITE BIT(6)
#define DMAR_IQER_REG_IQEI(word) FIELD_GET(GENMASK_ULL(3, 0), word)
#define DMAR_IQER_REG_ITESID(word) FIELD_GET(GENMASK_ULL(47, 32), word)
#define DMAR_IQER_REG_ICESID(word) FIELD_GET(GENMASK_ULL(63, 48), word)
#define dmar_readl(place) readl(place)
#define dmar_readq(place) readq(place)
#define dmar_writel(place, value) writel(value, place)
#define dmar_writeq(place, value) writeq(value, place)
#define ecap_smts(word) ((unsigned int)((word) >> 43) & 1)

/* Descriptors. */
#define DMAR_IQ_SHIFT 4
#define qi_shift(iommu) (DMAR_IQ_SHIFT + ecap_smts((iommu)->ecap))
#define QI_CC_TYPE 1
#define QI_IOTLB_TYPE 2
#define QI_DIOTLB_TYPE 3
#define QI_IEC_TYPE 4
#define QI_IWD_TYPE 5
#define QI_EIOTLB_TYPE 6
#define QI_PC_TYPE 7
#define QI_DEIOTLB_TYPE 8
#define QI_PGRP_RESP_TYPE 9
#define QI_PSTRM_RESP_TYPE 10
#define QI_IWD_STATUS_DATA(value) ((u64)(value) << 32)
#define QI_IWD_STATUS_WRITE BIT_ULL(5)
#define QI_IWD_FENCE BIT_ULL(6)
#define QI_IWD_PRQ_DRAIN BIT_ULL(7)
#define QI_OPT_WAIT_DRAIN BIT(0)

enum { QI_FREE, QI_IN_USE, QI_DONE, QI_ABORT };

enum latency_type { DMAR_LATENCY_INV_IOTLB, DMAR_LATENCY_INV_DEVTLB, DMAR_LATENCY_INV_IEC, DMAR_LATENCY_PRQ };

struct qi_desc {
	u64 qw0, qw1, qw2, qw3;
};

struct q_inval {
	raw_spinlock_t q_lock;
	void *desc;
	int *desc_status;
	int free_head, free_tail, free_cnt;
};

struct intel_iommu {
	void *reg;
	u64 reg_phys, reg_size, cap, ecap;
	raw_spinlock_t register_lock;
	int seq_id, agaw, msagaw;
	u16 segment;
	unsigned char name[16];
	struct q_inval *qi;
};
