// From buckets B_d to sum_d d B_d of each set, by halving: with the lower bits of i = d - 1 as coordinates,
//
//   sum_i (i + 1) B_i = sum_i B_i + sum_j 2^j (sum of the B_i whose bit j is one)
//
// A round adds the upper half of an array to its lower half and leaves the upper half, whose sum belongs to the highest bit, to be folded in
// the rounds that follow. Two additions a bucket, as for running sums, but in as many steps as there are bits, and no step waits for another
// bucket's. The host doubles: c points a set, which it reads at the end.
//
// The 2^(c-1) buckets of a set are tiles of 2^low buckets; msm_weigh folds the low bits, msm_finish the 2^high tiles of a set.
#pragma once

#include "msm_buckets.cuh"

namespace msm {

constexpr u32 log_tile = 8, tile_points = 1 << log_tile;

// Points in shared memory, sixteen bytes of each point a row: lanes that read neighbouring points do not meet in a bank.
typedef uint4 (*Tile)[tile_points];

DEVICE Fq read_element(Tile tile, u32 row, u32 at) {
    uint4 lo = tile[row][at], hi = tile[row + 1][at];
    return Fq{{lo.x, lo.y, lo.z, lo.w, hi.x, hi.y, hi.z, hi.w}};
}
DEVICE void write_element(Tile tile, u32 row, u32 at, const Fq &e) {
    tile[row][at] = uint4{e.limb[0], e.limb[1], e.limb[2], e.limb[3]};
    tile[row + 1][at] = uint4{e.limb[4], e.limb[5], e.limb[6], e.limb[7]};
}
DEVICE Xyzz read(Tile tile, u32 at) {
    return Xyzz{read_element(tile, 0, at), read_element(tile, 2, at), read_element(tile, 4, at), read_element(tile, 6, at)};
}
DEVICE void write(Tile tile, u32 at, const Xyzz &p) {
    write_element(tile, 0, at, p.x);
    write_element(tile, 2, at, p.y);
    write_element(tile, 4, at, p.zz);
    write_element(tile, 6, at, p.zzz);
}

// Folds 2^log points: point 0 becomes the sum of all and, if `weigh`, point 2^j the sum of those whose index has bit j.
//
// For a block of half as many threads as a tile may have points: no round has more additions. Begins and ends with a barrier.
DEVICE void fold_tile(Tile tile, u32 log, bool weigh) {
    __syncthreads();
#pragma unroll 1
    for (u32 round = 0; round < log; round++) {
        u32 log_half = log - round - 1, half = u32(1) << log_half;
        u32 part = threadIdx.x >> log_half;
        if (part <= (weigh ? round : 0)) {
            // Part 0 is the array that is still to be weighed, the others are the upper halves of earlier rounds.
            u32 at = (part == 0 ? 0 : u32(1) << (log - part)) + (threadIdx.x & (half - 1));
            write(tile, at, read(tile, at).add(read(tile, at + half)));
        }
        __syncthreads();
    }
}

} // namespace msm

// The low bits: one block a tile. Of set s, out[s][0][t] is the sum of tile t, out[s][1 + j][t] of its buckets with bit j.
KERNEL_BOUNDED(128, msm_weigh, Xyzz *out, const Xyzz *partials, const u64 *places, u32 length, u32 low, u32 high) {
    SHARED(uint4, tile, [8][msm::tile_points]);
    for (u32 i = threadIdx.x; i < u32(1) << low; i += blockDim.x) {
        u32 bucket = (blockIdx.x << low) + i;
        bool empty = msm::entries_of(places[bucket]) == msm::entries_of(places[bucket + 1]);
        msm::write(tile, i, empty ? Xyzz::identity() : Xyzz::load(partials + msm::Stretch::of(places, bucket, length).first));
    }
    msm::fold_tile(tile, low, true);
    if (threadIdx.x > low) return;
    u32 set = blockIdx.x >> high, at = blockIdx.x & ((u32(1) << high) - 1);
    u64 row = static_cast<u64>(set) * (low + 1) + threadIdx.x;
    msm::read(tile, threadIdx.x == 0 ? 0 : u32(1) << (threadIdx.x - 1)).store(out + (row << high) + at);
}

// The high bits: one block a row of 2^high tile sums. Of set s, out[s][0] is the sum of all buckets, out[s][1 + j] of those with bit j.
KERNEL_BOUNDED(128, msm_finish, Jacobian *out, const Xyzz *rows, u32 low, u32 high) {
    SHARED(uint4, tile, [8][msm::tile_points]);
    rows += static_cast<u64>(blockIdx.x) << high;
    for (u32 i = threadIdx.x; i < u32(1) << high; i += blockDim.x) msm::write(tile, i, Xyzz::load(rows + i));
    u32 set = blockIdx.x / (low + 1), row = blockIdx.x % (low + 1);
    msm::fold_tile(tile, high, row == 0);
    out += static_cast<u64>(set) * (1 + low + high);
    if (threadIdx.x == 0) msm::read(tile, 0).to_jacobian().store(out + row);
    if (row == 0 && threadIdx.x < high) msm::read(tile, u32(1) << threadIdx.x).to_jacobian().store(out + 1 + low + threadIdx.x);
}
