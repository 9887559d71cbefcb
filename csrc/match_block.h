/* Blocks of right descriptors as the vector kernels read them. MATCH_LANES is defined before this is included: the 64-bit lanes of
 * a vector, one descriptor in each. */
#ifndef FASTSIM_MATCH_BLOCK_H
#define FASTSIM_MATCH_BLOCK_H

#include "match.h"
#include <string.h>

enum { LANES = MATCH_LANES, GROUPS = 512 / MATCH_LANES, BLOCK = LANES * GROUPS, WORDS = MATCH_BYTES / 8 };

/* Store `count` right descriptors as word[group][word][lane]; lanes past the end are zero. Returns the number of groups. */
static inline size_t transpose(const uint8_t *right, size_t count, uint64_t word[GROUPS][WORDS][LANES]) {
    const size_t groups = (count + LANES - 1) / LANES;
    if (count % LANES)
        memset(word[groups - 1], 0, sizeof word[0]);
    for (size_t j = 0; j < count; j++)
        for (size_t w = 0; w < WORDS; w++)
            memcpy(&word[j / LANES][w][j % LANES], right + j * MATCH_BYTES + 8 * w, 8);
    return groups;
}

#endif
