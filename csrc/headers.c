/* JPEG: ITU-T T.81 annex B; its EXIF: CIPA DC-008, TIFF 6.0. PNG: ISO/IEC 15948. Damage, and what is rare, is HEADER_OTHER: the
 * caller has a full decoder for that. */
#include "headers.h"

#include <string.h>

struct bytes {
    const uint8_t *at;
    size_t size;
};

static uint32_t big16(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }
static uint32_t big32(const uint8_t *at) { return big16(at) << 16 | big16(at + 2); }
static uint32_t little16(const uint8_t *at) { return (uint32_t)at[1] << 8 | at[0]; }
static uint32_t little32(const uint8_t *at) { return little16(at + 2) << 16 | little16(at); }

static int begins_with(struct bytes bytes, const char *text, size_t size) {
    return bytes.size >= size && memcmp(bytes.at, text, size) == 0;
}

static int contains(struct bytes bytes, const char *text, size_t size) {
    for (size_t i = 0; i + size <= bytes.size; i++)
        if (bytes.at[i] == (uint8_t)text[0] && memcmp(bytes.at + i, text, size) == 0)
            return 1;
    return 0;
}

/* Return the orientation in a TIFF structure; 1 if it has none, 0 if it is damaged or unusual. */
static int32_t tiff_orientation(struct bytes tiff) {
    const int little = begins_with(tiff, "II*\0", 4);
    if (tiff.size < 8 || (!little && !begins_with(tiff, "MM\0*", 4)))
        return 0;
    const size_t first = little ? little32(tiff.at + 4) : big32(tiff.at + 4);
    if (first > tiff.size - 2 || tiff.size < 2)
        return 0;
    const size_t count = little ? little16(tiff.at + first) : big16(tiff.at + first);
    if (first + 2 + 12 * count > tiff.size)
        return 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *entry = tiff.at + first + 2 + 12 * i;
        const uint32_t tag = little ? little16(entry) : big16(entry), type = little ? little16(entry + 2) : big16(entry + 2);
        if (tag != 0x0112)
            continue;
        const uint32_t values = little ? little32(entry + 4) : big32(entry + 4);
        const uint32_t value = little ? little16(entry + 8) : big16(entry + 8);
        return type == 3 && values == 1 && value >= 1 && value <= 8 ? (int32_t)value : 0;
    }
    return 1;
}

/* Parse one APP1 segment. Returns 0 if a full decoder is needed: damaged EXIF, a second one, an orientation in XMP. */
static int add_app1(struct header *header, struct bytes body, int *has_exif) {
    if (begins_with(body, "Exif\0\0", 6)) {
        header->orientation = *has_exif ? 0 : tiff_orientation((struct bytes){body.at + 6, body.size - 6});
        *has_exif = 1;
        return header->orientation != 0;
    }
    return !contains(body, "tiff:Orientation", 16);
}

static int is_frame(uint8_t marker) {
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

static int ends(struct bytes file) {
    const size_t tail = file.size < HEADER_TAIL ? file.size : HEADER_TAIL;
    return contains((struct bytes){file.at + file.size - tail, tail}, "\xff\xd9", 2);
}

static struct header scan_jpeg(struct bytes file) {
    const struct header other = {HEADER_OTHER, 0, 0, 0, 0, 1, 0};
    struct header header = other;
    int has_exif = 0;
    for (size_t at = 2; at + 4 <= file.size;) {
        const uint8_t marker = file.at[at + 1];
        if (file.at[at] != 0xff)
            return other;
        if (marker == 0xff) { /* a fill byte */
            at++;
            continue;
        }
        const size_t size = big16(file.at + at + 2);
        if (size < 2 || size > file.size - at - 2)
            return other;
        const struct bytes body = {file.at + at + 4, size - 2};
        if (marker == 0xda) { /* the scan begins */
            header.flags |= ends(file) ? HEADER_ENDS : 0;
            return header.kind == HEADER_JPEG && header.width > 0 && header.height > 0 ? header : other;
        }
        if (marker == 0xe1 && !add_app1(&header, body, &has_exif))
            return other;
        if (is_frame(marker)) {
            if (marker > 0xc2 || body.size < 6 || header.kind == HEADER_JPEG) /* lossless, hierarchical, arithmetic */
                return other;
            header.kind = HEADER_JPEG, header.bits = body.at[0], header.channels = body.at[5];
            header.height = (int32_t)big16(body.at + 1), header.width = (int32_t)big16(body.at + 3);
            header.flags |= marker == 0xc2 ? HEADER_PROGRESSIVE : 0;
        } else if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd9)) {
            return other; /* none that may precede a scan */
        }
        at += 2 + size;
    }
    return other;
}

static struct header scan_png(struct bytes file) {
    static const int32_t channels[7] = {1, 0, 3, 1, 2, 0, 4}; /* by colour type */
    const struct header other = {HEADER_OTHER, 0, 0, 0, 0, 1, 0};
    if (file.size < 33 || big32(file.at + 8) != 13 || memcmp(file.at + 12, "IHDR", 4) != 0)
        return other;
    const uint32_t width = big32(file.at + 16), height = big32(file.at + 20);
    const uint8_t bits = file.at[24], colour = file.at[25];
    if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX || colour > 6 || channels[colour] == 0)
        return other;
    struct header header = {HEADER_PNG, (int32_t)width, (int32_t)height, channels[colour], bits, 1, 0};
    header.flags = (file.at[28] ? HEADER_PROGRESSIVE : 0) | (colour >= 4 ? HEADER_ALPHA : 0);
    for (size_t at = 33; at + 12 <= file.size;) {
        const struct bytes type = {file.at + at + 4, 4};
        const size_t size = big32(file.at + at);
        if (begins_with(type, "IDAT", 4)) {
            const size_t tail = file.size < HEADER_TAIL ? file.size : HEADER_TAIL;
            const struct bytes end = {file.at + file.size - tail, tail};
            header.flags |= contains(end, "IEND", 4) ? HEADER_ENDS : 0;
            return header;
        }
        if (size > file.size - at - 12 || begins_with(type, "eXIf", 4))
            return other;
        header.flags |= begins_with(type, "tRNS", 4) ? HEADER_ALPHA : begins_with(type, "acTL", 4) ? HEADER_ANIMATED : 0;
        at += 12 + size;
    }
    return other;
}

struct header header_scan(const uint8_t *data, size_t size) {
    const struct bytes file = {data, size};
    if (begins_with(file, "\xff\xd8\xff", 3))
        return scan_jpeg(file);
    if (begins_with(file, "\x89PNG\r\n\x1a\n", 8))
        return scan_png(file);
    return (struct header){HEADER_OTHER, 0, 0, 0, 0, 1, 0};
}
