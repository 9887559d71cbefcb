/* Connected components over int32[n]: parent[i] is the parent of i, or minus the size of its component where i is a root. */
#ifndef FASTSIM_UNION_FIND_H
#define FASTSIM_UNION_FIND_H

#include <stddef.h>
#include <stdint.h>

/* Return the root of i, halving the path on the way. */
int32_t union_find_root(int32_t *parent, int32_t i);

/* Join left[k] and right[k] for each k < count, all in 0..n-1 (n <= 2^31 - 1): union by size, ties to the smaller root.
 * Returns how many components that took away, or -1 at the first index out of range. */
int64_t union_find_join(int32_t *parent, int64_t n, const int64_t *left, const int64_t *right, size_t count);

/* label[k] = the root of start + k, for k < count. */
void union_find_labels(int32_t *parent, int64_t start, size_t count, int32_t *label);

#endif
