/* Align images by their local features: match descriptors, then find the transform that most matches agree on. */
#ifndef FASTSIM_ALIGN_H
#define FASTSIM_ALIGN_H

#include "match.h"
#include "transform.h"

/* The features of several images one after the other: those of image i are start[i] to start[i + 1] - 1. */
struct features {
    const uint8_t *descriptor; /* MATCH_BYTES each */
    const struct keypoint *keypoint;
    const int64_t *start;
};

struct alignment {
    double matrix[6];         /* a, b, tx, c, d, ty: left points to right ones */
    int32_t matches, inliers; /* pairs of features that match; those that the transform explains */
};

/* A match counts where it is nearer than `ratio` times the second nearest, and the nearest of all that chose its right
 * feature. Returns 0 if memory is short. */
int align(const struct match_kernel *kernel, const struct features *features, size_t left, size_t right, float ratio,
          double tolerance, struct alignment *out);

#endif
