/* Which kernels can run here: asked of the processor and of the operating system (which must save the wide registers). */
#include "tile.h"

#include <string.h>

#ifdef TILE_X86
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

static int add_x86(const struct tile_kernel **kernels) {
    enum { EAX, EBX, ECX, EDX };
    uint32_t zero[4], one[4], seven[4] = {0};
    cpuid(0, zero);
    cpuid(1, one);
    if (zero[EAX] >= 7)
        cpuid(7, seven);
    const uint64_t saved = has(one[ECX], 27) ? xgetbv() : 0; /* OSXSAVE */
    const int avx2 = (saved & 0x6) == 0x6 && has(one[ECX], 12) && has(one[ECX], 28) && has(one[ECX], 29) /* FMA AVX F16C */
                     && has(seven[EBX], 5);
    const int avx512 = avx2 && (saved & 0xE6) == 0xE6 && has(seven[EBX], 16) && has(seven[EBX], 17) /* F DQ */
                       && has(seven[EBX], 30) && has(seven[EBX], 31) && has(seven[ECX], 11);        /* BW VL VNNI */
    int count = 0;
    if (avx512)
        kernels[count++] = &tile_avx512;
    if (avx2)
        kernels[count++] = &tile_avx2;
    return count;
}
#endif

int tile_available(const struct tile_kernel *kernels[TILE_KERNELS]) {
    int count = 0;
#if defined(TILE_X86)
    count = add_x86(kernels);
#elif defined(TILE_ARM)
    kernels[count++] = &tile_neon;
#endif
    kernels[count++] = &tile_serial;
    return count;
}

const struct tile_kernel *tile_named(const char *name) {
    const struct tile_kernel *kernels[TILE_KERNELS];
    const int count = tile_available(kernels);
    for (int i = 0; i < count; i++)
        if (name[0] == '\0' || strcmp(name, kernels[i]->name) == 0)
            return kernels[i];
    return NULL;
}
