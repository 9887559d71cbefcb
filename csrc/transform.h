/* Find the affine transform on which most matches of two images agree. */
#ifndef FASTSIM_TRANSFORM_H
#define FASTSIM_TRANSFORM_H

#include <stddef.h>
#include <stdint.h>

/* A keypoint: place in pixels, orientation in degrees (counted from x towards y), size in pixels. */
struct keypoint {
    float x, y, angle, size;
};

/* Two keypoints that match. */
struct pairing {
    struct keypoint left, right;
};

/* x' = a x + b y + tx, y' = c x + d y + ty takes left points to right ones. */
struct transform {
    double a, b, tx, c, d, ty;
};

/* Find the transform with the most inliers: pairings that it leaves at most `tolerance` pixels off. Starts from similarities
 * through two pairings (all of them, or a fixed sample where there are many) that agree with the keypoints' own orientation and
 * size; the best is then fitted to its inliers as an affine transform. Returns the number of inliers, 0 if there is none;
 * inlier[i] says which (room for n). Depends on nothing but the arguments. */
size_t transform_find(const struct pairing *pairing, size_t n, double tolerance, struct transform *found, uint8_t *inlier);

#endif
