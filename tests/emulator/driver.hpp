// The entry points that tests/emulator/__init__.py calls. HOPPER: the kernel takes tensor maps in place of rows.

struct Operands {
    const half_bits *a, *b;
    const float *norm_a, *norm_b;
    const int *label_a, *label_b;
    const float *low_a;
    int na, nb, d, upper;
    float low;
};

struct Output { u32 *count; int *left, *right; u32 room; };

struct Shape { int rows, columns, threads; long shared_bytes; };  // Kernel in fastsim/similarity/kernels/__init__.py

static Dim3 blocks_of(int columns, int rows, Shape shape) {
    return {(columns + shape.columns - 1) / shape.columns, (rows + shape.rows - 1) / shape.rows};
}

extern "C" void run_norms(const half_bits *rows, int n, int d, float *norm) {
    launch({4}, {256}, 0, Late, [=] { norms(rows, n, d, norm); });
}

extern "C" void run_prefilter(Operands o, Output out, Shape shape, int when) {
    launch(blocks_of(o.nb, o.na, shape), {shape.threads}, shape.shared_bytes, (Timing)when, [=] {
#ifdef HOPPER
        const TensorMap a = {{(u64)o.a, (u64)o.na, (u64)o.d, 64}}, b = {{(u64)o.b, (u64)o.nb, (u64)o.d, 256}};
        prefilter(a, b, o.norm_a, o.norm_b, o.label_a, o.label_b, o.low_a, o.na, o.nb, o.d, o.upper, o.low, out.count, out.left, out.right,
             out.room);
#else
        prefilter(o.a, o.b, o.norm_a, o.norm_b, o.label_a, o.label_b, o.low_a, o.na, o.nb, o.d, o.upper, o.low, out.count, out.left,
             out.right, out.room);
#endif
    });
}

extern "C" void run_prefilter_reference(Operands o, Output out) {
    launch(blocks_of(o.nb, o.na, {16, 16, 256, 0}), {16, 16}, 0, Late, [=] {
        prefilter_reference(o.a, o.b, o.norm_a, o.norm_b, o.label_a, o.label_b, o.low_a, o.na, o.nb, o.d, o.upper, o.low, out.count,
                       out.left, out.right, out.room);
    });
}

extern "C" void run_rescore(Operands o, Output out, float *score) {
    launch({4}, {256}, 0, Late, [=] {
        rescore(o.a, o.b, o.norm_a, o.norm_b, o.d, out.count, out.left, out.right, out.room, score);
    });
}

extern "C" const char *last_failure() { return failure.c_str(); }
