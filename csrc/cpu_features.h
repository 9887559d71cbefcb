/* Detect what the processor offers and the operating system allows (it must save the wide registers). */
#ifndef FASTSIM_CPU_FEATURES_H
#define FASTSIM_CPU_FEATURES_H

struct cpu_features {
    int avx2;      /* AVX2, FMA, F16C */
    int avx512;    /* AVX-512 F, BW, VL, DQ, VNNI, and all of avx2 */
    int vpopcntdq; /* AVX-512 VPOPCNTDQ, and all of avx512 */
};

/* All zero on processors other than x86-64. */
struct cpu_features cpu_features(void);

#endif
