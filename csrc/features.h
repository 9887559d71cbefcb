/* Local features of a grey image: blobs at several scales, each with an orientation and a binary descriptor. */
#ifndef FASTSIM_FEATURES_H
#define FASTSIM_FEATURES_H

#include <stddef.h>
#include <stdint.h>

enum { FEATURES_LEVELS = 6, FEATURES_TESTS = 256, FEATURES_TURNS = 32, FEATURES_REACH = 15, FEATURES_SIDE = 1023 };

/* Centre in pixels, orientation in degrees (from x towards y) and size in pixels, in steps of 1 / 64. Bit i of the
 * descriptor (of byte i / 8, the lowest first): whether the first point of test i is darker than the second. */
struct feature {
    uint16_t x, y, angle, size;
    uint8_t descriptor[FEATURES_TESTS / 8];
};

/* The points of a test as offsets from the centre, at most FEATURES_REACH each way. */
struct feature_test {
    int8_t ax, ay, bx, by;
};

/* Find up to `most` features of an image of width x height <= FEATURES_SIDE^2 pixels and write them to `out`.
 *
 * Levels of a pyramid (factor 4 / 5) are smoothed; features are the local maxima of the determinant of the Hessian, the strongest
 * ones of each level, and no more than a few of each sixteenth of the image while others are left. pattern: FEATURES_TURNS x
 * FEATURES_TESTS tests, one row for each orientation. Returns the number of features, SIZE_MAX if memory is short. Depends on
 * nothing but the arguments. */
size_t features_find(const uint8_t *grey, size_t width, size_t height, const struct feature_test *pattern, size_t most,
                     struct feature *out);

#endif
