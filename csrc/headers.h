/* Read the headers of encoded images, within the given bytes. */
#ifndef FASTSIM_HEADERS_H
#define FASTSIM_HEADERS_H

#include <stddef.h>
#include <stdint.h>

enum header_kind {
    HEADER_OTHER = 0, /* neither JPEG nor PNG, damaged, or with something that this parser leaves to a full decoder */
    HEADER_JPEG = 1,
    HEADER_PNG = 2
};

enum header_flag {
    HEADER_PROGRESSIVE = 1, /* or interlaced */
    HEADER_ENDS = 2,        /* the end marker is within the last HEADER_TAIL bytes; some cameras write something behind it */
    HEADER_ALPHA = 4,
    HEADER_ANIMATED = 8
};

enum { HEADER_TAIL = 4096 };

/* width, height: as stored, before `orientation` (EXIF, 1 to 8) is applied. channels: colour components, 1 for a palette.
 * bits: a component. Seven numbers, so that an array of them is int32[n, 7]. */
struct header {
    int32_t kind, width, height, channels, bits, orientation, flags;
};

struct header header_scan(const uint8_t *data, size_t size);

#endif
