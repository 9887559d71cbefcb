#include "cpu_features.h"

#include <stdint.h>

#if defined(__x86_64__) || defined(_M_X64)
#ifdef _MSC_VER
#include <intrin.h>

static void cpuid(uint32_t leaf, uint32_t out[4]) {
    int regs[4];
    __cpuidex(regs, (int)leaf, 0);
    for (int i = 0; i < 4; i++)
        out[i] = (uint32_t)regs[i];
}

static uint64_t xgetbv(void) { return _xgetbv(0); }
#else
#include <cpuid.h>

static void cpuid(uint32_t leaf, uint32_t out[4]) { __cpuid_count(leaf, 0, out[0], out[1], out[2], out[3]); }

static uint64_t xgetbv(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}
#endif

static int has(uint32_t word, int bit) { return (int)(word >> bit & 1u); }

struct cpu_features cpu_features(void) {
    enum { EAX, EBX, ECX, EDX };
    uint32_t zero[4], one[4], seven[4] = {0};
    cpuid(0, zero);
    cpuid(1, one);
    if (zero[EAX] >= 7)
        cpuid(7, seven);
    const uint64_t saved = has(one[ECX], 27) ? xgetbv() : 0;                                             /* OSXSAVE */
    const int avx2 = (saved & 0x6) == 0x6 && has(one[ECX], 12) && has(one[ECX], 28) && has(one[ECX], 29) /* FMA AVX F16C */
                     && has(seven[EBX], 5);
    const int avx512 = avx2 && (saved & 0xE6) == 0xE6 && has(seven[EBX], 16) && has(seven[EBX], 17) /* F DQ */
                       && has(seven[EBX], 30) && has(seven[EBX], 31) && has(seven[ECX], 11);        /* BW VL VNNI */
    return (struct cpu_features){.avx2 = avx2, .avx512 = avx512, .vpopcntdq = avx512 && has(seven[ECX], 14)};
}
#else
struct cpu_features cpu_features(void) { return (struct cpu_features){0, 0, 0}; }
#endif
