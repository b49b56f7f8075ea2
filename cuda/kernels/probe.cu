// Kernels that apply one operation to each element: the host compares them with halo2curves, on the emulator and on a GPU.
#include "curve.cuh"

#define PROBE(name, F, expression)                                  \
    KERNEL(name, F *out, const F *left, const F *right, u32 n) {    \
        u32 i = blockIdx.x * blockDim.x + threadIdx.x;              \
        if (i >= n) return;                                         \
        F a = F::load(left + i), b = F::load(right + i);            \
        (void)b;                                                    \
        (expression).store(out + i);                                \
    }
PROBE(probe_fr_add, Fr, a + b)
PROBE(probe_fr_sub, Fr, a - b)
PROBE(probe_fr_mul, Fr, a *b)
PROBE(probe_fr_inverse, Fr, a.inverse())
PROBE(probe_fr_to_canonical, Fr, a.to_canonical())
PROBE(probe_fq_add, Fq, a + b)
PROBE(probe_fq_sub, Fq, a - b)
PROBE(probe_fq_mul, Fq, a *b)
PROBE(probe_fq_inverse, Fq, a.inverse())
#undef PROBE

#define CURVE_PROBE(name, expression)                                            \
    KERNEL(name, Jacobian *out, const Affine *left, const Affine *right, u32 n) { \
        u32 i = blockIdx.x * blockDim.x + threadIdx.x;                           \
        if (i >= n) return;                                                      \
        Affine a = Affine::load(left + i), b = Affine::load(right + i);          \
        (expression).to_jacobian().store(out + i);                               \
    }
// 2a + b and 2a + 2b: doubling first gives denominators other than 1. With b = 0 the first is a doubling alone.
CURVE_PROBE(probe_curve_add_mixed, Xyzz::from_affine(a).dbl().add(b))
CURVE_PROBE(probe_curve_add, Xyzz::from_affine(a).dbl().add(Xyzz::from_affine(b).dbl()))
#undef CURVE_PROBE

// out[block] = sum of the block's slice of `in`. The size of a block is a multiple of 32; dynamic shared memory: 4 bytes per warp.
KERNEL(probe_block_sum, u32 *out, const u32 *in, u32 n) {
    DYNAMIC_SHARED(u32, sums);
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    u32 v = i < n ? in[i] : 0;
    for (u32 d = 16; d > 0; d /= 2) v += __shfl_down_sync(0xffffffff, v, d);
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = v;
    __syncthreads();
    if (threadIdx.x != 0) return;
    u32 total = 0;
    for (u32 w = 0; w < blockDim.x / 32; w++) total += sums[w];
    out[blockIdx.x] = total;
}

// Reverses each block's slice of `in` through static shared memory.
KERNEL_BOUNDED(256, probe_block_reverse, u32 *out, const u32 *in) {
    SHARED(u32, tile, [256]);
    u32 base = blockIdx.x * blockDim.x;
    tile[threadIdx.x] = in[base + threadIdx.x];
    __syncthreads();
    out[base + threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}
