/* Choose keepers: the members of a component that cover the others. Members are row numbers in keep order. */
#ifndef FASTSIM_KEEPERS_H
#define FASTSIM_KEEPERS_H

#include "rows.h"

/* For each member i < m with by[i] < 0: by[i] = the first of the k keepers that it is similar to, and its score to it; by[i]
 * stays -1 if there is none. Disjoint ranges of members may be covered at the same time. */
void keepers_cover(const struct rows *rows, float thres, const int64_t *keeper, size_t k, const int64_t *member, size_t m,
                   int64_t *by, float *score);

/* Visit the members with by[i] < 0 in order: one that no keeper of this call covers becomes a keeper (by[i] is itself,
 * score 1). Each keeper goes to `keeper`, in order. Returns how many there are. O(m * keepers) scores. */
size_t keepers_choose(const struct rows *rows, float thres, const int64_t *member, size_t m, int64_t *by, float *score,
                      int64_t *keeper);

#endif
