// Each instruction that CUDA C++ has no name for, as a function: the only lines of PTX for sm_80 and newer. Sources of NVRTC
// need no header. tests/emulator/ptx.hpp has the same functions for a CPU, by the tables of the PTX ISA.

typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned short half_bits;  // the bits of an IEEE 754 binary16

__device__ __forceinline__ float to_float(half_bits h) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
}

__device__ __forceinline__ u32 shared_address(const void *at) { return (u32)__cvta_generic_to_shared(at); }

// Starts a copy of 16 bytes from global to shared memory; it belongs to the group that copy_commit closes next.
__device__ __forceinline__ void copy16(half_bits *to, const half_bits *from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to)), "l"(from));
}

__device__ __forceinline__ void copy_commit() { asm volatile("cp.async.commit_group;"); }

// Waits until at most PENDING of this thread's groups of copies are open.
template <int PENDING>
__device__ __forceinline__ void copy_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

// Four 8 x 8 matrices of halves; lane l gives the address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void ldmatrix_x4(u32 r[4], const half_bits *at) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(at)));
}

// c += a b: 16 x 8 floats, 16 x 16 halves by rows, 16 x 8 halves by columns.
__device__ __forceinline__ void mma_m16n8k16(float c[4], const u32 a[4], u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
