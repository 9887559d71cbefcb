#include "align.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CERTAIN = 24, /* inliers, and */
    MOST_NUMERATOR = 2,
    MOST_PARTS = 5 /* share of the features, from which on the mirror image is not tried: symmetric images match both ways */
};

/* The features of one side of a pair. */
struct side {
    const uint8_t *descriptor;
    const struct keypoint *keypoint;
    size_t count;
};

struct scratch {
    struct match *match;       /* m */
    int32_t *chosen;           /* n: the left feature that a right one goes with, or -1 */
    struct pairing *pairing;   /* m */
    uint8_t *inlier;           /* m */
    uint8_t *descriptor;       /* m, of the mirror image or of a part of the features */
    struct keypoint *keypoint; /* m */
};

static int take_scratch(struct scratch *scratch, size_t m, size_t n) {
    scratch->match = malloc(m * sizeof *scratch->match);
    scratch->chosen = malloc(n * sizeof *scratch->chosen);
    scratch->pairing = malloc(m * sizeof *scratch->pairing);
    scratch->inlier = malloc(m);
    scratch->descriptor = malloc(m * MATCH_BYTES);
    scratch->keypoint = malloc(m * sizeof *scratch->keypoint);
    return scratch->match && scratch->chosen && scratch->pairing && scratch->inlier && scratch->descriptor && scratch->keypoint;
}

static void free_scratch(struct scratch *scratch) {
    free(scratch->match), free(scratch->chosen), free(scratch->pairing);
    free(scratch->inlier), free(scratch->descriptor), free(scratch->keypoint);
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

static struct keypoint mirrored_keypoint(struct keypoint point, int32_t width) {
    const float angle = fmodf(540.0f - point.angle, 360.0f);
    return (struct keypoint){(float)(width - 1) - point.x, point.y, angle, point.size};
}

/* One in `step` features of `from`; of its mirror image if width >= 0. */
static struct side part_of(const struct side *from, size_t step, int32_t width, struct scratch *scratch) {
    size_t count = 0;
    if (step == 1 && width < 0)
        return *from;
    for (size_t i = 0; i < from->count; i += step, count++) {
        const uint8_t *plain = from->descriptor + i * MATCH_BYTES;
        uint8_t *own = scratch->descriptor + count * MATCH_BYTES;
        for (size_t k = 0; k < MATCH_BYTES; k++)
            own[k] = width < 0 ? plain[k] : (uint8_t)((plain[k] & 0x55) << 1 | (plain[k] >> 1 & 0x55));
        scratch->keypoint[count] = width < 0 ? from->keypoint[i] : mirrored_keypoint(from->keypoint[i], width);
    }
    return (struct side){scratch->descriptor, scratch->keypoint, count};
}

static void align_sides(const struct match_kernel *kernel, const struct side *left, const struct side *right,
                        const struct align_rule *rule, struct scratch *scratch, struct alignment *out) {
    struct transform t;
    size_t count = 0;
    kernel->match(left->descriptor, left->count, right->descriptor, right->count, scratch->match);
    choose(scratch->match, left->count, rule->ratio, scratch->chosen, right->count);
    for (size_t j = 0; j < right->count; j++)
        if (scratch->chosen[j] >= 0)
            scratch->pairing[count++] = (struct pairing){left->keypoint[scratch->chosen[j]], right->keypoint[j]};
    memset(out, 0, sizeof *out);
    out->matches = (int32_t)count;
    out->inliers = (int32_t)transform_find(scratch->pairing, count, rule->tolerance, &t, scratch->inlier);
    const double matrix[6] = {t.a, t.b, t.tx, t.c, t.d, t.ty};
    memcpy(out->matrix, matrix, sizeof matrix);
}

/* width: of the left image if its mirror image is meant, else -1. */
static void align_way(const struct match_kernel *kernel, const struct side *left, const struct side *right, int32_t width,
                      const struct align_rule *rule, struct scratch *scratch, struct alignment *out) {
    if (rule->step > 1) {
        const struct side few = part_of(left, rule->step, width, scratch);
        align_sides(kernel, &few, right, rule, scratch, out);
        if (out->inliers < ALIGN_QUICK) {
            memset(out, 0, sizeof *out);
            return;
        }
    }
    const struct side all = part_of(left, 1, width, scratch);
    align_sides(kernel, &all, right, rule, scratch, out);
    out->mirrored = width >= 0;
}

int align(const struct match_kernel *kernel, const struct features *features, size_t left, size_t right,
          const struct align_rule *rule, struct alignment *out) {
    const size_t l0 = (size_t)features->start[left], r0 = (size_t)features->start[right];
    const struct side a = {features->descriptor + l0 * MATCH_BYTES, features->keypoint + l0,
                           (size_t)features->start[left + 1] - l0};
    const struct side b = {features->descriptor + r0 * MATCH_BYTES, features->keypoint + r0,
                           (size_t)features->start[right + 1] - r0};
    struct scratch scratch;
    memset(out, 0, sizeof *out);
    if (a.count == 0 || b.count == 0)
        return 1;
    const int enough = take_scratch(&scratch, a.count, b.count);
    if (enough) {
        const size_t least = a.count < b.count ? a.count : b.count;
        struct alignment other;
        align_way(kernel, &a, &b, -1, rule, &scratch, out);
        const size_t inliers = (size_t)out->inliers;
        if (features->width != NULL && (inliers < CERTAIN || inliers * MOST_PARTS < least * MOST_NUMERATOR)) {
            align_way(kernel, &a, &b, features->width[left], rule, &scratch, &other);
            if (other.inliers > out->inliers)
                *out = other;
        }
    }
    free_scratch(&scratch);
    return enough;
}
