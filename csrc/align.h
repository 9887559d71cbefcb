/* Align images by their local features: match descriptors, then find the transform that most matches agree on. */
#ifndef FASTSIM_ALIGN_H
#define FASTSIM_ALIGN_H

#include "match.h"
#include "transform.h"

/* The features of several images one after the other: those of image i are start[i] to start[i + 1] - 1. */
struct features {
    const uint8_t *descriptor; /* MATCH_BYTES each; bits 2 i and 2 i + 1 change places in the mirror image */
    const struct keypoint *keypoint;
    const int64_t *start;
    const int32_t *width; /* of each image in pixels; NULL: mirror images are not tried */
};

struct alignment {
    double matrix[6];         /* a, b, tx, c, d, ty: left points to right ones */
    int32_t matches, inliers; /* pairs of features that match; those that the transform explains */
    int32_t mirrored, unused; /* whether the left image was mirrored (left and right exchanged) first */
};

/* A match counts where it is nearer than `ratio` times the second nearest, and the nearest of all that chose its right
 * feature. tolerance: pixels that an inlier may be off. With step > 1, one in `step` left features is looked at first, and the
 * pair is given up (all zero) where not even ALIGN_QUICK of them agree. The mirror image is tried where the image itself
 * has few inliers, and taken if it has more. */
struct align_rule {
    float ratio;
    double tolerance;
    size_t step;
};

enum { ALIGN_QUICK = 3 };

/* Returns 0 if memory is short. */
int align(const struct match_kernel *kernel, const struct features *features, size_t left, size_t right,
          const struct align_rule *rule, struct alignment *out);

#endif
