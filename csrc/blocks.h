/* Measure how far two aligned images agree, block by block. */
#ifndef FASTSIM_BLOCKS_H
#define FASTSIM_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

/* correlation: the highest ZNCC of the left block with the right one, moved by up to `reach` pixels each way (the first of equal
 * ones in the order of distance); 0 if either is uniform. spread_left, spread_right: standard deviation of the values, the right
 * one at that place; mean_left, mean_right: their averages. dx, dy: the move. seen: whether the whole block is inside both
 * images; if not, all else is 0. */
struct block_agreement {
    float correlation, spread_left, spread_right, mean_left, mean_right;
    int16_t dx, dy;
    int32_t seen;
};

enum { BLOCKS_MOST = 64, BLOCKS_REACH = 8 };

/* Compare grey images of width x height pixels in blocks of `side` <= BLOCKS_MOST pixels; what is left at the right and lower
 * edge is not compared. inside: 255 where the right image has content, else 0. out: (height / side) x (width / side).
 * Sums are exact integers. */
void blocks_compare(const uint8_t *left, const uint8_t *right, const uint8_t *inside, size_t width, size_t height, size_t side,
                    size_t reach, struct block_agreement *out);

#endif
