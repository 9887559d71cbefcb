#include "align.h"

#include <stdlib.h>
#include <string.h>

struct scratch {
    struct match *match;     /* m */
    int32_t *chosen;         /* n: the left feature that a right one goes with, or -1 */
    struct pairing *pairing; /* m */
    uint8_t *inlier;         /* m */
};

static int take_scratch(struct scratch *scratch, size_t m, size_t n) {
    scratch->match = malloc(m * sizeof *scratch->match);
    scratch->chosen = malloc(n * sizeof *scratch->chosen);
    scratch->pairing = malloc(m * sizeof *scratch->pairing);
    scratch->inlier = malloc(m);
    return scratch->match && scratch->chosen && scratch->pairing && scratch->inlier;
}

static void free_scratch(struct scratch *scratch) {
    free(scratch->match), free(scratch->chosen), free(scratch->pairing), free(scratch->inlier);
}

/* Of the matches that pass the ratio test, the nearest one for each right feature (the first of equal ones). */
static void choose(const struct match *match, size_t m, float ratio, int32_t *chosen, size_t n) {
    for (size_t j = 0; j < n; j++)
        chosen[j] = -1;
    for (size_t i = 0; i < m; i++) {
        if (!((float)match[i].best < ratio * (float)match[i].second))
            continue;
        int32_t *at = &chosen[match[i].index];
        if (*at < 0 || match[i].best < match[*at].best)
            *at = (int32_t)i;
    }
}

int align(const struct match_kernel *kernel, const struct features *features, size_t left, size_t right, float ratio,
          double tolerance, struct alignment *out) {
    const size_t l0 = (size_t)features->start[left], r0 = (size_t)features->start[right];
    const size_t m = (size_t)features->start[left + 1] - l0, n = (size_t)features->start[right + 1] - r0;
    struct scratch scratch;
    struct transform t;
    memset(out, 0, sizeof *out);
    if (m == 0 || n == 0)
        return 1;
    const int enough = take_scratch(&scratch, m, n);
    if (enough) {
        size_t count = 0;
        kernel->match(features->descriptor + l0 * MATCH_BYTES, m, features->descriptor + r0 * MATCH_BYTES, n, scratch.match);
        choose(scratch.match, m, ratio, scratch.chosen, n);
        for (size_t j = 0; j < n; j++)
            if (scratch.chosen[j] >= 0)
                scratch.pairing[count++] =
                    (struct pairing){features->keypoint[l0 + (size_t)scratch.chosen[j]], features->keypoint[r0 + j]};
        out->matches = (int32_t)count;
        out->inliers = (int32_t)transform_find(scratch.pairing, count, tolerance, &t, scratch.inlier);
        const double matrix[6] = {t.a, t.b, t.tx, t.c, t.d, t.ty};
        memcpy(out->matrix, matrix, sizeof matrix);
    }
    free_scratch(&scratch);
    return enough;
}
