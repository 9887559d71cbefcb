/* Select the matchers that can run on this machine. */
#include "match.h"

#include <string.h>

#include "cpu_features.h"

int match_available(const struct match_kernel *kernels[MATCH_KERNELS]) {
    int count = 0;
#if defined(MATCH_X86)
    const struct cpu_features cpu = cpu_features();
    if (cpu.vpopcntdq)
        kernels[count++] = &match_avx512;
    if (cpu.avx2)
        kernels[count++] = &match_avx2;
#elif defined(MATCH_ARM)
    kernels[count++] = &match_neon;
#endif
    kernels[count++] = &match_serial;
    return count;
}

const struct match_kernel *match_named(const char *name) {
    const struct match_kernel *kernels[MATCH_KERNELS];
    const int count = match_available(kernels);
    for (int i = 0; i < count; i++)
        if (name[0] == '\0' || strcmp(name, kernels[i]->name) == 0)
            return kernels[i];
    return NULL;
}
