/* Select the tile kernels that can run on this machine. */
#include "tile.h"

#include <string.h>

#include "cpu_features.h"

int tile_available(const struct tile_kernel *kernels[TILE_KERNELS]) {
    int count = 0;
#if defined(TILE_X86)
    const struct cpu_features cpu = cpu_features();
    if (cpu.avx512)
        kernels[count++] = &tile_avx512;
    if (cpu.avx2)
        kernels[count++] = &tile_avx2;
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
