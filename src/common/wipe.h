/*-------------------------------------------------------------------------
 *
 * wipe.h
 *		No key stays in the processor's vector registers.
 *
 * memcpy, AES and BLAKE2b go through them, and nothing overwrites them while a
 * process waits: a core dump, which contains the registers, would then hold a
 * key or a round key of the last value.  (test/t/014_core.pl found both.)
 * General registers hold 8 bytes and are overwritten all the time.
 *
 * On processors other than x86-64 this does nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_WIPE_H
#define LG_WIPE_H

#if defined(__x86_64__)
static inline void
lg_registers_wipe(void)
{
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroall":::"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
						 "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	else
		__asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm1, %%xmm1; pxor %%xmm2, %%xmm2; pxor %%xmm3, %%xmm3;"
						 "pxor %%xmm4, %%xmm4; pxor %%xmm5, %%xmm5; pxor %%xmm6, %%xmm6; pxor %%xmm7, %%xmm7;"
						 "pxor %%xmm8, %%xmm8; pxor %%xmm9, %%xmm9; pxor %%xmm10, %%xmm10; pxor %%xmm11, %%xmm11;"
						 "pxor %%xmm12, %%xmm12; pxor %%xmm13, %%xmm13; pxor %%xmm14, %%xmm14; pxor %%xmm15, %%xmm15"
						 :::"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
						 "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	/* The upper sixteen, which the C library's memcpy uses where there are any. */
	if (__builtin_cpu_supports("avx512vl"))
		__asm__ volatile("vpxorq %xmm16, %xmm16, %xmm16; vpxorq %xmm17, %xmm17, %xmm17;"
						 "vpxorq %xmm18, %xmm18, %xmm18; vpxorq %xmm19, %xmm19, %xmm19;"
						 "vpxorq %xmm20, %xmm20, %xmm20; vpxorq %xmm21, %xmm21, %xmm21;"
						 "vpxorq %xmm22, %xmm22, %xmm22; vpxorq %xmm23, %xmm23, %xmm23;"
						 "vpxorq %xmm24, %xmm24, %xmm24; vpxorq %xmm25, %xmm25, %xmm25;"
						 "vpxorq %xmm26, %xmm26, %xmm26; vpxorq %xmm27, %xmm27, %xmm27;"
						 "vpxorq %xmm28, %xmm28, %xmm28; vpxorq %xmm29, %xmm29, %xmm29;"
						 "vpxorq %xmm30, %xmm30, %xmm30; vpxorq %xmm31, %xmm31, %xmm31");
}
#else
static inline void
lg_registers_wipe(void)
{
}
#endif

#endif							/* LG_WIPE_H */
