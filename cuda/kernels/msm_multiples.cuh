// Multiples of the bases, once a key.
#pragma once

#include "curve.cuh"

// Level l of the table is 2^(doublings l) times level 0, for `count` bases from `first` on; a level has `bases` points.
//
// One thread a base, and one inversion for all its levels: `room`, three elements for each level but the first and each base of this launch,
// holds the denominators and the products of the zzz before. Cost of a base: ten products a doubling, seven a level, 380 for the inversion.
KERNEL_BOUNDED(128, msm_multiples, Affine *table, Fq *room, u64 bases, u64 first, u32 count, u32 levels, u32 doublings) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    table += first + i;
    room += i;
    Affine base = Affine::load(table);
    Xyzz at = Xyzz::from_affine(base);
    Fq product = Fq::one();
    for (u32 level = 1; level < levels; level++) {
#pragma unroll 1
        for (u32 d = 0; d < doublings; d++) at = at.dbl();
        Affine{at.x, at.y}.store(table + level * bases);
        Fq *denominators = room + static_cast<u64>(level - 1) * 3 * count;
        at.zz.store(denominators);
        at.zzz.store(denominators + count);
        product.store(denominators + 2 * static_cast<u64>(count));
        // The identity stays what it is, (0, 0), in the pass below: there all inverses are zero.
        product *= at.zzz;
    }
    Fq inverse = product.inverse();
    for (u32 level = levels - 1; level > 0; level--) {
        const Fq *denominators = room + static_cast<u64>(level - 1) * 3 * count;
        Fq zz = Fq::load(denominators), zzz = Fq::load(denominators + count);
        Fq inverse_zzz = inverse * Fq::load(denominators + 2 * static_cast<u64>(count));
        inverse *= zzz;
        Fq inverse_z = zz * inverse_zzz; // zzz = z^3, zz = z^2
        Affine point = Affine::load(table + level * bases);
        Affine{point.x * inverse_z.sqr(), point.y * inverse_zzz}.store(table + level * bases);
    }
}
