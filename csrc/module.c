/* fastsim._core: checks what Python hands over, releases the GIL, and calls the C beside it. fastsim/_core.pyi is its manual. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include "align.h"
#include "blocks.h"
#include "features.h"
#include "headers.h"
#include "keepers.h"
#include "nearest.h"
#include "scan.h"
#include "union_find.h"

typedef struct {
    PyObject_HEAD
    Py_buffer view; /* the caller's vectors, held for as long as the rows live */
    struct rows rows;
} Rows;

/* ---- Rows(vectors, isa="") ---- */

static int is_halves(const Py_buffer *view) {
    return view->ndim == 2 && view->itemsize == 2 && view->format != NULL && strcmp(view->format, "e") == 0;
}

static PyObject *Rows_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"vectors", "isa", NULL};
    PyObject *vectors;
    const char *isa = "";
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|s:Rows", names, &vectors, &isa))
        return NULL;
    const struct tile_kernel *kernel = tile_named(isa);
    if (kernel == NULL)
        return PyErr_Format(PyExc_ValueError, "isa: this machine has no \"%s\" kernel", isa);
    Rows *self = (Rows *)PyType_GenericAlloc(type, 0);
    if (self == NULL)
        return NULL;
    if (PyObject_GetBuffer(vectors, &self->view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    if (!is_halves(&self->view)) {
        Py_DECREF(self);
        return PyErr_Format(PyExc_ValueError, "vectors: a C-contiguous float16 array of two dimensions is needed");
    }
    int enough = 0;
    Py_BEGIN_ALLOW_THREADS
    enough = rows_init(&self->rows, kernel, self->view.buf, (size_t)self->view.shape[0], (size_t)self->view.shape[1]);
    Py_END_ALLOW_THREADS
    if (enough)
        return (PyObject *)self;
    Py_DECREF(self);
    return PyErr_NoMemory();
}

static void Rows_dealloc(PyObject *object) {
    Rows *self = (Rows *)object;
    PyTypeObject *type = Py_TYPE(object);
    rows_free(&self->rows);
    if (self->view.obj != NULL)
        PyBuffer_Release(&self->view);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *Rows_isa(PyObject *object, void *closure) {
    (void)closure;
    return PyUnicode_FromString(((Rows *)object)->rows.kernel->name);
}

static PyObject *Rows_most(PyObject *object, void *closure) {
    (void)closure;
    return PyLong_FromLong(((Rows *)object)->rows.kernel->most);
}

/* ---- the sketch ---- */

static PyObject *Rows_sketch(PyObject *object, PyObject *args) {
    Rows *self = (Rows *)object;
    PyObject *basis;
    Py_buffer view;
    double scale, limit, slack;
    if (!PyArg_ParseTuple(args, "Oddd:sketch", &basis, &scale, &limit, &slack) ||
        PyObject_GetBuffer(basis, &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0)
        return NULL;
    const Py_ssize_t k = is_halves(&view) && view.shape[1] == self->view.shape[1] ? view.shape[0] : 0;
    const int fits = k >= 4 && k <= SKETCH_MAX && k % 4 == 0 && scale > 0.0 && limit >= 0.0 && slack >= 0.0;
    const int enough = fits && rows_sketch(&self->rows, view.buf, (size_t)k, (size_t)view.shape[1], scale, limit, slack);
    PyBuffer_Release(&view);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "sketch: basis must be float16[k, d], k a multiple of 4 up to %d, scale > 0",
                            SKETCH_MAX);
    if (!enough)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *Rows_encode(PyObject *object, PyObject *args) {
    Rows *self = (Rows *)object;
    Py_ssize_t start, stop;
    if (!PyArg_ParseTuple(args, "nn:encode", &start, &stop))
        return NULL;
    if (self->rows.sketch.code == NULL || start < 0 || start > stop || (size_t)stop > self->rows.n)
        return PyErr_Format(PyExc_ValueError, "encode: rows from start to stop are needed, after sketch()");
    Py_BEGIN_ALLOW_THREADS
    rows_encode(&self->rows, (size_t)start, (size_t)stop);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* ---- views ---- */

/* Return whether `start` ascends from 0 to m. */
static int starts_fit(const int64_t *start, size_t n, int64_t m) {
    for (size_t i = 0; i < n; i++)
        if (start[i] > start[i + 1])
            return 0;
    return start[0] == 0 && start[n] == m;
}

static PyObject *Rows_views(PyObject *object, PyObject *args) {
    Rows *self = (Rows *)object;
    PyObject *vectors;
    Py_buffer view, kind, start;
    if (!PyArg_ParseTuple(args, "y*y*O:views", &kind, &start, &vectors))
        return NULL;
    if (PyObject_GetBuffer(vectors, &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0) {
        PyBuffer_Release(&kind), PyBuffer_Release(&start);
        return NULL;
    }
    const size_t n = self->rows.n;
    const int fits = is_halves(&view) && view.shape[1] == self->view.shape[1] && (size_t)kind.len == 4 * n &&
                     (size_t)start.len == 8 * (n + 1) && starts_fit(start.buf, n, view.shape[0]);
    const int enough = fits && rows_views(&self->rows, kind.buf, start.buf, view.buf, (size_t)view.shape[1]);
    PyBuffer_Release(&view), PyBuffer_Release(&kind), PyBuffer_Release(&start);
    if (!fits)
        return PyErr_Format(PyExc_ValueError,
                            "views: kind int32[n], start int64[n + 1] and vectors float16[start[n], d] are needed");
    if (!enough)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static int all_rows(const struct rows *rows, const int64_t *index, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (index[i] < 0 || (size_t)index[i] >= rows->n)
            return 0;
    return 1;
}

static PyObject *Rows_lowest(PyObject *object, PyObject *args) {
    Rows *self = (Rows *)object;
    Py_buffer left, right, score;
    if (!PyArg_ParseTuple(args, "y*y*w*:lowest", &left, &right, &score))
        return NULL;
    const size_t count = (size_t)left.len / 8;
    const int64_t *a = left.buf, *b = right.buf;
    float *out = score.buf;
    const int fits = (size_t)right.len / 8 == count && (size_t)score.len == 4 * count && all_rows(&self->rows, a, count) &&
                     all_rows(&self->rows, b, count);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        for (size_t i = 0; i < count; i++)
            out[i] = rows_lowest(&self->rows, (size_t)a[i], (size_t)b[i], out[i]);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&left), PyBuffer_Release(&right), PyBuffer_Release(&score);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "lowest: left and right must be rows, int64, with score float32 of their length");
    Py_RETURN_NONE;
}

/* ---- pairs of one tile ---- */

static int check_tile(const struct rows *rows, const Py_ssize_t t[4], const Py_buffer *row, const Py_buffer *col,
                      size_t capacity) {
    const size_t n = rows->n;
    return 0 <= t[0] && t[0] <= t[1] && (size_t)t[1] <= n && t[0] % TILE_ROWS == 0 && 0 <= t[2] && t[2] <= t[3] &&
           (size_t)t[3] <= n && t[2] % TILE_COLS == 0 && capacity >= SCAN_ROOM &&
           ((row->len == 0 && col->len == 0) || (row->len == 4 * (t[1] - t[0]) && col->len == 4 * (t[3] - t[2])));
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static PyObject *Rows_scan(PyObject *object, PyObject *args) {
    Rows *self = (Rows *)object;
    float thres;
    Py_ssize_t t[4], cursor;
    Py_buffer row, col, left, right, score;
    if (!PyArg_ParseTuple(args, "f(nnnn)w*w*nw*w*w*:scan", &thres, &t[0], &t[1], &t[2], &t[3], &row, &col, &cursor, &left, &right,
                          &score))
        return NULL;
    struct pairs pairs = {.left = left.buf, .right = right.buf, .score = score.buf};
    pairs.capacity = least(least((size_t)left.len / 8, (size_t)right.len / 8), (size_t)score.len / 4);
    const int fits = cursor >= 0 && check_tile(&self->rows, t, &row, &col, pairs.capacity);
    size_t next = SCAN_DONE;
    if (fits) {
        const struct tile tile = {(size_t)t[0], (size_t)t[1], (size_t)t[2], (size_t)t[3]};
        const struct labels labels = {row.len ? row.buf : NULL, col.len ? col.buf : NULL};
        Py_BEGIN_ALLOW_THREADS
        next = scan(&self->rows, thres, tile, labels, (size_t)cursor, &pairs);
        Py_END_ALLOW_THREADS
    }
    Py_buffer *held[] = {&row, &col, &left, &right, &score};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        PyBuffer_Release(held[i]);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "scan: tile, labels or buffers (at least %d pairs) do not fit the rows", SCAN_ROOM);
    return Py_BuildValue("nn", (Py_ssize_t)pairs.count, next == SCAN_DONE ? (Py_ssize_t)-1 : (Py_ssize_t)next);
}

/* ---- keepers ---- */

/* keepers_choose needs room for as many keepers as members; keepers_cover reads them. Returns the count of new keepers. */
static PyObject *Rows_keepers(Rows *self, PyObject *args, const char *format, int choose) {
    float thres;
    Py_buffer keeper, member, by, score;
    if (!PyArg_ParseTuple(args, format, &thres, &keeper, &member, &by, &score))
        return NULL;
    const size_t k = (size_t)keeper.len / 8, m = (size_t)member.len / 8;
    const int fits = (size_t)by.len == 8 * m && (size_t)score.len == 4 * m && (!choose || k >= m) &&
                     all_rows(&self->rows, member.buf, m) && (choose || all_rows(&self->rows, keeper.buf, k));
    size_t chosen = 0;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        if (choose)
            chosen = keepers_choose(&self->rows, thres, member.buf, m, by.buf, score.buf, keeper.buf);
        else
            keepers_cover(&self->rows, thres, keeper.buf, k, member.buf, m, by.buf, score.buf);
        Py_END_ALLOW_THREADS
    }
    Py_buffer *held[] = {&keeper, &member, &by, &score};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        PyBuffer_Release(held[i]);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "keepers: members must be rows, with by int64 and score float32 of their length");
    return PyLong_FromSize_t(chosen);
}

static PyObject *Rows_cover(PyObject *self, PyObject *args) { return Rows_keepers((Rows *)self, args, "fy*y*w*w*:cover", 0); }

static PyObject *Rows_choose(PyObject *self, PyObject *args) { return Rows_keepers((Rows *)self, args, "fw*y*w*w*:choose", 1); }

/* ---- nearest neighbours ---- */

static PyObject *Rows_nearest(PyObject *object, PyObject *args) {
    Rows *self = (Rows *)object;
    float floor;
    Py_ssize_t k, start, stop;
    Py_buffer index, score;
    PyObject *among = object;
    if (!PyArg_ParseTuple(args, "fnnnw*w*|O!:nearest", &floor, &k, &start, &stop, &index, &score, (PyObject *)Py_TYPE(object),
                          &among))
        return NULL;
    const struct rows *set = &((Rows *)among)->rows;
    const int fits = k >= 1 && start >= 0 && start % TILE_ROWS == 0 && start <= stop && (size_t)stop <= self->rows.n &&
                     index.len / 8 / k == stop - start && index.len % (8 * k) == 0 && 2 * score.len == index.len &&
                     set->d == self->rows.d && set->kernel == self->rows.kernel;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        nearest(&self->rows, set, floor, (size_t)k, (size_t)start, (size_t)stop, index.buf, score.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&index), PyBuffer_Release(&score);
    if (!fits)
        return PyErr_Format(PyExc_ValueError,
                            "nearest: rows from start (a multiple of %d) to stop, with index int64 and score float32 of k each, "
                            "among rows of their length",
                            TILE_ROWS);
    Py_RETURN_NONE;
}

/* ---- local features ---- */

/* Return the buffer's length in items of `bytes`, or -1 if it is not a whole number of them. */
static Py_ssize_t items(const Py_buffer *view, Py_ssize_t bytes) { return view->len % bytes == 0 ? view->len / bytes : -1; }

static PyObject *core_match(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer left, right, out;
    const char *isa = "";
    if (!PyArg_ParseTuple(args, "y*y*w*|s:match", &left, &right, &out, &isa))
        return NULL;
    const struct match_kernel *kernel = match_named(isa);
    const Py_ssize_t m = items(&left, MATCH_BYTES), n = items(&right, MATCH_BYTES);
    const int fits = kernel != NULL && m >= 0 && n >= 0 && n <= INT32_MAX && items(&out, sizeof(struct match)) == m;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        kernel->match(left.buf, (size_t)m, right.buf, (size_t)n, out.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&left), PyBuffer_Release(&right), PyBuffer_Release(&out);
    if (kernel == NULL)
        return PyErr_Format(PyExc_ValueError, "isa: this machine has no \"%s\" matcher", isa);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "match: descriptors of %d bytes, and room for one match for each left one",
                            MATCH_BYTES);
    Py_RETURN_NONE;
}

/* Return whether start[0..count] ascends inside 0..most, for at most INT32_MAX features per image. */
static int ascends(const int64_t *start, Py_ssize_t count, Py_ssize_t most) {
    if (count < 0 || start[0] < 0 || start[count] > most)
        return 0;
    for (Py_ssize_t i = 0; i < count; i++)
        if (start[i + 1] < start[i] || start[i + 1] - start[i] > INT32_MAX)
            return 0;
    return 1;
}

static int all_pictures(const Py_buffer *view, Py_ssize_t pictures) {
    const int64_t *index = view->buf;
    for (Py_ssize_t i = 0; i < view->len / 8; i++)
        if (index[i] < 0 || index[i] >= pictures)
            return 0;
    return 1;
}

static PyObject *core_align(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer descriptor, keypoint, start, width, left, right, out;
    float ratio;
    double tolerance;
    Py_ssize_t step;
    const char *isa = "";
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*fdnw*|s:align", &descriptor, &keypoint, &start, &width, &left, &right, &ratio,
                          &tolerance, &step, &out, &isa))
        return NULL;
    const struct match_kernel *kernel = match_named(isa);
    const Py_ssize_t total = items(&descriptor, MATCH_BYTES), pairs = items(&left, 8), pictures = items(&start, 8) - 1;
    const int fits = kernel != NULL && items(&keypoint, sizeof(struct keypoint)) == total && total >= 0 &&
                     right.len == left.len && pairs >= 0 && items(&out, sizeof(struct alignment)) == pairs &&
                     ascends(start.buf, pictures, total) && (width.len == 0 || items(&width, sizeof(int32_t)) == pictures) &&
                     step >= 1 && all_pictures(&left, pictures) && all_pictures(&right, pictures);
    int enough = 1;
    if (fits) {
        const struct features features = {descriptor.buf, keypoint.buf, start.buf, width.len > 0 ? width.buf : NULL};
        const struct align_rule rule = {ratio, tolerance, (size_t)step};
        const int64_t *a = left.buf, *b = right.buf;
        struct alignment *alignment = out.buf;
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t i = 0; i < pairs && enough; i++)
            enough = align(kernel, &features, (size_t)a[i], (size_t)b[i], &rule, &alignment[i]);
        Py_END_ALLOW_THREADS
    }
    Py_buffer *held[] = {&descriptor, &keypoint, &start, &width, &left, &right, &out};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        PyBuffer_Release(held[i]);
    if (kernel == NULL)
        return PyErr_Format(PyExc_ValueError, "isa: this machine has no \"%s\" matcher", isa);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "align: features, pairs or room for the alignments do not fit each other");
    if (!enough)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *core_blocks(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer left, right, inside, out;
    Py_ssize_t width, height, side, reach;
    if (!PyArg_ParseTuple(args, "y*y*y*(nn)nnw*:blocks", &left, &right, &inside, &width, &height, &side, &reach, &out))
        return NULL;
    const int fits = width >= 0 && height >= 0 && side >= 1 && side <= BLOCKS_MOST && reach >= 0 && reach <= BLOCKS_REACH &&
                     (width == 0 || height <= PY_SSIZE_T_MAX / 8 / (width + 1)) && left.len == width * height &&
                     right.len == left.len && inside.len == left.len &&
                     items(&out, sizeof(struct block_agreement)) == (height / side) * (width / side);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        blocks_compare(left.buf, right.buf, inside.buf, (size_t)width, (size_t)height, (size_t)side, (size_t)reach, out.buf);
        Py_END_ALLOW_THREADS
    }
    Py_buffer *held[] = {&left, &right, &inside, &out};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        PyBuffer_Release(held[i]);
    if (!fits)
        return PyErr_Format(PyExc_ValueError,
                            "blocks: pictures of one size, sides of 1 to %d, moves of 0 to %d, and room for each block",
                            BLOCKS_MOST, BLOCKS_REACH);
    Py_RETURN_NONE;
}

/* ---- features(grey, (width, height), pattern, out) -> number found ---- */

static PyObject *core_features(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer grey, pattern, out;
    Py_ssize_t width, height;
    if (!PyArg_ParseTuple(args, "y*(nn)y*w*:features", &grey, &width, &height, &pattern, &out))
        return NULL;
    const Py_ssize_t most = items(&out, sizeof(struct feature));
    const struct feature_test *test = pattern.buf;
    int fits = width >= 1 && width <= FEATURES_SIDE && height >= 1 && height <= FEATURES_SIDE && grey.len == width * height &&
               most >= 0 && items(&pattern, sizeof *test) == FEATURES_TURNS * FEATURES_TESTS;
    for (size_t i = 0; fits && i < FEATURES_TURNS * FEATURES_TESTS; i++)
        fits = abs(test[i].ax) <= FEATURES_REACH && abs(test[i].ay) <= FEATURES_REACH && abs(test[i].bx) <= FEATURES_REACH &&
               abs(test[i].by) <= FEATURES_REACH;
    size_t found = 0;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        found = features_find(grey.buf, (size_t)width, (size_t)height, test, (size_t)most, out.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&grey), PyBuffer_Release(&pattern), PyBuffer_Release(&out);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "features: a picture of 1 to %d pixels a side, the pattern, and room for features",
                            FEATURES_SIDE);
    return found == SIZE_MAX ? PyErr_NoMemory() : PyLong_FromSize_t(found);
}

static PyObject *core_match_isas(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    const struct match_kernel *kernels[MATCH_KERNELS];
    const int count = match_available(kernels);
    PyObject *names = PyTuple_New(count);
    for (int i = 0; names != NULL && i < count; i++)
        PyTuple_SetItem(names, i, PyUnicode_FromString(kernels[i]->name));
    return names;
}

/* ---- module functions ---- */

static PyObject *core_isas(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    const struct tile_kernel *kernels[TILE_KERNELS];
    const int count = tile_available(kernels);
    PyObject *names = PyTuple_New(count);
    for (int i = 0; names != NULL && i < count; i++)
        PyTuple_SetItem(names, i, PyUnicode_FromString(kernels[i]->name));
    return names;
}

static PyObject *core_join(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer parent, left, right;
    if (!PyArg_ParseTuple(args, "w*y*y*:join", &parent, &left, &right))
        return NULL;
    int64_t joined = -1;
    if (left.len == right.len) {
        Py_BEGIN_ALLOW_THREADS
        joined = union_find_join(parent.buf, parent.len / 4, left.buf, right.buf, (size_t)left.len / 8);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&parent), PyBuffer_Release(&left), PyBuffer_Release(&right);
    if (joined < 0)
        return PyErr_Format(PyExc_ValueError, "join: left and right must be int64 of one length, inside parent");
    return PyLong_FromLongLong(joined);
}

static PyObject *core_labels(PyObject *module, PyObject *args) {
    (void)module;
    Py_ssize_t start;
    Py_buffer parent, label;
    if (!PyArg_ParseTuple(args, "w*nw*:labels", &parent, &start, &label))
        return NULL;
    const int fits = start >= 0 && start <= parent.len / 4 && label.len / 4 <= parent.len / 4 - start;
    if (fits)
        union_find_labels(parent.buf, start, (size_t)label.len / 4, label.buf);
    PyBuffer_Release(&parent), PyBuffer_Release(&label);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "labels: start and label do not fit parent");
    Py_RETURN_NONE;
}

/* ---- headers(data, start, out) ---- */

/* Return whether start is 0, ascending, and ends at `size`. */
static int are_offsets(const int64_t *start, Py_ssize_t count, Py_ssize_t size) {
    if (count < 1 || start[0] != 0 || start[count - 1] != size)
        return 0;
    for (Py_ssize_t i = 1; i < count; i++)
        if (start[i] < start[i - 1])
            return 0;
    return 1;
}

static PyObject *core_headers(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer data, start, out;
    if (!PyArg_ParseTuple(args, "y*y*w*:headers", &data, &start, &out))
        return NULL;
    const Py_ssize_t count = start.len / (Py_ssize_t)sizeof(int64_t) - 1;
    const int fits = start.len % (Py_ssize_t)sizeof(int64_t) == 0 && are_offsets(start.buf, count + 1, data.len) &&
                     out.len == count * (Py_ssize_t)sizeof(struct header);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t i = 0; i < count; i++) {
            const int64_t *at = (const int64_t *)start.buf + i;
            ((struct header *)out.buf)[i] = header_scan((const uint8_t *)data.buf + at[0], (size_t)(at[1] - at[0]));
        }
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&data);
    PyBuffer_Release(&start);
    PyBuffer_Release(&out);
    if (!fits)
        return PyErr_Format(PyExc_ValueError,
                            "headers: start must be int64[n + 1] from 0 to the number of bytes, out int32[n, 7]");
    Py_RETURN_NONE;
}

static PyMethodDef rows_methods[] = {
    {"sketch", Rows_sketch, METH_VARARGS, NULL},
    {"encode", Rows_encode, METH_VARARGS, NULL},
    {"views", Rows_views, METH_VARARGS, NULL},
    {"lowest", Rows_lowest, METH_VARARGS, NULL},
    {"scan", Rows_scan, METH_VARARGS, NULL},
    {"cover", Rows_cover, METH_VARARGS, NULL},
    {"choose", Rows_choose, METH_VARARGS, NULL},
    {"nearest", Rows_nearest, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef rows_getset[] = {
    {"isa", Rows_isa, NULL, NULL, NULL}, {"most", Rows_most, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot rows_slots[] = {
    {Py_tp_doc, "Float16 rows ready to be compared."},
    {Py_tp_new, Rows_new},
    {Py_tp_dealloc, Rows_dealloc},
    {Py_tp_methods, rows_methods},
    {Py_tp_getset, rows_getset},
    {0, NULL},
};

static PyType_Spec rows_spec = {"fastsim._core.Rows", sizeof(Rows), 0, Py_TPFLAGS_DEFAULT, rows_slots};

static int core_exec(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &rows_spec, NULL);
    const int failed = type == NULL || PyModule_AddObjectRef(module, "Rows", type) < 0 ||
                       PyModule_AddIntConstant(module, "ROOM", SCAN_ROOM) < 0 ||
                       PyModule_AddIntConstant(module, "SKETCH_MAX", SKETCH_MAX) < 0;
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static PyMethodDef core_methods[] = {
    {"isas", core_isas, METH_NOARGS, NULL},
    {"join", core_join, METH_VARARGS, NULL},
    {"labels", core_labels, METH_VARARGS, NULL},
    {"match", core_match, METH_VARARGS, NULL},
    {"match_isas", core_match_isas, METH_NOARGS, NULL},
    {"align", core_align, METH_VARARGS, NULL},
    {"headers", core_headers, METH_VARARGS, NULL},
    {"blocks", core_blocks, METH_VARARGS, NULL},
    {"features", core_features, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot core_slots[] = {{Py_mod_exec, (void *)core_exec}, {0, NULL}};

static struct PyModuleDef core_module = {
    PyModuleDef_HEAD_INIT, "_core", "The compiled core of fastsim.", 0, core_methods, core_slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&core_module); }
